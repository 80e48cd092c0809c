"""How well detections fit the truth: average precision (AP) by the COCO protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.errors import UsageError

MAX_DETECTIONS = 100
"""The best detections of a frame that count, for each class, as in the COCO protocol."""

_IOU_50, _IOU_75 = 0, 5  # rows of the protocol's ten thresholds 0.50, 0.55, … 0.95
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)  # the protocol's ranges of area


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Average precision over frames, each figure in [0, 1].

    A figure about objects of which the truth has none is None: nothing was measured.

    Attributes:
        ap: mean over the IoU thresholds 0.50, 0.55, … 0.95 and over the classes.
        ap50: at IoU 0.50.
        ap75: at IoU 0.75.
        ap_small: objects below 32 x 32 pixels, by the area of their box.
        ap_medium: from there to 96 x 96.
        ap_large: above.
        per_class_ap: `ap` of each class, by name.
        per_class_ap50: `ap50` of each class, by name.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    per_class_ap: Mapping[str, float | None]
    per_class_ap50: Mapping[str, float | None]

    def rows(self) -> list[tuple[str, str, str]]:
        """Returns name, AP50 and AP of each class and of all, as text for a table."""
        named = [
            (name, self.per_class_ap50[name], self.per_class_ap[name]) for name in self.per_class_ap
        ]
        return [
            (name, _as_text(ap50), _as_text(ap))
            for name, ap50, ap in [*named, ("all", self.ap50, self.ap)]
        ]


def average_precision(
    truths: Sequence[Truth], found: Sequence[Detections], class_names: Sequence[str]
) -> Accuracy:
    """Returns how well what was found fits the truth.

    The protocol counts the `MAX_DETECTIONS` best of a frame for each class. Detections should
    come with a score threshold near 0: what a high one leaves out is lost to recall.

    Args:
        truths: one for each frame.
        found: one for each frame, in the same order, in the same pixels.
        class_names: the index is the class id in both.

    Raises:
        UsageError: not as many truths as frames, a class id without a name, or
            faster-coco-eval is not installed.
    """
    if len(truths) != len(found):
        raise UsageError(f"{len(truths)} truths for {len(found)} frames: must be as many")
    frames: list[Truth | Detections] = [*truths, *found]
    for frame in frames:
        if np.any((frame.class_ids < 0) | (frame.class_ids >= len(class_names))):
            raise UsageError(f"a class id is not one of the {len(class_names)} classes")
    precision = _precision(truths, found, len(class_names))
    return Accuracy(
        ap=_mean(precision[:, :, :, _ALL]),
        ap50=_mean(precision[_IOU_50, :, :, _ALL]),
        ap75=_mean(precision[_IOU_75, :, :, _ALL]),
        ap_small=_mean(precision[:, :, :, _SMALL]),
        ap_medium=_mean(precision[:, :, :, _MEDIUM]),
        ap_large=_mean(precision[:, :, :, _LARGE]),
        per_class_ap={
            name: _mean(precision[:, :, class_id, _ALL])
            for class_id, name in enumerate(class_names)
        },
        per_class_ap50={
            name: _mean(precision[_IOU_50, :, class_id, _ALL])
            for class_id, name in enumerate(class_names)
        },
    )


def _precision(
    truths: Sequence[Truth], found: Sequence[Detections], class_count: int
) -> npt.NDArray[np.float64]:
    """Returns precision by (IoU threshold, recall, class, area range); -1 without truth."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise UsageError(
            'average precision needs faster-coco-eval: pip install "spotlet[evaluation]"'
        ) from error
    if not any(len(truth.class_ids) for truth in truths):
        return np.full((10, 101, class_count, 4), -1.0)
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
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.params.maxDets[-1] == MAX_DETECTIONS
    precision: npt.NDArray[np.float64] = np.asarray(evaluation.eval["precision"])[..., -1]
    return precision


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


def _mean(precision: npt.NDArray[np.float64]) -> float | None:
    measured = precision[precision > -1]
    return float(measured.mean()) if len(measured) else None


def _as_text(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _discard(*_: object) -> None:
    """Takes the evaluator's progress messages."""
