"""What was found in the parts of a frame becomes what is in the frame, each object once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_area, box_iou
from spotlet.detections import Detections
from spotlet.letterbox import Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import suppress
from spotlet.tiles import Part

BORDER_PIXELS = 4.0
"""A box that ends this close to a part's border, in pixels of what the network saw, may be cut:
networks place the edge of a half-visible object some pixels from the border."""

COVERED_SHARE = 0.5
"""A box of which another covers this share shows the same, or a part of it."""

EQUAL_SCORE = 0.5
"""A box counts against another if its score is at least this share of the other's."""

PIECE_IOU = 0.5
"""Overlap, where two parts show the same, from which two cut boxes are pieces of one object."""

PARTNER_IOU = 0.25
"""Overlap from which boxes of two parts, of which neither has a better partner, are one object. Low
because the edges of what is small in one part, and large in another, differ by whole pixels."""

OTHER_CLASS_IOU = 0.6
"""The same for boxes of two classes: the default of suppression within a class."""

MOST_MERGED = 1000
"""The best of all parts enter the merging: bounds its memory, 4 MB for each table of pairs."""

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


def merge_parts(
    found: Sequence[Detections],
    parts: Sequence[Part],
    borders: Sequence[float],
    rule: DetectionRule,
) -> Detections:
    """Returns the objects of a frame from those of its parts.

    A box that a border between parts may cut gives way to one that is whole, and pieces of an
    object that no part shows whole are joined; other pieces stay only where nothing else is. Of
    the boxes that several parts have of one object the best stays: it stands for at most one of
    each other part, so that neighbours in a crowd remain.

    Args:
        found: in each part, in pixels of the frame.
        parts: the first is the whole frame.
        borders: the `border_pixels` of each part.
        rule: limits of the result; its IoU threshold acts within each class as in one canvas.
    """
    _, _, width, height = parts[0]
    boxes = np.concatenate([each.boxes_xyxy for each in found])
    scores = np.concatenate([each.scores for each in found])
    class_ids = np.concatenate([each.class_ids for each in found])
    views = np.repeat(np.arange(len(found)), [len(each) for each in found])
    cut = np.concatenate(
        [
            touches_inner_border(each.boxes_xyxy, part, (height, width), pixels)
            for each, part, pixels in zip(found, parts, borders, strict=True)
        ]
    )
    best = np.argsort(-scores, kind="stable")[:MOST_MERGED]
    boxes, scores, class_ids = boxes[best], scores[best], class_ids[best]
    views, cut = views[best], cut[best]

    pieces = cut & ~_covered(boxes, scores, class_ids, cut)
    gone = cut.copy()
    edges = np.array(parts, np.float32)[views]
    searched = np.flatnonzero(pieces)
    for group in _groups(boxes[pieces], scores[pieces], class_ids[pieces], edges[pieces]):
        members = searched[group]
        hull = _hull(edges[members])
        joined = _hull(boxes[members])
        pixels = max(borders[view] for view in views[members].tolist())
        boxes[members[0]] = joined
        # Of no part: each may have another box of the same object.
        views[members[0]] = -1 - members[0]
        pieces[members] = False
        # If they all end at the same border, they are a piece still.
        is_piece = touches_inner_border(joined[None], hull, (height, width), pixels)[0]
        pieces[members[0]] = gone[members[0]] = is_piece
    one_class = not rule.every_class
    gone |= _represented(boxes, class_ids, views, gone, one_class=one_class)
    for index in np.flatnonzero(pieces):
        box, others = boxes[index : index + 1], boxes[~gone]
        same = class_ids[~gone] == class_ids[index]
        shown = covered_share(box, others)[0] >= COVERED_SHARE
        shown |= box_iou(box, others)[0] >= PARTNER_IOU
        gone[index] = (shown & (same | one_class)).any()

    left = np.flatnonzero(~gone)
    kept = left[suppress(boxes[left], scores[left], class_ids[left], rule.iou_threshold)]
    kept = kept[: rule.max_detections]
    return replace(found[0], boxes_xyxy=boxes[kept], scores=scores[kept], class_ids=class_ids[kept])


def _hull(boxes: FloatArray) -> FloatArray:
    """Returns the smallest box (4,) around boxes (N, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def moved(found: Detections, part: Part) -> Detections:
    """Returns what was found in a part, in pixels of that part, in pixels of the frame."""
    left, top, _, _ = part
    corner = np.array([left, top, left, top], np.float32)
    return replace(found, boxes_xyxy=found.boxes_xyxy + corner)


def border_pixels(letterbox: Letterbox) -> float:
    """Returns how close to the border of a part a box must end to be cut, pixels of the frame."""
    (height, width), resized = letterbox.frame_hw, letterbox.resized_hw
    return BORDER_PIXELS * max(height / resized[0], width / resized[1])


def touches_inner_border(
    boxes_xyxy: FloatArray,
    part: Part | FloatArray,
    size_hw: tuple[int, int],
    pixels: float = BORDER_PIXELS,
) -> Mask:
    """Returns which boxes (N, 4) end at a border of a part that is not the picture's, (N,).

    Args:
        boxes_xyxy: in pixels of the picture.
        part: of that picture.
        size_hw: of the picture, pixels.
        pixels: how close counts.
    """
    height, width = size_hw
    inner = np.array(part) != np.array([0, 0, width, height])
    near = np.abs(boxes_xyxy - np.array(part, np.float32)) <= pixels
    touches: Mask = (near & inner).any(axis=1)
    return touches


def covered_share(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """Returns which share of each box each of the others covers, (N, M) in [0, 1].

    Example:
        >>> small = np.array([[0, 0, 1, 1]], np.float32)
        >>> large = np.array([[0, 0, 2, 1]], np.float32)
        >>> covered_share(small, large).tolist(), covered_share(large, small).tolist()
        ([[1.0]], [[0.5]])
    """
    top_left = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    share: FloatArray = shared / np.maximum(box_area(boxes_xyxy), 1e-6)[:, None]
    return share


def _covered(boxes: FloatArray, scores: FloatArray, class_ids: Indices, cut: Mask) -> Mask:
    """Returns which boxes a whole one of their class covers that is about as sure."""
    whole = np.flatnonzero(~cut)
    covers: Mask = covered_share(boxes, boxes[whole]) >= COVERED_SHARE
    covers &= class_ids[:, None] == class_ids[whole]
    covers &= scores[whole] >= scores[:, None] * EQUAL_SCORE
    return np.asarray(covers.any(axis=1))


def _groups(
    boxes: FloatArray, scores: FloatArray, class_ids: Indices, edges: FloatArray
) -> list[Indices]:
    """Returns which pieces (N, 4), best first, belong together; only groups of several.

    Two do if they are of one class, and coincide where both their parts, `edges` (N, 4), look.
    """
    shared = np.concatenate(
        [
            np.maximum(edges[:, None, :2], edges[None, :, :2]),
            np.minimum(edges[:, None, 2:], edges[None, :, 2:]),
        ],
        axis=2,
    )
    ones = np.clip(boxes[:, None], shared[..., [0, 1, 0, 1]], shared[..., [2, 3, 2, 3]])
    others = ones.transpose(1, 0, 2)
    overlap = np.minimum(ones[..., 2:], others[..., 2:]) - np.maximum(
        ones[..., :2], others[..., :2]
    )
    both = np.clip(overlap, 0, None).prod(axis=2)
    areas = np.clip(ones[..., 2:] - ones[..., :2], 0, None).prod(axis=2)
    joined = both > PIECE_IOU * (areas + areas.T - both)
    joined &= (shared[..., 2:] > shared[..., :2]).all(axis=2)
    joined &= class_ids[:, None] == class_ids
    joined &= (edges[:, None] != edges).any(axis=2)

    free = np.ones(len(boxes), np.bool_)
    groups = []
    for first in range(len(boxes)):
        if not free[first]:
            continue
        group = np.zeros(len(boxes), np.bool_)
        grown = np.arange(len(boxes)) == first
        usable = free & (scores >= scores[first] * EQUAL_SCORE)
        while not np.array_equal(group, grown):
            group = grown
            grown = group | (usable & joined[group].any(axis=0))
        free &= ~group
        if group.sum() > 1:
            groups.append(np.flatnonzero(group))
    return groups


def _represented(
    boxes: FloatArray, class_ids: Indices, views: Indices, gone: Mask, *, one_class: bool
) -> Mask:
    """Returns which boxes, best first, a better one of another part stands for.

    Args:
        boxes: (N, 4).
        class_ids: (N,).
        views: (N,), the part of each.
        gone: (N,), to leave out.
        one_class: whether an object has one class, so that boxes of another may be of it too.
    """
    overlaps = box_iou(boxes, boxes)
    same = class_ids[:, None] == class_ids
    fits = (overlaps >= PARTNER_IOU) & same
    if one_class:
        fits |= overlaps >= OTHER_CLASS_IOU
    fits &= views[:, None] != views
    likeness = np.where(fits, overlaps + same, 0)
    alive = ~gone
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        worse = np.flatnonzero((alive & fits[index])[index + 1 :])
        partners = index + 1 + worse
        for view in set(views[partners].tolist()):
            own = partners[views[partners] == view]
            alive[own[likeness[index, own].argmax()]] = False
    return ~alive
