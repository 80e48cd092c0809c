"""Precision by recall, measured by the COCO protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.errors import UsageError

MAX_DETECTIONS = 100
"""The best detections of a frame that count, for each class, as in the COCO protocol."""

RECALLS = np.linspace(0, 1, 101)
"""Where the protocol looks up the precision of a class."""

ALL, SMALL, MEDIUM, LARGE = range(4)
"""The protocol's ranges of area."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is really in one frame.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the frame.
        class_ids: (N,) int64.
        ignored: (N,) bool: objects that need not be found and may be (COCO's `iscrowd`, VOC's
            `difficult`). Of one of them, a detection is taken to lie inside by the share of the
            detection that it covers, as COCO has it.

    Raises:
        UsageError: the arrays do not go together.
    """

    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.class_ids)
        if self.boxes_xyxy.shape != (count, 4) or self.ignored.shape != (count,):
            raise UsageError(
                f"truth of {self.boxes_xyxy.shape} boxes, {self.class_ids.shape} classes and "
                f"{self.ignored.shape} marks: must be (N, 4), (N,) and (N,)"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionCurves:
    """Precision by recall at one IoU threshold.

    Attributes:
        iou_threshold: the least overlap that counts as found.
        class_names: the index is the class id.
        precision: (C, 101) float64 in [0, 1], of each class at `RECALLS`: the best precision at
            that recall or a greater one, as the protocol has it. NaN for a class without objects.
    """

    iou_threshold: float
    class_names: tuple[str, ...]
    precision: npt.NDArray[np.float64]

    @property
    def per_class_ap(self) -> dict[str, float | None]:
        """AP at this threshold of each class, by name."""
        return {
            name: mean_precision(row)
            for name, row in zip(self.class_names, self.precision, strict=True)
        }

    @property
    def ap(self) -> float | None:
        """AP at this threshold, the mean over the classes."""
        return mean_precision(self.precision)


def precision_curves(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
) -> PrecisionCurves:
    """Returns precision by recall, at an IoU threshold that need not be one of the protocol's.

    Args:
        truths: as for `average_precision`.
        found: as for `average_precision`.
        class_names: as for `average_precision`.
        iou_threshold: the least overlap that counts as found, over 0 and at most 1.

    Raises:
        UsageError: the threshold is out of its range, or as for `average_precision`.
    """
    if not 0 < iou_threshold <= 1:
        raise UsageError(f"IoU threshold {iou_threshold}: must be over 0 and at most 1")
    precision = protocol_precision(truths, found, len(class_names), iou_threshold)[0, :, :, ALL].T
    return PrecisionCurves(
        iou_threshold=iou_threshold,
        class_names=tuple(class_names),
        precision=np.where(precision > -1, precision, np.nan),
    )


def protocol_precision(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    class_count: int,
    iou_threshold: float | None = None,
) -> npt.NDArray[np.float64]:
    """Returns precision by (IoU threshold, recall, class, area range); -1 without truth.

    The thresholds are the protocol's ten, or the one that is given.

    Raises:
        UsageError: as for `spotlet.evaluation.average_precision`.
    """
    _check_frames(truths, found, class_count)
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise UsageError(
            'average precision needs faster-coco-eval: pip install "spotlet[evaluation]"'
        ) from error
    if not any(len(truth.class_ids) for truth in truths):
        count = 10 if iou_threshold is None else 1
        return np.full((count, len(RECALLS), class_count, 4), -1.0)
    true_boxes, found_boxes = _records(truths), _records(found)
    for record, frame_scores in zip(
        found_boxes, (score for each in found for score in each.scores.tolist()), strict=True
    ):
        record["score"] = frame_scores
    for record, ignored in zip(
        true_boxes, (mark for each in truths for mark in each.ignored.tolist()), strict=True
    ):
        record["iscrowd"] = int(ignored)
    dataset = {
        "images": [{"id": number} for number in range(1, len(truths) + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(class_count)],
        "annotations": true_boxes,
    }
    truth_index = COCO(dataset, print_function=_discard)
    found_index = COCO({**dataset, "annotations": found_boxes}, print_function=_discard)
    evaluation = COCOeval_faster(truth_index, found_index, "bbox", print_function=_discard)
    if iou_threshold is not None:
        evaluation.params.iouThrs = np.array([iou_threshold])
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.params.maxDets[-1] == MAX_DETECTIONS
    precision: npt.NDArray[np.float64] = np.asarray(evaluation.eval["precision"])[..., -1]
    return precision


def mean_precision(precision: npt.NDArray[np.float64]) -> float | None:
    """Returns the mean of what was measured, and so is neither -1 nor NaN; None of nothing."""
    measured = precision[precision >= 0]
    return float(measured.mean()) if len(measured) else None


def _check_frames(truths: Sequence[Truth], found: Sequence[Detections], class_count: int) -> None:
    if len(truths) != len(found):
        raise UsageError(f"{len(truths)} truths for {len(found)} frames: must be as many")
    frames: list[Truth | Detections] = [*truths, *found]
    for frame in frames:
        if np.any((frame.class_ids < 0) | (frame.class_ids >= class_count)):
            raise UsageError(f"a class id is not one of the {class_count} classes")


def _records(frames: Sequence[Truth | Detections]) -> list[dict[str, Any]]:
    """Returns COCO annotations, numbered from 1: to the evaluator, 0 means no match."""
    records: list[dict[str, Any]] = []
    for image_id, frame in enumerate(frames, start=1):
        boxes = frame.boxes_xyxy.astype(np.float64)
        sides = boxes[:, 2:] - boxes[:, :2]
        boxes_xywh = np.concatenate([boxes[:, :2], sides], axis=1).tolist()
        areas = np.prod(sides, axis=1).tolist()
        for box, area, class_id in zip(boxes_xywh, areas, frame.class_ids.tolist(), strict=True):
            records.append(
                {
                    "id": len(records) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": box,
                    "area": area,
                    "iscrowd": 0,
                }
            )
    return records


def _discard(*_: object) -> None:
    """Takes the evaluator's progress messages."""
