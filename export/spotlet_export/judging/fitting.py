"""Causes that are read off the results: an order of classes, a shift of the boxes.

They are found on some frames and confirmed on others (`explaining`), so that chance explains
nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_iou
from spotlet.check.agreement import PARTNER_IOU
from spotlet.detections import Detections
from spotlet.letterbox import Letterbox
from spotlet.tracking.assignment import assign
from spotlet_export.judging.changes import CLASSES, SHIFT, Change
from spotlet_export.judging.subjects import Cells

LEAST_PAIRS = 8
"""Detections of both models that a shift is read from."""

LEAST_SHIFT = 0.05
"""Pixels of the canvas; less is noise of the boxes."""

MOST_GROUPS = 8
"""Different shifts of cells: a network has a handful of strides."""

STEP_PIXELS = 0.25
"""To which shifts of cells are rounded, so that those of a stride are equal."""

LEAST_SPREAD = 1e-6
"""Deviation of a class's scores over cells, from which they can be told from others."""

MOST_TOLD = 5
"""Classes that a sentence names."""

IdArray = npt.NDArray[np.int64]


def class_order(
    wanted: Sequence[Cells],
    found: Sequence[Cells],
    pairs: Sequence[tuple[Detections, Detections]],
    new_ids: IdArray,
    names: tuple[str, ...],
) -> Change | None:
    """Returns the order of classes in which the second model's scores fit the first's.

    Args:
        wanted: cells of the first model; used if both have the same.
        found: of the second.
        pairs: detections of both in each frame, each with its own class ids.
        new_ids: (C,) the first model's class of each of the second's; -1 for none.
        names: of the first model's classes.

    Returns:
        None if it is the order they have.
    """
    count = len(new_ids)
    gains = np.zeros((count, len(names)))
    if all(a.scores.shape == b.scores.shape for a, b in zip(wanted, found, strict=True)):
        gains = _correlations(
            np.concatenate([each.scores for each in found]),
            np.concatenate([each.scores for each in wanted]),
        )
    for one, other in pairs:
        overlaps = box_iou(other.boxes_xyxy, one.boxes_xyxy)
        for row, column in zip(*np.nonzero(overlaps >= PARTNER_IOU), strict=True):
            gains[other.class_ids[row], one.class_ids[column]] += 1e-3 * float(
                min(other.scores[row], one.scores[column])
            )
    # Where nothing speaks for another class, it stays as it is.
    gains[np.flatnonzero(new_ids >= 0), new_ids[new_ids >= 0]] += 1e-6
    order = np.full(count, -1)
    rows, meant = assign(gains)
    order[rows] = meant
    if len(names) != count or min(order.min(), new_ids.min()) < 0 or (order == new_ids).all():
        return None
    column_of = np.empty(count, np.int64)
    column_of[order] = np.arange(count)
    columns = column_of[new_ids]
    wrong = [n for n in range(count) if order[n] != new_ids[n]]
    told = ", ".join(f"{names[new_ids[n]]} is {names[order[n]]}" for n in wrong[:MOST_TOLD])
    told += f" and {len(wrong) - MOST_TOLD} more" * (len(wrong) > MOST_TOLD)
    steps = set(((order - new_ids) % count).tolist())
    if len(steps) == 1 and count > 2:
        step = steps.pop()
        step -= count * (step > count // 2)
        told = f"their ids are {abs(step)} too {'low' if step > 0 else 'high'}, {told}"
    return Change(
        culprit=CLASSES,
        clause=f"{{x}}'s classes are read in another order: {told}",
        output=lambda boxes, scores: (boxes, scores[:, columns]),
    )


def shift_of_boxes(
    pairs: Sequence[tuple[Detections, Detections]], letterboxes: Sequence[Letterbox]
) -> Change | None:
    """Returns the shift, in pixels of the canvas, that lays the second's boxes on the first's.

    Args:
        pairs: detections of both in each frame.
        letterboxes: of the second model, for each frame.

    Returns:
        None if there is none, or too few detections.
    """
    apart: list[FloatArray] = []
    for (one, other), letterbox in zip(pairs, letterboxes, strict=True):
        overlaps = box_iou(one.boxes_xyxy, other.boxes_xyxy)
        same = one.class_ids[:, None] == other.class_ids[None]
        rows, columns = assign(np.where(same & (overlaps >= PARTNER_IOU), overlaps, 0.0))
        inside = _inside(one, letterbox)[rows] & _inside(other, letterbox)[columns]
        here, there = letterbox.to_canvas(one.boxes_xyxy), letterbox.to_canvas(other.boxes_xyxy)
        apart.append((here[rows] - there[columns])[inside])
    moves = np.concatenate(apart)
    if len(moves) < LEAST_PAIRS:
        return None
    move = np.median(moves, axis=0)
    if np.abs(move).max() < LEAST_SHIFT:
        return None
    height, width = letterboxes[0].canvas_hw
    size = np.array([width, height, width, height], np.float32)
    told = ", ".join(f"{each:+.2f}" for each in move)
    return Change(
        culprit=SHIFT,
        clause=f"the sides of {{x}}'s boxes are moved by ({told}) pixels of the canvas",
        output=lambda boxes, scores: ((boxes + move / size).astype(np.float32), scores),
    )


def shift_of_cells(wanted: Sequence[Cells], found: Sequence[Cells]) -> Change | None:
    """Returns the shift of each cell's box that lays the second's cells on the first's.

    As of a grid whose points are corners of its cells in one model, and centres in the other.

    Returns:
        None if there is none, or it is not the same for many cells.
    """
    if not all(a.boxes.shape == b.boxes.shape for a, b in zip(wanted, found, strict=True)):
        return None
    height, width = found[0].letterbox.canvas_hw
    size = np.array([width, height, width, height], np.float32)
    ours, theirs = (np.stack([each.boxes for each in side]) for side in (wanted, found))
    inside = (ours > 0) & (ours < 1) & (theirs > 0) & (theirs < 1)
    with np.errstate(invalid="ignore"):
        apart = np.where(inside, (ours - theirs) * size, np.nan)
    seen = inside.any(axis=(0, 2))
    if not seen.any():
        return None
    # A cell moves as one; over its sides and the frames the median is what all share.
    move = np.zeros((apart.shape[1], 2))
    for axis in range(2):
        both = apart[:, seen][:, :, [axis, axis + 2]]
        per_cell = both.transpose(1, 0, 2).reshape(int(seen.sum()), -1)
        known = ~np.isnan(per_cell).all(axis=1)
        values = np.zeros(len(per_cell))
        values[known] = np.nanmedian(per_cell[known], axis=1)
        move[seen, axis] = np.rint(values / STEP_PIXELS) * STEP_PIXELS
    groups, counts = np.unique(move[seen], axis=0, return_counts=True)
    if len(groups) > MOST_GROUPS or np.abs(groups).max() < LEAST_SHIFT:
        return None
    told = ", ".join(
        f"({x:+g}, {y:+g}) in {count} cells"
        for (x, y), count in zip(groups.tolist(), counts.tolist(), strict=True)
    )
    unit = (np.hstack([move, move]) / size).astype(np.float32)
    return Change(
        culprit=SHIFT,
        clause=f"{{x}}'s boxes are moved cell by cell, in pixels of the canvas: {told}",
        output=lambda boxes, scores: (boxes + unit, scores),
    )


def _inside(found: Detections, letterbox: Letterbox) -> npt.NDArray[np.bool_]:
    """Returns which boxes (N,) no border of the frame cuts."""
    height, width = letterbox.frame_hw
    boxes = found.boxes_xyxy
    cut = (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2] >= width) | (boxes[:, 3] >= height)
    free: npt.NDArray[np.bool_] = ~cut
    return free


def _correlations(found: FloatArray, wanted: FloatArray) -> npt.NDArray[np.float64]:
    """Returns how alike columns (cells, C) of two models are, (C, C) from 0 to 1."""
    centred = []
    for values in (found, wanted):
        finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
        away = finite - finite.mean(axis=0)
        spread = away.std(axis=0)
        centred.append(np.where(spread > LEAST_SPREAD, away / np.maximum(spread, 1e-12), 0.0))
    alike: npt.NDArray[np.float64] = np.maximum(centred[0].T @ centred[1] / len(found), 0.0)
    return alike
