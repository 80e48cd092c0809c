"""The whole-number resizes against OpenCV's, whose `linear` is the x86-64 build's alone."""

import platform

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spotlet.check.resizes import exported_canvas, resize_linear, resize_linear_exact
from spotlet.letterbox import Letterbox

sides = st.integers(1, 160)
sizes = st.tuples(sides, sides)
on_x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="linear's bytes are those of x86-64",
)


@settings(max_examples=150)
@given(sizes, sizes, st.integers(0, 2**32 - 1))
@example((227, 8), (256, 8), 0)  # weights on a half
def test_linear_exact_is_opencvs(
    old_hw: tuple[int, int], new_hw: tuple[int, int], seed: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (*old_hw, 3), np.uint8)
    expected = cv2.resize(frame, new_hw[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    np.testing.assert_array_equal(resize_linear_exact(frame, new_hw), expected)


@on_x86
@settings(max_examples=150)
@given(sizes, sizes, st.integers(0, 2**32 - 1))
@example((96, 64), (48, 32), 0)  # the mean of four
@example((96, 64), (48, 33), 0)
def test_linear_is_opencvs(old_hw: tuple[int, int], new_hw: tuple[int, int], seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (*old_hw, 3), np.uint8)
    expected = cv2.resize(frame, new_hw[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_linear(frame, new_hw), expected)


def test_linear_gives_the_bytes_worked_out_by_hand() -> None:
    row = np.repeat(np.array([[0, 100, 200]], np.uint8)[..., np.newaxis], 3, axis=2)
    # Centres at 0.25 and 1.75: weights of 512 and 1536 2048ths.
    assert resize_linear(row, (1, 2))[0, :, 0].tolist() == [25, 175]
    square = np.array([[0, 1], [1, 0]], np.uint8)[..., np.newaxis].repeat(3, axis=2)
    assert resize_linear(square, (1, 1)).tolist() == [[[1, 1, 1]]]  # (2 + 2) // 4


def test_the_canvas_has_the_border_of_the_letterbox() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    letterbox = Letterbox((50, 70), (64, 64))
    np.testing.assert_array_equal(exported_canvas(letterbox, frame), letterbox.apply(frame))
    assert exported_canvas(Letterbox((50, 70), (64, 64), "area"), frame) is None
