"""How well detections fit the truth: average precision (AP) by the COCO protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.boxes import box_area
from spotlet.detections import Detections
from spotlet.precision import (
    ALL,
    LARGE,
    MEDIUM,
    SMALL,
    Truth,
    mean_precision,
    protocol_precision,
)

SIZE_SIDES = (32, 96)
"""An object is small below the area of a square of the first side, pixels, medium from there to
below that of the second, and large from there, as in the COCO protocol."""

_IOU_50, _IOU_75 = 0, 5  # rows of the protocol's ten thresholds 0.50, 0.55, … 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Average precision over frames, each figure in [0, 1].

    A figure about objects of which the truth has none is None: nothing was measured.

    Attributes:
        ap: mean over the IoU thresholds 0.50, 0.55, … 0.95 and over the classes.
        ap50: at IoU 0.50.
        ap75: at IoU 0.75.
        ap_small: `ap` of small objects, by the area of their box and `SIZE_SIDES`.
        ap_medium: of medium ones.
        ap_large: of large ones.
        objects_small: how many small objects the truth has, those ignored left out.
        objects_medium: of medium ones.
        objects_large: of large ones.
        per_class_ap: `ap` of each class, by name.
        per_class_ap50: `ap50` of each class, by name.
        per_class_objects: how many the truth has of each class, by name, those ignored left out.
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
        named = [
            (name, self.per_class_ap50[name], self.per_class_ap[name]) for name in self.per_class_ap
        ]
        return [
            (name, figure_text(ap50), figure_text(ap))
            for name, ap50, ap in [*named, ("all", self.ap50, self.ap)]
        ]

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
    precision = protocol_precision(truths, found, len(class_names))
    small, medium, large = _count_sizes(truths)
    return Accuracy(
        ap=mean_precision(precision[:, :, :, ALL]),
        ap50=mean_precision(precision[_IOU_50, :, :, ALL]),
        ap75=mean_precision(precision[_IOU_75, :, :, ALL]),
        ap_small=mean_precision(precision[:, :, :, SMALL]),
        ap_medium=mean_precision(precision[:, :, :, MEDIUM]),
        ap_large=mean_precision(precision[:, :, :, LARGE]),
        objects_small=small,
        objects_medium=medium,
        objects_large=large,
        per_class_ap={
            name: mean_precision(precision[:, :, class_id, ALL])
            for class_id, name in enumerate(class_names)
        },
        per_class_ap50={
            name: mean_precision(precision[_IOU_50, :, class_id, ALL])
            for class_id, name in enumerate(class_names)
        },
        per_class_objects={
            name: sum(int(np.sum(each.class_ids[~each.ignored] == class_id)) for each in truths)
            for class_id, name in enumerate(class_names)
        },
    )


def figure_text(figure: float | None) -> str:
    """Returns a figure with three decimals, a dash where nothing was measured.

    Example:
        >>> figure_text(0.5), figure_text(None)
        ('0.500', '-')
    """
    return "-" if figure is None else f"{figure:.3f}"


def _count_sizes(truths: Sequence[Truth]) -> list[int]:
    """Returns how many objects are small, medium and large."""
    limits = [side**2 for side in SIZE_SIDES]
    areas = [box_area(each.boxes_xyxy[~each.ignored]) for each in truths]
    ranges = np.searchsorted(limits, np.concatenate([*areas, np.zeros(0, np.float32)]), "right")
    return [int(np.sum(ranges == number)) for number in range(3)]
