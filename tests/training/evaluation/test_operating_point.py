import numpy as np
import pytest

from spotlet.detections import Detections
from spotlet.evaluation import Truth
from spotlet_training.evaluation.operating_point import (
    THRESHOLDS,
    OperatingPoint,
    best_operating_point,
    threshold_curves,
)

NAMES = ("cat", "dog")


def _best(objects: list[int], found: list[tuple[int, float, int | None]]) -> OperatingPoint | None:
    """The best point where objects lie apart; a detection is of a class, a score, an object."""
    places = np.arange(len(objects) + len(found))[:, None] * 100.0
    boxes = (places + np.array([0, 0, 50, 50])).astype(np.float32)
    spare = iter(range(len(objects), len(boxes)))
    found = sorted(found, key=lambda each: -each[1])
    ids = [next(spare) if of is None else of for _, _, of in found]
    count = len(objects)
    truth = Truth(boxes[:count], np.array(objects, np.int64), np.zeros(count, np.bool_))
    detections = Detections(
        boxes[ids],
        np.array([score for _, score, _ in found], np.float32),
        np.array([class_id for class_id, _, _ in found], np.int64),
        NAMES,
    )
    return best_operating_point(threshold_curves([truth], [detections], len(NAMES)))


def test_the_best_threshold_is_in_the_middle_between_right_and_wrong() -> None:
    point = _best([0, 0], [(0, 0.9, 0), (0, 0.7, 1), (0, 0.3, None), (0, 0.2, None)])
    assert point == OperatingPoint(score_threshold=0.5, f1=1, precision=1, recall=1)


def test_figures_at_the_best_threshold_are_those_counted_by_hand() -> None:
    # Above 0.45: 2 right of 3, 2 of 4 found. The fourth is below 20 false ones.
    found: list[tuple[int, float, int | None]] = [(0, 0.9, 0), (0, 0.8, 1), (0, 0.6, None)]
    found += [(0, 0.3, None)] * 20 + [(0, 0.2, 2)]
    point = _best([0, 0, 0, 0], found)
    assert point is not None
    assert 0.6 < point.score_threshold <= 0.8
    assert (point.precision, point.recall) == (1, 0.5)
    assert point.f1 == pytest.approx(2 / 3)


def test_a_rare_class_weighs_as_much_as_a_frequent_one() -> None:
    # Ten cats want a threshold over 0.6, the one dog one below 0.3.
    cats: list[tuple[int, float, int | None]] = [(0, 0.9, n) for n in range(10)]
    found = [*cats, *[(0, 0.6, None)] * 4, (1, 0.3, 10)]
    point = _best([0] * 10 + [1], found)
    assert point is not None
    assert point.score_threshold <= 0.3
    assert point.f1 == pytest.approx((20 / 24 + 1) / 2)
    pooled = _best([0] * 11, [(0, score, of) for _, score, of in found])
    assert pooled is not None
    assert pooled.score_threshold > 0.6


def test_false_detections_of_a_class_without_objects_count_in_the_precision_alone() -> None:
    point = _best([0], [(0, 0.9, 0), (1, 0.95, None)])
    assert point is not None
    assert (point.f1, point.precision, point.recall) == (1, 0.5, 1)


@pytest.mark.parametrize("score", [0.0001, 0.04, 0.999])
def test_the_threshold_stays_in_its_range_whatever_one_object_says(score: float) -> None:
    point = _best([0], [(0, score, 0)])
    if score < THRESHOLDS[0]:
        assert point is None
    else:
        assert point is not None
        assert point.score_threshold == 0.5  # any would do


def test_nothing_found_gives_no_threshold() -> None:
    assert _best([0, 1], [(0, 0.9, None)]) is None
    assert _best([], [(0, 0.9, None)]) is None
    assert best_operating_point(threshold_curves([], [], 2)) is None


def test_a_score_that_is_the_threshold_is_kept_as_the_runtime_keeps_it() -> None:
    curves = threshold_curves(
        [Truth(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.bool_))],
        [
            Detections(
                np.array([[0, 0, 9, 9]] * len(THRESHOLDS), np.float32),
                THRESHOLDS[::-1].astype(np.float32),
                np.zeros(len(THRESHOLDS), np.int64),
                NAMES,
            )
        ],
        2,
    )
    assert curves.drawn[:, 0].tolist() == [*range(len(THRESHOLDS), 0, -1)]
