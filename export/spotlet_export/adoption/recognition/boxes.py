"""Tells by decoded boxes whether axes are exchanged, and whether rows were suppressed.

A mirrored picture has the same objects, mirrored left to right; boxes whose x and y are exchanged
move up and down instead. And neighbouring anchors see the same object: their boxes overlap if
anchors and offsets have the same order of axes. Where a test cannot tell, it is silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import box_iou

Wide = npt.NDArray[np.float64]
Found = tuple[Wide, Wide]
"""Boxes (K, 4) in fractions of the canvas, and scores (K, C), of one canvas."""

MOST_CELLS = 100
"""Of one picture; those with the best scores."""

NEIGHBOURS_CLEARLY = 0.05
"""By how much the mean IoU of neighbours must exceed the other. Measured on five networks, right
against exchanged: 0.94 and 0.44, 0.86 and 0.28, 0.99 and 0.66, 0.55 and 0.36, 0.14 and 0.00; with
exchanged offsets instead of anchors, 0.87 and 0.80 on one of them."""

NEIGHBOURS = 4
"""Nearest anchors that are compared with each."""

ALIKE = 0.3
"""Least score of a neighbour, as a share of the cell's own."""

FEWEST_PAIRS = 4

DUPLICATE_IOU = 0.75
"""Overlap of two boxes that suppression rarely leaves; most thresholds are at most 0.7."""

DUPLICATE_SHARE = 0.2
"""Share of the rows that are duplicates where nothing was suppressed. Networks that need no
suppression leave single ones."""

FEWEST_DUPLICATES = 2

WEAK = 0.5
"""Share of the threshold from which a box in a mirrored picture counts, if one is lenient."""

FEWEST_SCALED = 2
"""Boxes that tell a scale: one box agrees with any other of its size in some scale."""

LEAST_SCALE, MOST_SCALES = 0.2, 8
"""Of scales that are tried: the least, and how many."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """What fires on one canvas, best first: (M, 4), (M,), (M,), and the cells they are of."""

    boxes: Wide
    scores: Wide
    ids: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]


def mirror_agreement(
    pairs: Sequence[tuple[Found, Found]], threshold: float, iou: float, *, lenient: bool = False
) -> float | None:
    """Returns how well boxes in mirrored pictures are the mirrored boxes: their mean IoU.

    Args:
        pairs: what was found on canvases, and on the same mirrored left to right.
        threshold: least score.
        iou: suppression drops a box with more overlap.
        lenient: whether boxes of other classes count too, as of left and right hands, and weak ones
            in the mirrored pictures; then sure boxes count more.

    Returns:
        In [0, 1]; None if nothing was found.
    """
    return _agreed(_both(pairs, threshold, iou, lenient=lenient), 1.0, by_score=lenient)


def mirror_scale(
    pairs: Sequence[tuple[Found, Found]], threshold: float, iou: float
) -> tuple[float, float] | None:
    """Returns the width of the canvas, in the boxes' unit, with which mirrored boxes agree best.

    In the right unit it is 1; with boxes of half the size, 0.5.

    Returns:
        The width and the agreement, in [0, 1]; None if less than `FEWEST_SCALED` boxes are found.
    """
    both = _both(pairs, threshold, iou)
    if sum(len(rows.ids) for rows, _, _ in both) < FEWEST_SCALED:
        return None
    sums = [
        (rows.boxes[:, np.newaxis, 0] + others.boxes[:, 2])[same] for rows, others, same in both
    ]
    likely, counts = np.unique(np.round(np.concatenate(sums), 2), return_counts=True)
    likely = likely[np.argsort(-counts, kind="stable")]
    likely = likely[(likely > LEAST_SCALE) & (likely < 1 / LEAST_SCALE)][:MOST_SCALES]
    return max(
        ((float(width), _agreed(both, float(width)) or 0.0) for width in likely),
        key=lambda each: each[1],
        default=None,
    )


def upright_turned(found: Found) -> Found:
    """Returns what was found with x and y exchanged, to compare what is mirrored top to bottom."""
    boxes, scores = found
    return boxes[:, [1, 0, 3, 2]], scores


_Both = list[tuple[_Rows, _Rows, npt.NDArray[np.bool_]]]
"""Of each pair of canvases: what is found on both, and which of it (M, L) is of one class."""


def _both(
    pairs: Sequence[tuple[Found, Found]], threshold: float, iou: float, *, lenient: bool = False
) -> _Both:
    """Returns what fires on both canvases of each pair, suppressed."""
    both = []
    for found, again in pairs:
        rows = _suppressed(_firing(found, threshold), iou)
        others = _suppressed(_firing(again, threshold * (WEAK if lenient else 1)), iou)
        same = (rows.ids[:, np.newaxis] == others.ids) | lenient
        if same.size:
            both.append((rows, others, same))
    return both


def _agreed(both: _Both, width: float, *, by_score: bool = False) -> float | None:
    """Returns the mean IoU of boxes and mirrored ones on canvases of a width; None if none is."""
    overlaps: list[float] = []
    weights: list[float] = []
    for rows, others, same in both:
        left, top, right, bottom = others.boxes.T
        boxes = np.stack([width - right, top, width - left, bottom], axis=1)
        overlaps += list((_iou(rows.boxes, boxes) * same).max(axis=1))
        weights += list(rows.scores**2 if by_score else np.ones(len(rows.scores)))
    return float(np.average(overlaps, weights=weights)) if sum(weights) > 0 else None


def neighbours_exchanged(
    right: Sequence[Found], exchanged: Sequence[Found], anchors: Wide, threshold: float
) -> bool | None:
    """Returns whether boxes of neighbouring anchors overlap more with their axes exchanged.

    Args:
        right: what was found with the anchors as they are.
        exchanged: with x and y of the anchors exchanged.
        anchors: (K, 4) cxcywh.
        threshold: least score.

    Returns:
        None if that cannot be told.
    """
    overlaps = [
        _neighbour_overlaps(boxes, other, scores, anchors, threshold)
        for (boxes, scores), (other, _) in zip(right, exchanged, strict=True)
    ]
    pairs = np.concatenate(overlaps)
    if len(pairs) < FEWEST_PAIRS:
        return None
    as_given, otherwise = pairs.mean(axis=0)
    if abs(as_given - otherwise) < NEIGHBOURS_CLEARLY:
        return None
    return bool(otherwise > as_given)


def _neighbour_overlaps(
    boxes: Wide, other: Wide, scores: Wide, anchors: Wide, threshold: float
) -> Wide:
    """Returns the IoU of each pair of neighbours, (P, 2): as given, and exchanged."""
    rows = _firing((boxes, scores), threshold)
    pairs = []
    for cell, class_id, score in zip(rows.cells, rows.ids, rows.scores, strict=True):
        apart = np.abs(anchors[:, :2] - anchors[cell, :2]).sum(axis=1)
        apart[cell] = np.inf
        pairs += [
            (cell, near)
            for near in np.argsort(apart, kind="stable")[:NEIGHBOURS]
            if scores[near, class_id] >= ALIKE * score
        ]
    return np.array(
        [[_iou(some[[a]], some[[b]])[0, 0] for some in (boxes, other)] for a, b in pairs]
    ).reshape(-1, 2)


def not_suppressed(found: Sequence[Found], threshold: float) -> tuple[int, int] | None:
    """Returns how many rows are duplicates, and of how many; None if they were suppressed.

    Args:
        found: on several canvases, one class in each row.
        threshold: least score.
    """
    duplicates = fire = 0
    for each in found:
        rows = _firing(each, threshold)
        same = np.triu(rows.ids[:, np.newaxis] == rows.ids, 1)
        duplicates += int(((_iou(rows.boxes, rows.boxes) > DUPLICATE_IOU) & same).any(axis=0).sum())
        fire += len(rows.ids)
    if duplicates < max(FEWEST_DUPLICATES, DUPLICATE_SHARE * fire):
        return None
    return duplicates, fire


def _firing(found: Found, threshold: float) -> _Rows:
    """Returns the best class of the best cells from a threshold on."""
    boxes, scores = found
    best = np.nan_to_num(scores.max(axis=1))
    cells = np.argsort(-best, kind="stable")[:MOST_CELLS]
    cells = cells[(best[cells] >= threshold) & np.isfinite(boxes[cells]).all(axis=1)]
    return _Rows(boxes[cells], best[cells], scores[cells].argmax(axis=1), cells)


def _suppressed(rows: _Rows, iou: float) -> _Rows:
    """Returns the rows without those that overlap a better one of their class."""
    over = (_iou(rows.boxes, rows.boxes) > iou) & (rows.ids[:, np.newaxis] == rows.ids)
    kept: list[int] = []
    for row in range(len(rows.ids)):
        if not over[row, kept].any():
            kept.append(row)
    return _Rows(rows.boxes[kept], rows.scores[kept], rows.ids[kept], rows.cells[kept])


def _iou(boxes: Wide, others: Wide) -> Wide:
    return box_iou(boxes.astype(np.float32), others.astype(np.float32)).astype(np.float64)
