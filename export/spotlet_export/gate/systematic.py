"""What rounding in eight bits does not do: move all boxes one way, lose a class or a level.

The limits on means leave room for rounding, in which such faults can hide: half a pixel, a class
that few images have, cells for sizes that no image has. Rounding errs in both directions and in
all classes and cells alike, so these figures stay far smaller for sound files.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet_export.gate.reference import CanvasGroup, Tensors
from spotlet_export.gate.report import Row

BoolArray = npt.NDArray[np.bool_]

MOVE_PIXELS = 0.3
"""Limit of the median move of boxes. Of five bundled int8 files the greatest is 0.11; of a file
that is half a pixel off, 0.5."""

CLASS_SCORES = 0.15
"""Limit of the mean |Δ| of one class's scores. Of five bundled int8 files the greatest is 0.021; of
a class that never fires, at least 0.3."""

SEEN_SCORE, SEEN_CELLS = 0.3, 3
"""A class is compared if the original gives it this score in so many cells."""

PARTS = 21
"""Parts of the cells, in their order. With strides of 8, 16 and 32, the coarsest level is one."""


def systematic_rows(
    group: CanvasGroup, got: Tensors, seen: BoolArray, tensors: float, variant: str
) -> list[Row]:
    """Returns the rows for what rounding does not do.

    Args:
        group: has the canvases and the original's tensors.
        got: the file's boxes (N, K, 4) and scores (N, K, C) for them.
        seen: (N, K) bool, cells in which the original sees an object.
        tensors: limit of the mean |Δ| of boxes.
        variant: its name, for the report.
    """
    row = partial(Row, variant=variant, over=f"{len(group.canvases)} {group.name}")
    (boxes, scores), (got_boxes, got_scores) = group.tensors, got
    if boxes.shape != got_boxes.shape or scores.shape != got_scores.shape:
        return []  # the rows of tensors say so
    return [
        row(
            name="boxes where there is an object, median move, pixels",
            measured=move_pixels(boxes[seen], got_boxes[seen], group.canvases.shape[1:3]),
            limit=MOVE_PIXELS,
        ),
        row(
            name="scores of a class where it is seen, mean |Δ|, worst class",
            measured=worst_class(scores, got_scores),
            limit=CLASS_SCORES,
        ),
        row(
            name=f"tensor boxes, mean |Δ|, worst of {PARTS} parts of the cells",
            measured=worst_part(boxes, got_boxes),
            limit=tensors,
        ),
    ]


def move_pixels(wanted: FloatArray, got: FloatArray, canvas_hw: tuple[int, int]) -> float:
    """Returns how far boxes (N, 4) moved: the median of their centres, the greater of x and y."""
    height, width = canvas_hw
    moves = (got - wanted).reshape(-1, 2, 2).mean(axis=1) * [width, height]
    return float(np.abs(np.median(moves, axis=0)).max()) if len(moves) else 0.0


def worst_class(wanted: FloatArray, got: FloatArray) -> float:
    """Returns the greatest mean |Δ| of a class's scores (N, K, C) in the cells that see it."""
    worst = 0.0
    for class_id in range(wanted.shape[2]):
        seen = wanted[..., class_id] >= SEEN_SCORE
        if np.count_nonzero(seen) >= SEEN_CELLS:
            apart = np.abs(got[..., class_id][seen] - wanted[..., class_id][seen])
            worst = max(worst, float(apart.mean()))
    return worst


def worst_part(wanted: FloatArray, got: FloatArray) -> float:
    """Returns the greatest mean |Δ| of boxes (N, K, 4) in one of `PARTS` parts of the cells."""
    apart = np.abs(got - wanted).mean(axis=(0, 2))
    return float(max(part.mean() for part in np.array_split(apart, min(PARTS, len(apart)))))
