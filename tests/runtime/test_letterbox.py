from dataclasses import replace
from fractions import Fraction
from math import floor
from unittest import mock

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spotlet.boxes import FloatArray
from spotlet.errors import UsageError
from spotlet.letterbox import INTERPOLATIONS, PAD_VALUE, RESIZES, ImageArray, Letterbox

frame_sides = st.one_of(st.integers(1, 40), st.integers(1, 8000))
canvas_sides = st.integers(1, 1280)
letterboxes = st.builds(
    Letterbox,
    st.tuples(frame_sides, frame_sides),
    st.tuples(canvas_sides, canvas_sides),
)
placed = st.builds(replace, letterboxes, resize=st.sampled_from(RESIZES))
fractions = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)


def boxes_in(frame_hw: tuple[int, int], corners: list[float]) -> FloatArray:
    """Returns one box from two corners in fractions of the frame."""
    height, width = frame_hw
    x, y = sorted(corners[:2]), sorted(corners[2:])
    return np.array([[x[0] * width, y[0] * height, x[1] * width, y[1] * height]], np.float32)


@given(letterboxes)
def test_the_frame_just_fits_and_keeps_its_aspect_to_the_rounding(letterbox: Letterbox) -> None:
    (height, width), (canvas_height, canvas_width) = letterbox.frame_hw, letterbox.canvas_hw
    scale = min(Fraction(canvas_height, height), Fraction(canvas_width, width))
    rounded = [max(floor(side * scale + Fraction(1, 2)), 1) for side in (height, width)]
    assert list(letterbox.resized_hw) == rounded
    assert rounded[0] == canvas_height or rounded[1] == canvas_width
    assert rounded[0] <= canvas_height
    assert rounded[1] <= canvas_width


@given(letterboxes)
def test_the_rest_is_shared_evenly_and_an_odd_one_goes_right_and_below(
    letterbox: Letterbox,
) -> None:
    left, top = letterbox.offset_xy
    right = letterbox.canvas_hw[1] - letterbox.resized_hw[1] - left
    below = letterbox.canvas_hw[0] - letterbox.resized_hw[0] - top
    assert right - left in (0, 1)
    assert below - top in (0, 1)


def test_in_a_corner_the_rest_is_right_and_below() -> None:
    letterbox = Letterbox((50, 100), (33, 32), resize="letterbox_corner")
    assert letterbox.resized_hw == Letterbox((50, 100), (33, 32)).resized_hw
    assert letterbox.offset_xy == (0, 0)
    canvas = letterbox.apply(np.full((50, 100, 3), 255, np.uint8))
    assert (canvas[:16] == 255).all()
    assert (canvas[16:] == letterbox.pad_value).all()


def test_stretched_the_frame_has_the_canvas_for_itself() -> None:
    letterbox = Letterbox((50, 100), (33, 32), resize="stretch")
    assert (letterbox.apply(np.full((50, 100, 3), 255, np.uint8)) == 255).all()
    in_frame = np.array([[10, 25, 100, 50]], np.float32)
    on_canvas = np.array([[3.2, 16.5, 32, 33]], np.float32)
    np.testing.assert_allclose(letterbox.to_canvas(in_frame), on_canvas, rtol=1e-6)
    np.testing.assert_allclose(letterbox.to_frame(on_canvas), in_frame, rtol=1e-6)


def test_a_half_pixel_is_rounded_up() -> None:
    # 425 * 320 / 640 is 212.5, and 427 * 320 / 640 is 213.5.
    assert Letterbox((425, 640), (320, 320)).resized_hw == (213, 320)
    assert Letterbox((427, 640), (320, 320)).resized_hw == (214, 320)


def test_an_odd_rest_worked_by_hand() -> None:
    letterbox = Letterbox((50, 100), (33, 32))
    assert letterbox.resized_hw == (16, 32)
    assert letterbox.offset_xy == (0, 8)


@given(placed, fractions)
def test_letterbox_round_trips_a_box(letterbox: Letterbox, corners: list[float]) -> None:
    boxes = boxes_in(letterbox.frame_hw, corners)
    again = letterbox.to_frame(letterbox.to_canvas(boxes))
    enlarged = max(
        frame / resized
        for frame, resized in zip(letterbox.frame_hw, letterbox.resized_hw, strict=True)
    )
    noise = float(np.finfo(np.float32).eps) * (max(letterbox.canvas_hw) * enlarged + 1)
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, boxes, rtol=2e-7, atol=noise)


@given(placed)
def test_the_whole_frame_is_its_place_on_the_canvas_exactly(letterbox: Letterbox) -> None:
    height, width = letterbox.frame_hw
    resized_height, resized_width = letterbox.resized_hw
    left, top = letterbox.offset_xy
    whole = np.array([[0, 0, width, height]], np.float32)
    on_canvas = letterbox.to_canvas(whole)
    np.testing.assert_allclose(
        on_canvas, [[left, top, left + resized_width, top + resized_height]], rtol=2e-7
    )
    np.testing.assert_allclose(letterbox.to_frame(on_canvas), whole, rtol=2e-7)


def test_letterbox_round_trips_a_corner_box() -> None:
    letterbox = Letterbox((1080, 1920), (320, 320))
    box = np.array([[1910, 1070, 1920, 1080]], np.float32)
    np.testing.assert_allclose(
        letterbox.to_canvas(box), [[318.33333, 248.33333, 320, 250]], rtol=1e-6
    )
    np.testing.assert_allclose(letterbox.to_frame(letterbox.to_canvas(box)), box, rtol=1e-6)


@pytest.mark.parametrize("frame_hw", [(1, 5000), (5000, 1), (2, 4001)])
def test_an_extreme_frame_keeps_a_pixel_of_its_short_side(frame_hw: tuple[int, int]) -> None:
    letterbox = Letterbox(frame_hw, (320, 320))
    assert min(letterbox.resized_hw) == 1
    frame = np.full((*frame_hw, 3), 255, np.uint8)
    assert np.count_nonzero(letterbox.apply(frame) == 255) == 320 * 3


def test_boxes_outside_the_frame_are_clipped_to_it() -> None:
    letterbox = Letterbox((100, 200), (320, 320))
    boxes = np.array([[-5, 0, 400, 320], [10, 0, 20, 40]], np.float32)
    assert letterbox.to_frame(boxes).tolist() == [[0, 0, 200, 100], [6.25, 0, 12.5, 0]]


def measured_box(canvas: ImageArray) -> FloatArray:
    """Returns the box of what is white on black, from sums, so to a part of a pixel."""
    grey = canvas[..., 0].astype(np.float64) / 255
    edges = []
    for profile in (grey.max(axis=0), grey.max(axis=1)):
        extent = profile.sum()
        centre = ((np.arange(len(profile)) + 0.5) * profile).sum() / extent
        edges.append((centre - extent / 2, centre + extent / 2))
    (left, right), (top, bottom) = edges
    return np.array([[left, top, right, bottom]], np.float32)


def frame_with_rectangle(
    frame_hw: tuple[int, int], corners: list[float]
) -> tuple[ImageArray, FloatArray]:
    boxes = np.round(boxes_in(frame_hw, corners))
    left, top, right, bottom = boxes[0].astype(int)
    frame = np.zeros((*frame_hw, 3), np.uint8)
    frame[top:bottom, left:right] = 255
    return frame, boxes


drawn_sides = st.integers(30, 300)
canvas_pairs = st.tuples(st.integers(8, 96), st.integers(8, 96))


@settings(max_examples=60)
@given(
    st.tuples(drawn_sides, drawn_sides),
    canvas_pairs,
    fractions,
    st.sampled_from(["linear_exact", "linear", "area"]),
)
def test_a_drawn_rectangle_lands_where_to_canvas_says(
    frame_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
    corners: list[float],
    interpolation: str,
) -> None:
    letterbox = Letterbox(frame_hw, canvas_hw, interpolation, pad_value=0)
    frame, boxes = frame_with_rectangle(frame_hw, corners)
    expected = letterbox.to_canvas(boxes)
    assume(np.all(expected[:, 2:] - expected[:, :2] >= 3))
    # Where a pixel of the canvas covers several of the frame, linear looks at two of them.
    shrinks = letterbox.resized_hw[0] < frame_hw[0] or letterbox.resized_hw[1] < frame_hw[1]
    tolerance = 0.6 if interpolation != "area" or not shrinks else 0.05
    canvas = letterbox.apply(frame)
    np.testing.assert_allclose(measured_box(canvas), expected, atol=tolerance)


def test_an_enlarged_edge_stands_where_to_canvas_says_to_a_hundredth_of_a_pixel() -> None:
    frame, boxes = frame_with_rectangle((10, 10), [0.3, 0.7, 0.4, 0.8])
    letterbox = Letterbox((10, 10), (100, 160), pad_value=0)
    np.testing.assert_allclose(
        measured_box(letterbox.apply(frame)), letterbox.to_canvas(boxes), atol=0.05
    )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_border_has_the_pad_value_and_the_frame_its_own(interpolation: str) -> None:
    frame = np.full((20, 61, 3), (1, 2, 3), np.uint8)
    for pad_value in (0, PAD_VALUE, 255):
        letterbox = Letterbox((20, 61), (50, 51), interpolation, pad_value)
        canvas = letterbox.apply(frame)
        height, width = letterbox.resized_hw
        left, top = letterbox.offset_xy
        inside = np.zeros(canvas.shape[:2], bool)
        inside[top : top + height, left : left + width] = True
        assert np.all(canvas[inside] == (1, 2, 3))
        assert np.all(canvas[~inside] == pad_value)


def test_a_frame_of_the_size_of_the_canvas_is_not_changed() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    np.testing.assert_array_equal(Letterbox((31, 47), (31, 47)).apply(frame), frame)


def test_out_is_written_in_full_and_returned() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    letterbox = Letterbox((30, 50), (64, 64))
    out = np.full((64, 64, 3), 7, np.uint8)
    assert letterbox.apply(frame, out=out) is out
    np.testing.assert_array_equal(out, letterbox.apply(frame))


@given(letterboxes)
@settings(max_examples=60)
def test_the_frame_is_resized_straight_into_out_as_it_would_be_alone(letterbox: Letterbox) -> None:
    assume(letterbox.frame_hw[0] * letterbox.frame_hw[1] < 2_000_000)
    frame = np.random.default_rng(0).integers(0, 256, (*letterbox.frame_hw, 3), np.uint8)
    (height, width), (left, top) = letterbox.resized_hw, letterbox.offset_xy
    expected = np.full((*letterbox.canvas_hw, 3), letterbox.pad_value, np.uint8)
    expected[top : top + height, left : left + width] = cv2.resize(
        frame, (width, height), interpolation=INTERPOLATIONS[letterbox.interpolation]
    )
    canvases = np.full((3, *letterbox.canvas_hw, 3), 7, np.uint8)
    letterbox.apply(frame, out=canvases[1])
    np.testing.assert_array_equal(canvases[1], expected)
    assert np.all(canvases[[0, 2]] == 7)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 60)),
    st.tuples(st.sampled_from([1, 3, 5, 7, 9, 15]), st.sampled_from([1, 3, 5, 7, 9, 15])),
    st.integers(0, 99),
)
@settings(max_examples=80)
def test_a_stand_in_for_linear_exact_gives_its_bytes(
    canvas_hw: tuple[int, int], times: tuple[int, int], seed: int
) -> None:
    frame_hw = canvas_hw[0] * times[0], canvas_hw[1] * times[1]
    frame = np.random.default_rng(seed).integers(0, 256, (*frame_hw, 3), np.uint8)
    expected = cv2.resize(frame, canvas_hw[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    canvas = Letterbox(frame_hw, canvas_hw, resize="stretch").apply(frame)
    np.testing.assert_array_equal(canvas, expected)
    # The centres, nothing mixed.
    centres = frame[times[0] // 2 :: times[0], times[1] // 2 :: times[1]]
    np.testing.assert_array_equal(canvas, centres)


def test_linear_stands_in_only_where_every_pixel_is_one_of_the_frame() -> None:
    asked = []

    def resize(*_args: object, interpolation: int, dst: ImageArray, **_rest: object) -> ImageArray:
        asked.append(interpolation)
        return dst

    with mock.patch.object(cv2, "resize", resize):
        for frame_hw, canvas_hw in (((1080, 1920), (384, 384)), ((720, 1280), (320, 320))):
            Letterbox(frame_hw, canvas_hw).apply(np.zeros((*frame_hw, 3), np.uint8))
    assert asked == [cv2.INTER_LINEAR, cv2.INTER_LINEAR_EXACT]


def test_a_frame_that_is_a_view_gives_the_canvas_of_its_copy() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    for view in (whole[5:45, 10:60], whole[::-1, ::-1], whole[..., ::-1], whole[::2, ::3]):
        letterbox = Letterbox((view.shape[0], view.shape[1]), (32, 32))
        np.testing.assert_array_equal(letterbox.apply(view), letterbox.apply(view.copy()))


@pytest.mark.parametrize(
    ("frame_hw", "canvas_hw", "interpolation", "pad_value", "what"),
    [
        ((0, 10), (32, 32), "linear", 114, "at least 1 pixel"),
        ((10, 10), (32, -1), "linear", 114, "at least 1 pixel"),
        ((10, 10), (32, 32), "cubic", 114, "must be one of linear_exact, linear, area, nearest"),
        ((10, 10), (32, 32), "linear", 256, "must be from 0 to 255"),
        ((10, 10), (32, 32), "linear", -1, "must be from 0 to 255"),
    ],
)
def test_a_letterbox_that_cannot_be_is_an_error(
    frame_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
    interpolation: str,
    pad_value: int,
    what: str,
) -> None:
    with pytest.raises(UsageError, match=what):
        Letterbox(frame_hw, canvas_hw, interpolation, pad_value)


def test_a_resize_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UsageError, match="resize 'crop': must be one of letterbox, "):
        Letterbox((10, 10), (32, 32), resize="crop")


@pytest.mark.parametrize("shape", [(20, 10, 3), (10, 20), (10, 20, 4)])
def test_a_frame_of_another_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"this letterbox takes \(10, 20, 3\)"):
        Letterbox((10, 20), (32, 32)).apply(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "out", [np.zeros((40, 40, 3), np.uint8), np.zeros((32, 32, 3), np.float32)]
)
def test_an_out_of_another_shape_or_type_is_an_error(out: ImageArray) -> None:
    with pytest.raises(UsageError, match=r"this letterbox writes \(32, 32, 3\)"):
        Letterbox((10, 20), (32, 32)).apply(np.zeros((10, 20, 3), np.uint8), out=out)
