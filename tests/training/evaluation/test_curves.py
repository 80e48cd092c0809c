import math

import numpy as np
import pytest

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.evaluation import RECALLS, Truth, average_precision
from spotlet_training.evaluation.curves import precision_curves

NAMES = ("cat", "dog")
A = (0, 0, 100, 100)
SHIFTED = (40, 0, 140, 100)  # IoU 60 / 140 = 0.43


def _truth(*class_ids: int) -> Truth:
    boxes = np.array([A] * len(class_ids), np.float32).reshape(-1, 4)
    return Truth(boxes, np.array(class_ids, np.int64), np.zeros(len(class_ids), np.bool_))


def _found(box: tuple[int, ...], class_id: int = 0) -> Detections:
    return Detections(
        np.array([box], np.float32), np.array([0.9], np.float32), np.array([class_id]), NAMES
    )


@pytest.mark.parametrize(("iou", "ap"), [(0.33, 1), (0.42, 1), (0.44, 0), (0.5, 0)])
def test_a_shifted_box_counts_below_its_own_overlap(iou: float, ap: float) -> None:
    curves = precision_curves([_truth(0)], [_found(SHIFTED)], NAMES, iou)
    assert curves.ap == pytest.approx(ap)


def test_curves_at_050_give_the_protocols_ap50() -> None:
    truths, found = [_truth(0), _truth(1)], [_found(A), _found(A, 0)]
    curves = precision_curves(truths, found, NAMES)
    accuracy = average_precision(truths, found, NAMES)
    assert curves.ap == pytest.approx(accuracy.ap50)
    assert curves.per_class_ap == pytest.approx(accuracy.per_class_ap50)
    assert curves.per_class_ap["dog"] == 0


def test_a_class_without_objects_has_no_curve() -> None:
    curves = precision_curves([_truth(0)], [_found(A)], NAMES)
    assert curves.precision.shape == (2, len(RECALLS))
    assert math.isnan(curves.precision[1, 0])
    assert curves.per_class_ap == {"cat": pytest.approx(1), "dog": None}
    assert curves.ap == pytest.approx(1)


def test_without_any_object_there_is_no_figure() -> None:
    assert precision_curves([_truth()], [_found(A)], NAMES).ap is None


@pytest.mark.parametrize("iou", [0, -0.5, 1.01, math.nan])
def test_an_iou_threshold_out_of_range_is_refused(iou: float) -> None:
    with pytest.raises(UsageError, match="over 0 and at most 1"):
        precision_curves([_truth(0)], [_found(A)], NAMES, iou)
