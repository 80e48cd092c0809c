"""Average precision (AP) of detections, by the COCO protocol.

Over 250 lines: the truth, what of it the evaluator gets, and the figures are one protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_area
from spotlet.detections import Detections
from spotlet.errors import UsageError

MAX_DETECTIONS = 100
"""How many of a frame's best detections count for each class, as in the COCO protocol."""

RECALLS = np.linspace(0, 1, 101)
"""The recalls at which the protocol samples the precision."""

SIZE_SIDES = (32, 96)
"""Sides of two squares, pixels: an object below the first's area is small, below the second's
medium, otherwise large, as in the COCO protocol."""

ALL, SMALL, MEDIUM, LARGE = range(4)
"""The protocol's ranges of area."""

_EVERYWHERE = (-1e6, -1e6, 2e6, 2e6)  # xywh, pixels: around any detection

_IOU_50, _IOU_75 = 0, 5  # rows of the protocol's ten thresholds 0.50, 0.55, … 0.95

PrecisionArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The labels of one frame.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the frame.
        class_ids: (N,) int64.
        ignored: (N,) bool: objects that may be found but need not be (COCO's `iscrowd`, VOC's
            `difficult`). A detection matches one by the share of the detection that it covers,
            as in COCO.
        unknown_ids: classes of which the frame may show more than is marked: a detection of one
            that finds no object is neither right nor wrong, as in LVIS.

    Raises:
        UsageError: the shapes do not fit together.
    """

    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    unknown_ids: tuple[int, ...] = ()

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

    A figure is None if the truth has no such objects.

    Attributes:
        ap: mean over the IoU thresholds 0.50, 0.55, … 0.95 and over the classes.
        ap50: at IoU 0.50.
        ap75: at IoU 0.75.
        ap_small: `ap` of small objects, by the area of their box and `SIZE_SIDES`.
        ap_medium: of medium ones.
        ap_large: of large ones.
        objects_small: number of small objects in the truth, without ignored ones.
        objects_medium: of medium ones.
        objects_large: of large ones.
        per_class_ap: `ap` of each class, by name.
        per_class_ap50: `ap50` of each class, by name.
        per_class_objects: number of objects of each class, by name, without ignored ones.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    objects_small: int
    objects_medium: int
    objects_large: int
    per_class_ap: Mapping[str, float | None]
    per_class_ap50: Mapping[str, float | None]
    per_class_objects: Mapping[str, int]

    def rows(self) -> list[tuple[str, str, str]]:
        """Returns name, AP50 and AP of each class and of all, as text for a table."""
        named = [(name, self.per_class_ap50[name], ap) for name, ap in self.per_class_ap.items()]
        rows = [*named, ("all", self.ap50, self.ap)]
        return [(name, figure_text(ap50), figure_text(ap)) for name, ap50, ap in rows]

    def size_rows(self) -> list[tuple[str, int, str]]:
        """Returns name, number of objects and AP of each range of sizes, as text for a table."""
        small, large = SIZE_SIDES
        return [
            (f"small, below {small} x {small}", self.objects_small, figure_text(self.ap_small)),
            ("medium", self.objects_medium, figure_text(self.ap_medium)),
            (f"large, from {large} x {large}", self.objects_large, figure_text(self.ap_large)),
        ]


def average_precision(
    truths: Sequence[Truth], found: Sequence[Detections], class_names: Sequence[str]
) -> Accuracy:
    """Returns the average precision of detections against the truth.

    The protocol counts the `MAX_DETECTIONS` best of a frame for each class. The detections' score
    threshold should be near 0: a high one costs recall.

    Args:
        truths: one for each frame.
        found: one for each frame, in the same order and coordinates.
        class_names: the index is the class id in both.

    Raises:
        UsageError: the numbers of truths and frames differ, a class id has no name, or
            faster-coco-eval is not installed.
    """
    precision = protocol_precision(truths, found, len(class_names))
    kept = (truth.boxes_xyxy[~truth.ignored] for truth in truths)
    areas = box_area(np.concatenate([np.zeros((0, 4), np.float32), *kept]))
    sizes = np.searchsorted([side**2 for side in SIZE_SIDES], areas, "right")
    small, medium, large = (int(np.sum(sizes == number)) for number in range(3))
    ids = dict(zip(class_names, range(len(class_names)), strict=True))
    objects = np.concatenate([np.zeros(0, int), *(t.class_ids[~t.ignored] for t in truths)])
    return Accuracy(
        ap=mean_precision(precision[..., ALL]),
        ap50=mean_precision(precision[_IOU_50, ..., ALL]),
        ap75=mean_precision(precision[_IOU_75, ..., ALL]),
        ap_small=mean_precision(precision[..., SMALL]),
        ap_medium=mean_precision(precision[..., MEDIUM]),
        ap_large=mean_precision(precision[..., LARGE]),
        objects_small=small,
        objects_medium=medium,
        objects_large=large,
        per_class_ap={name: mean_precision(precision[..., n, ALL]) for name, n in ids.items()},
        per_class_ap50={
            name: mean_precision(precision[_IOU_50, :, n, ALL]) for name, n in ids.items()
        },
        per_class_objects={name: int(np.sum(objects == n)) for name, n in ids.items()},
    )


def protocol_precision(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    class_count: int,
    iou_threshold: float | None = None,
) -> PrecisionArray:
    """Returns precision by (IoU threshold, recall, class, area range); -1 without truth.

    The thresholds are the protocol's ten, or the given one.

    Raises:
        UsageError: as for `average_precision`.
    """
    if len(truths) != len(found):
        raise UsageError(f"{len(truths)} truths for {len(found)} frames: must be one per frame")
    for ids in [each.class_ids for frames in (truths, found) for each in frames]:
        if np.any((ids < 0) | (ids >= class_count)):
            raise UsageError(f"a class id is not one of the {class_count} classes")
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise UsageError(
            'average precision needs faster-coco-eval: pip install "spotlet[evaluation]"'
        ) from error
    if not any(len(truth.class_ids) for truth in truths):
        count = 10 if iou_threshold is None else 1
        return np.full((count, len(RECALLS), class_count, 4), -1.0)
    marked = _records(truths, "iscrowd", [each.ignored for each in truths])
    dataset = {
        "images": [{"id": number} for number in range(1, len(truths) + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(class_count)],
        "annotations": marked + _unknown_records(truths, first=len(marked) + 1),
    }
    counted = [_where_known(*pair) for pair in zip(truths, found, strict=True)]
    results = _records(counted, "score", [each.scores for each in counted])
    truth_index = COCO(dataset, print_function=_discard)
    found_index = COCO({**dataset, "annotations": results}, print_function=_discard)
    evaluation = COCOeval_faster(truth_index, found_index, "bbox", print_function=_discard)
    if iou_threshold is not None:
        evaluation.params.iouThrs = np.array([iou_threshold])
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.params.maxDets[-1] == MAX_DETECTIONS
    precision: PrecisionArray = np.asarray(evaluation.eval["precision"])[..., -1]
    return precision


def mean_precision(precision: PrecisionArray) -> float | None:
    """Returns the mean of the measured values, which are neither -1 nor NaN; None without any."""
    measured = precision[precision >= 0]
    return float(measured.mean()) if len(measured) else None


def figure_text(figure: float | None) -> str:
    """Returns a figure with three decimals, a dash if nothing was measured.

    Example:
        >>> figure_text(0.5), figure_text(None)
        ('0.500', '-')
    """
    return "-" if figure is None else f"{figure:.3f}"


def _records(
    frames: Sequence[Truth | Detections], key: str, values: Sequence[npt.NDArray[Any]]
) -> list[dict[str, Any]]:
    """Returns COCO annotations, numbered from 1: to the evaluator, 0 means no match.

    Args:
        frames: truths or detections.
        key: of one more value per annotation.
        values: (N,) per frame, for that key.
    """
    records: list[dict[str, Any]] = []
    for image_id, (frame, of_frame) in enumerate(zip(frames, values, strict=True), start=1):
        boxes_xywh = frame.boxes_xyxy.astype(np.float64)
        boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
        for box, class_id, value in zip(
            boxes_xywh.tolist(), frame.class_ids.tolist(), of_frame.tolist(), strict=True
        ):
            records.append(
                {
                    "id": len(records) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    key: value,
                }
            )
    return records


def _where_known(truth: Truth, found: Detections) -> Detections:
    """Returns the detections without those of unknown classes that have no object to find."""
    unmarked = set(truth.unknown_ids) - set(truth.class_ids.tolist())
    return found.select(~np.isin(found.class_ids, [*unmarked])) if unmarked else found


def _unknown_records(truths: Sequence[Truth], first: int) -> list[dict[str, Any]]:
    """Returns a crowd around each frame for each unknown class with objects, from number `first`.

    A crowd takes every detection of its class that finds no object, and needs none. That is how
    LVIS counts (Gupta et al. 2019, arXiv:1908.03195, section 3.3).
    """
    pairs = [
        (image_id, class_id)
        for image_id, truth in enumerate(truths, start=1)
        for class_id in sorted(set(truth.unknown_ids) & set(truth.class_ids.tolist()))
    ]
    return [
        {
            "id": number,
            "image_id": image_id,
            "category_id": class_id,
            "bbox": list(_EVERYWHERE),
            "area": _EVERYWHERE[2] * _EVERYWHERE[3],
            "iscrowd": 1,
        }
        for number, (image_id, class_id) in enumerate(pairs, start=first)
    ]


def _discard(*_: object) -> None:
    """Drops the evaluator's messages."""
