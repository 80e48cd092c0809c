"""Recognises suppressed rows in other orders than corners, score, class id, by their values."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.recognition.columns import SLACK
from spotlet_export.adoption.recognition.family import (
    Family,
    is_ordered,
    is_unit,
    is_whole,
)
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.signature import MOST_SUPPRESSED, OutputSignature, columns_of

MOST_UNIT = 2.0
"""Sides of the canvas; boxes with a greater number are in pixels."""


class Order(NamedTuple):
    """Whose rows have an order, and what else is known of them.

    Attributes:
        name: of the family.
        axes: of its output; decides where there are no rows.
        unit: whether its boxes are fractions of the canvas; decides where there are no rows.
        resize: one of `spotlet.letterbox.RESIZES`.
    """

    name: str
    axes: int | None = None
    unit: bool = False
    resize: str = "letterbox"


ORDERS = {
    "batch,box,id,score": Order("YOLOv7 with --end2end", axes=2),
    "batch,box,score,id": Order("YOLO-NAS in the flat format"),
    "batch,id,score,box": Order(
        "SSD with DetectionOutput",
        axes=4,
        unit=True,
        resize="stretch",
    ),
    "id,score,box": Order("PaddleDetection", resize="stretch"),
    "box,id,score": Order("rows of corners, class id and score"),
    "K,6": Order("rows of corners, score and class id, without a batch"),
}
"""Source: YOLOv7's documentation of `--end2end`; SuperGradients' documentation of its exports;
OpenVINO's specification of DetectionOutput-8; PaddleDetection's documentation of its outputs."""


def rows_in_order(given: Tensors, classes: int | None) -> list[Family]:
    """Returns the family of rows that fits, if their values have one order only.

    Args:
        given: outputs by name, for one canvas.
        classes: how many there are; None if that is not known.
    """
    found = []
    for name, tensor in given.items():
        if tensor.ndim not in (2, 3, 4) or tensor.shape[-1] not in (6, 7):
            continue
        rows = tensor.reshape(-1, tensor.shape[-1])
        if len(rows) > MOST_SUPPRESSED or set(tensor.shape[:-2]) - {1}:
            continue
        fits = [layout for layout in ORDERS if _fits(rows, layout, classes)]
        if len(fits) > 1:
            fits = [layout for layout in fits if ORDERS[layout].axes == tensor.ndim]
        if len(fits) == 1 and (fits[0], tensor.ndim) != ("K,6", 3):
            found.append(_family(name, tensor, fits[0]))
    return found


def _fits(rows: npt.NDArray[Any], layout: str, classes: int | None) -> bool:
    """Returns whether the rows' values agree with an order."""
    columns = columns_of(layout)
    if sum(part.stop - part.start for part in columns.values()) != rows.shape[1]:
        return False
    if "batch" in columns:
        batch = rows[:, columns["batch"]]
        if not np.isin(batch, (0, -1)).all():
            return False
        rows = rows[batch[:, 0] == 0]
    ids, scores = rows[:, columns["id"]], rows[:, columns["score"]]
    if layout == "box,id,score" and (ids == 1).all():
        return False  # an objectness that is always 1, as of YOLOv6
    if not is_whole(ids) or (classes is not None and (ids > classes).any()):
        return False
    if not is_unit(scores) or (len(rows) > 1 and is_whole(scores) and np.ptp(ids) > 0):
        return False
    return is_ordered(rows[scores[:, 0] > SLACK, columns["box"]])


def _family(name: str, tensor: npt.NDArray[Any], layout: str) -> Family:
    order, columns = ORDERS[layout], columns_of(layout)
    rows = tensor.reshape(-1, tensor.shape[-1])
    rows = rows[rows[:, columns["score"].start] > SLACK]
    boxes = rows[:, columns["box"]]
    unit = bool(np.abs(boxes).max() < MOST_UNIT) if len(rows) else order.unit
    output = OutputSignature(
        layout=layout,
        boxes=name,
        classes=0,
        box_format="xyxy",
        box_unit="unit" if unit else "pixels",
        batch_axis=tensor.ndim == 3 and "batch" not in columns,
    )
    return Family(name=order.name, output=output, resize=order.resize)
