"""Recognises families whose outputs are already suppressed: rows of box, score and class id."""

from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.recognition.columns import SLACK
from spotlet_export.adoption.recognition.family import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Family,
    is_ordered,
    is_unit,
    is_whole,
)
from spotlet_export.adoption.recognition.ids import TORCHVISION_OUTPUTS
from spotlet_export.adoption.recognition.orders import rows_in_order
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import MOST_SUPPRESSED, OutputSignature

TORCHVISION = "torchvision"
"""Name of the family, which has the shapes of others."""


def row_families(
    given: Tensors, classes: int | None, size_hw: tuple[int, int], settings: AdoptSettings
) -> list[Family]:
    """Returns the families of suppressed rows that fit.

    Args:
        given: outputs by name, for one canvas.
        classes: how many there are; None if that is not known.
        size_hw: of the canvas, pixels.
        settings: what the user says about the outputs.
    """
    found = []
    for name, tensor in given.items():
        if tensor.ndim == 3 and tensor.shape[0] == 1 and 0 < tensor.shape[1] <= MOST_SUPPRESSED:
            found += _rows_with_more(name, tensor[0], classes, settings)
        if tensor.ndim in (2, 3) and tensor.shape[-1] == 5:
            found += _dets_and_labels(name, given)
        if tensor.ndim == 2 and tensor.shape[1] == 4:
            found += _without_batch(name, given, size_hw)
    return found or rows_in_order(given, classes)


def _rows_with_more(
    name: str, rows: npt.NDArray[Any], classes: int | None, settings: AdoptSettings
) -> list[Family]:
    """Rows of corners, score, class id, and more: coefficients of a mask, or key points.

    One more column could be an angle, which would change the box.
    """
    extra = rows.shape[1] - 6
    if extra < 2 or settings.extra not in (0, extra) or settings.strides:
        return []
    scores, ids = rows[:, 4], rows[:, 5]
    known = classes is None or bool((ids <= classes).all())
    # Only zeros could also be the scores of a class that nothing shows.
    several = classes is not None and rows.shape[1] not in (4 + classes, 5 + classes)
    if not several and np.ptp(ids) == 0:
        return []
    if not (known and is_whole(ids) and is_unit(scores) and not is_whole(scores)):
        return []
    if not is_ordered(rows[scores > SLACK]):
        return []
    output = OutputSignature(
        layout="K,6", boxes=name, classes=0, box_format="xyxy", box_unit="pixels", extra=extra
    )
    more = f"suppressed rows with {extra} more columns, such as a mask's or key points"
    return [Family(name=more, output=output)]


def _dets_and_labels(name: str, given: Tensors) -> list[Family]:
    """MMDeploy's rows of corners and score, with class ids in another output.

    Source: MMDeploy 1.3, docs/en/04-supported-codebases/mmdet.md and its configurations: `dets`
    and `labels`.
    """
    shape = given[name].shape[:-1]
    ids = [other for other, tensor in given.items() if tensor.shape == shape and _are_ids(tensor)]
    batched = len(shape) == 2
    if len(ids) != 1 or (batched and shape[0] != 1):
        return []
    if not is_unit(given[name][..., 4]):
        return []
    output = OutputSignature(
        layout="dets+labels",
        boxes=name,
        ids=ids[0],
        classes=0,
        box_format="xyxy",
        box_unit="pixels",
        batch_axis=batched,
    )
    return [
        Family(
            name="MMDetection, exported by MMDeploy",
            output=output,
            scale=1.0,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            resize="letterbox_corner",
        )
    ]


def _are_ids(tensor: npt.NDArray[Any]) -> bool:
    """Returns whether all are whole numbers, of any type: some exporters write ids as floats."""
    return tensor.dtype != np.bool_ and is_whole(tensor)


def _without_batch(boxes: str, given: Tensors, size_hw: tuple[int, int]) -> list[Family]:
    """Torchvision's outputs of one picture, and Detectron2's.

    Source: torchvision 0.24, `torchvision.models.detection`: boxes in pixels of the input, labels
    from 1, since 0 is the background. Detectron2 0.6, `export.TracingAdapter`: class ids from 0,
    and the picture's size as one more output.
    """
    sizes = [name for name, tensor in given.items() if tensor.tolist() == list(size_hw)]
    rows = [
        name
        for name, tensor in given.items()
        if tensor.shape == given[boxes].shape[:1] and name not in sizes
    ]
    ids = [name for name in rows if _are_ids(given[name])]
    integers = [name for name in ids if np.issubdtype(given[name].dtype, np.integer)]
    ids = integers or ids
    scores = [name for name in rows if name not in ids and is_unit(given[name])]
    if len(ids) != 1 or len(scores) != 1 or not is_ordered(given[boxes]):
        return []
    output = OutputSignature(
        layout="boxes+scores+ids",
        boxes=boxes,
        scores=scores[0],
        ids=ids[0],
        classes=0,
        box_format="xyxy",
        box_unit="pixels",
        batch_axis=False,
    )
    if sizes:
        return [Family(name="Detectron2", output=output)]
    named = tuple(given)[:3] == TORCHVISION_OUTPUTS
    return [Family(name=TORCHVISION, output=output, first_id=1 if named else None)]
