"""Differences and facts of tensors, worked by hand."""

import math

import numpy as np
import pytest

from spotlet.check.differences import TensorFacts, measure, scale_of

NAN, INF = math.nan, math.inf


def test_the_largest_difference_is_given_with_its_place_and_share_of_the_range() -> None:
    wanted = np.array([[0.0, 2.0], [-3.0, 5.0]], np.float32)
    found = measure("t", wanted, wanted + np.array([[0, 0.5], [1, 0]], np.float32))
    assert (found.largest, found.at, found.wanted, found.found) == (1, (1, 0), -3, -2)
    assert found.share == pytest.approx(1 / 8)
    assert found.text == "largest difference 1, 0.12 of its range, at [1, 0]: -2 instead of -3"


@pytest.mark.parametrize(
    ("wanted", "found", "largest"),
    [
        ([NAN, 1], [NAN, 1], 0),
        ([INF, 1], [INF, 1], 0),
        ([INF, 1], [-INF, 1], INF),
        ([0, 1], [NAN, 1], INF),
        ([NAN, 1], [0, 1], INF),
        ([0, 1], [0, 1, 2], INF),
        ([], [], 0),
    ],
)
def test_numbers_that_are_none_and_other_shapes_differ_infinitely(
    wanted: list[float], found: list[float], largest: float
) -> None:
    difference = measure("t", np.array(wanted), np.array(found))
    assert difference.largest == largest
    assert difference.share == largest


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float16])
def test_tensors_of_any_type_and_a_single_number_are_compared(dtype: type) -> None:
    difference = measure("t", np.array(1, dtype), np.array(0, dtype))
    assert (difference.largest, difference.at, difference.shape) == (1, (), ())


def test_values_far_from_zero_are_measured_by_their_size() -> None:
    assert scale_of(np.array([1000.0, 1001.0])) == 1001
    assert scale_of(np.array([-2.0, 2.0])) == 4
    assert scale_of(np.zeros(3)) == scale_of(np.array([NAN])) == scale_of(np.array([])) == 1


def test_the_facts_of_a_tensor() -> None:
    facts = TensorFacts.of("t", np.array([[0.0, -2.0, NAN, 4.0]], np.float32))
    assert (facts.least, facts.greatest, facts.not_numbers, facts.zeros) == (-2, 4, 1, 0.25)
    assert facts.mean == pytest.approx(2 / 3)
    assert facts.text == ("float32 [1, 4], -2 to 4, mean 0.6667, 25% zeros, 1 NaN or infinite")
    assert TensorFacts.of("t", np.array([], np.int64)).zeros == 0
