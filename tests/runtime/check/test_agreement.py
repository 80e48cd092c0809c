"""Agreement of two results, against values worked by hand."""

import numpy as np
import pytest

from spotlet.check.agreement import NOISE_PIXELS, agree, agreeing, match
from spotlet.detections import Detections

NAMES = ("a", "b")
Row = tuple[int, float, float, float, float, float]


def _found(*rows: Row) -> Detections:
    """Detections of rows of class, score, left, top, right, bottom."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        table[:, 2:].astype(np.float32),
        table[:, 1].astype(np.float32),
        table[:, 0].astype(np.int64),
        NAMES,
    )


SQUARE: Row = (0, 0.9, 0, 0, 10, 10)


def test_the_same_twice_agrees_in_everything() -> None:
    agreement = agree(_found(SQUARE, (1, 0.8, 5, 5, 9, 9)), _found(SQUARE, (1, 0.8, 5, 5, 9, 9)))
    assert (agreement.unmatched, agreement.least_iou, agreement.score_difference) == (0, 1.0, 0.0)


def test_the_worst_pair_tells() -> None:
    other: Row = (0, 0.5, 50, 50, 60, 60)
    agreement = agree(_found(SQUARE, other), _found((0, 0.85, 0, 0, 10, 8), other))
    assert agreement.unmatched == 0
    assert agreement.least_iou == pytest.approx(0.8)
    assert agreement.score_difference == pytest.approx(0.05)
    assert sorted(agreement.ious.tolist()) == pytest.approx([0.8, 1.0])
    assert sorted(agreement.score_differences.tolist()) == pytest.approx([0.0, 0.05])
    assert sorted(agreement.moved.tolist()) == [0, 2]
    assert agreement.within(0.79, 0.051)
    assert not agreement.within(0.81, 0.051)
    assert not agreement.within(0.79, 0.049)
    assert not agree(_found(SQUARE), _found(SQUARE, other)).within(0.0, 1.0)


def test_nothing_agrees_with_nothing() -> None:
    agreement = agree(Detections.none(NAMES), Detections.none(NAMES))
    assert (agreement.unmatched, agreement.least_iou, agreement.score_difference) == (0, 1.0, 0.0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((1, 0.9, 0, 0, 10, 10), id="another class"),
        pytest.param((0, 0.9, 0, 0, 10, 4.9), id="hardly half of it"),
        pytest.param((0, 0.9, 20, 20, 30, 30), id="elsewhere"),
    ],
)
def test_what_is_no_partner_leaves_both_sides_alone(other: Row) -> None:
    assert agree(_found(SQUARE), _found(other)).unmatched == 2
    assert agree(_found(other), _found(SQUARE)).unmatched == 2
    assert agree(_found(SQUARE), Detections.none(NAMES)).unmatched == 1
    assert agree(Detections.none(NAMES), _found(SQUARE)).unmatched == 1


def test_one_below_the_least_score_may_be_alone_on_either_side() -> None:
    weak: Row = (0, 0.41, 50, 50, 60, 60)
    for wanted, found in (((SQUARE, weak), (SQUARE,)), ((SQUARE,), (SQUARE, weak))):
        assert agree(_found(*wanted), _found(*found)).unmatched == 1
        assert agree(_found(*wanted), _found(*found), least_score=0.405).unmatched == 1
        assert agree(_found(*wanted), _found(*found), least_score=0.42).unmatched == 0


def test_noise_on_a_sliver_is_no_disagreement() -> None:
    sliver: Row = (0, 0.9, 0, 0, 100, 0.01)
    moved: Row = (0, 0.9, 0, 0, 100, 0.01 + NOISE_PIXELS / 2)
    assert agree(_found(sliver), _found(moved)).least_iou == 1.0
    apart: Row = (0, 0.9, 0, 0, 100, 0.015 + NOISE_PIXELS)
    assert agree(_found((0, 0.9, 0, 0, 100, 0.013)), _found(apart)).least_iou < 0.6


def test_pairs_are_one_to_one_and_the_best_overlap_goes_first() -> None:
    near: Row = (0, 0.9, 0, 0, 10, 9)
    nearer: Row = (0, 0.8, 0, 0, 10, 9.5)
    assert match(_found(SQUARE), _found(near, nearer)).tolist() == [[0, 1]]
    assert match(_found(near, nearer), _found(SQUARE)).tolist() == [[1, 0]]
    assert match(_found(near, SQUARE), _found(nearer, SQUARE)).tolist() == [[1, 1], [0, 0]]


def test_a_candidate_agrees_in_class_place_and_score_at_once() -> None:
    candidates = _found(
        (1, 0.9, 0, 0, 10, 10), (0, 0.5, 0, 0, 10, 10), (0, 0.9, 0, 0, 10, 6), (0, 0.7, 5, 5, 9, 9)
    )
    wanted = _found(SQUARE, (0, 0.52, 0, 0, 10, 9.9), (0, 0.72, 5, 5, 9, 9))
    seen = agreeing(wanted, candidates, least_iou=0.9, score_difference=0.05)
    assert seen.tolist() == [False, True, True]
    none = Detections.none(NAMES)
    assert agreeing(wanted, none, least_iou=0.0, score_difference=1.0).tolist() == [False] * 3
    assert agreeing(none, candidates, least_iou=0.0, score_difference=1.0).tolist() == []
