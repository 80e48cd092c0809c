"""The witness's own resize against OpenCV's, and against bytes worked out by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotlet_export.gate.witness import resize_exactly

sides = st.integers(1, 160)


@settings(max_examples=150)
@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 2**32 - 1))
@example((227, 8), (256, 8), 0)  # weights on a half, where the quotient rounds the other way
@example((31, 227), (128, 256), 0)
@example((1, 1), (160, 3), 0)
def test_linear_exact_is_whole_number_arithmetic(
    old_hw: tuple[int, int], new_hw: tuple[int, int], seed: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (*old_hw, 3), np.uint8)
    expected = cv2.resize(frame, new_hw[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    np.testing.assert_array_equal(resize_exactly(frame, new_hw), expected)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        # Centres at 0.25 and 1.75 of three pixels: weights of 64 and 192 256ths.
        ([0, 100, 200], [25, 175]),
        # Halfway between 2k and 2k + 1: the half goes up.
        ([0, 1, 2, 3], [1, 3]),
        ([7], [7, 7, 7]),
    ],
)
def test_a_row_is_resized_as_by_hand(row: list[int], wanted: list[int]) -> None:
    frame = np.repeat(np.array([row], np.uint8)[..., np.newaxis], 3, axis=2)
    assert resize_exactly(frame, (1, len(wanted)))[0, :, 0].tolist() == wanted
