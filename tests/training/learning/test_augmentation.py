from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spotlet.errors import UsageError
from spotlet_training.datasets import Sample
from spotlet_training.learning.augmentation import AugmentationSettings, Canvas, augmented_canvas

PLAIN_COLOURS = AugmentationSettings(brightness=0, saturation=0, hue=0, flips="both")


def white_box_on_black(seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(60, 300, 2))
    left, top = int(rng.integers(0, width - 40)), int(rng.integers(0, height - 40))
    right, bottom = int(rng.integers(left + 20, width)), int(rng.integers(top + 20, height))
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255
    return Sample(
        image,
        np.array([[left, top, right, bottom]], np.float32),
        np.zeros(1, np.int64),
        np.zeros(1, np.bool_),
        "box",
    )


def white_extent(canvas: Canvas) -> "np.ndarray[Any, Any]":
    """Returns the box of the white pixels, to a part of a pixel by the grey at the edges."""
    bright = canvas.image_bgr[..., 0].astype(float)
    # The border is grey too (114), so only what is brighter than it counts.
    rows, columns = np.flatnonzero((bright > 128).any(1)), np.flatnonzero((bright > 128).any(0))
    return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_stay_on_their_objects_through_every_change(seed: int) -> None:
    rng = np.random.default_rng(seed)
    canvas = augmented_canvas([white_box_on_black(seed)], (160, 224), PLAIN_COLOURS, rng)
    if len(canvas.class_ids) == 0:
        return
    assert np.abs(canvas.boxes_xyxy - white_extent(canvas)).max() <= 0.75


@pytest.mark.parametrize("seed", range(20))
def test_every_box_of_a_mosaic_lies_on_white_and_every_white_pixel_in_a_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = AugmentationSettings(brightness=0, saturation=0, hue=0, least_visible=0.0)
    samples = [white_box_on_black(100 * seed + n) for n in range(4)]
    canvas = augmented_canvas(samples, (160, 160), settings, rng)
    white = canvas.image_bgr[..., 0] > 200
    covered = np.zeros_like(white)
    for left, top, right, bottom in canvas.boxes_xyxy.round().astype(int):
        inside = white[top + 1 : bottom - 1, left + 1 : right - 1]
        assert inside.size == 0 or inside.mean() > 0.95
        covered[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = True
    assert (white & ~covered).mean() < 0.005


def test_the_same_chance_gives_the_same_canvas() -> None:
    sample = white_box_on_black(1)
    settings = AugmentationSettings()
    first, second = (
        augmented_canvas([sample], (96, 96), settings, np.random.default_rng(7)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.image_bgr, second.image_bgr)
    np.testing.assert_array_equal(first.boxes_xyxy, second.boxes_xyxy)


def test_a_picture_without_objects_gives_a_canvas_without_objects() -> None:
    empty = Sample(
        np.zeros((50, 70, 3), np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
        "empty",
    )
    canvas = augmented_canvas(
        [empty] * 4, (96, 96), AugmentationSettings(), np.random.default_rng(0)
    )
    assert canvas.boxes_xyxy.shape == (0, 4)


def left_is_white(seed: int, flips: str) -> tuple[bool, bool]:
    """Returns whether the left and the upper half of the canvas are the brighter ones."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[:30, :30] = 255
    corner = Sample(
        image,
        np.array([[0, 0, 30, 30]], np.float32),
        np.zeros(1, np.int64),
        np.zeros(1, np.bool_),
        "corner",
    )
    settings = replace(PLAIN_COLOURS, flips=flips, scale=(1, 1), aspect=0, shift=0)
    canvas = augmented_canvas([corner], (60, 60), settings, np.random.default_rng(seed))
    x, y = canvas.boxes_xyxy[0, :2]
    assert canvas.image_bgr[int(y) + 15, int(x) + 15].min() > 200
    return bool(x < 15), bool(y < 15)


@pytest.mark.parametrize(
    ("flips", "ways"),
    [
        ("none", {(True, True)}),
        ("horizontal", {(True, True), (False, True)}),
        ("vertical", {(True, True), (True, False)}),
        ("both", {(True, True), (True, False), (False, True), (False, False)}),
        ("all", {(True, True), (True, False), (False, True), (False, False)}),
    ],
)
def test_pictures_are_mirrored_along_the_asked_axes_alone(
    flips: str, ways: set[tuple[bool, bool]]
) -> None:
    assert {left_is_white(seed, flips) for seed in range(40)} == ways


def wide_as_seen(seed: int, flips: str) -> tuple[int, int]:
    """Returns width and height, as drawn, of an object 40 x 10 in a square picture."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[5:15, 10:50] = 255
    boxes = np.array([[10, 5, 50, 15]], np.float32)
    sample = Sample(image, boxes, np.zeros(1, np.int64), np.zeros(1, np.bool_), "bar")
    settings = replace(PLAIN_COLOURS, flips=flips, scale=(1, 1), aspect=0, shift=0, mosaic=0)
    canvas = augmented_canvas([sample], (60, 60), settings, np.random.default_rng(seed))
    x1, y1, x2, y2 = (round(float(side)) for side in canvas.boxes_xyxy[0])
    assert canvas.image_bgr[y1:y2, x1:x2].min() > 200  # the box moved with its picture
    return x2 - x1, y2 - y1


def test_quarter_turns_come_with_all_alone() -> None:
    assert {wide_as_seen(seed, "both") for seed in range(40)} == {(40, 10)}
    assert {wide_as_seen(seed, "all") for seed in range(40)} == {(40, 10), (10, 40)}


@pytest.mark.parametrize("flips", ["none", "both", "all"])
def test_a_picture_as_large_as_the_canvas_is_often_not_resampled(flips: str) -> None:
    """Of black and white alone nothing grey comes, wherever it goes; and the box goes with it."""
    rng = np.random.default_rng(3)
    image = np.repeat(rng.integers(0, 2, (64, 64, 1)) * 255, 3, axis=2).astype(np.uint8)
    image[20:30, 16:24] = 255
    image[19:31, [15, 24]] = image[[19, 30], 15:25] = 0
    box = np.array([[16, 20, 24, 30]], np.float32)
    sample = Sample(image, box, np.zeros(1, np.int64), np.zeros(1, np.bool_), "noise")
    sharp = 0
    for seed in range(60):
        settings = replace(PLAIN_COLOURS, flips=flips, as_it_is=0.5)
        canvas = augmented_canvas([sample], (64, 64), settings, np.random.default_rng(seed))
        if set(np.unique(canvas.image_bgr)) <= {0, 114, 255}:
            sharp += 1
            x1, y1, x2, y2 = canvas.boxes_xyxy[0].astype(int)
            assert sorted((x2 - x1, y2 - y1)) == [8, 10]
            assert canvas.image_bgr[y1:y2, x1:x2].min() == 255
    assert 20 <= sharp <= 40
    larger = augmented_canvas([sample], (96, 96), settings, np.random.default_rng(0))
    assert len(np.unique(larger.image_bgr)) > 3


def test_colours_change_unless_told_not_to() -> None:
    sample = white_box_on_black(2)
    sample.image_bgr[:] = (40, 90, 160)
    still = replace(PLAIN_COLOURS, scale=(1, 1), aspect=0, shift=0)
    moved = replace(still, brightness=0.3, saturation=0.4, hue=0.05)
    for settings, changes in ((still, False), (moved, True)):
        means = [
            augmented_canvas([sample], sample.image_bgr.shape[:2], settings, rng).image_bgr.mean(
                (0, 1)
            )
            for rng in map(np.random.default_rng, range(8))
        ]
        spread = np.std(means, axis=0)
        assert bool((spread > 3).all()) == changes
        assert bool((spread < 1).all()) != changes


def test_what_is_hardly_seen_is_ignored_and_not_background() -> None:
    """A box of which a mosaic shows a sliver must not be taught as empty."""
    faint = 0
    for seed in range(60):
        samples = [white_box_on_black(seed + n) for n in range(4)]
        canvas = augmented_canvas(samples, (128, 128), PLAIN_COLOURS, np.random.default_rng(seed))
        faint += int(canvas.ignored.sum())
        assert len(canvas.ignored) == len(canvas.boxes_xyxy) == len(canvas.class_ids)
    assert faint > 5


def test_an_unknown_flip_is_refused() -> None:
    with pytest.raises(UsageError, match="flips 'diagonal'"):
        AugmentationSettings(flips="diagonal")


def cracks(thickness: float, length: int = 400) -> Sample:
    """Returns a picture with four long objects, two upright; so thick on a canvas of 320."""
    pixels = round(thickness * 1600 / 320)
    image = np.full((1600, 1600, 3), 90, np.uint8)
    boxes = []
    for number in range(4):
        at, along = 500 + 150 * number, 600
        lying = (along, at, length, pixels)
        left, top, width, height = lying if number < 2 else (at, along, pixels, length)
        image[top : top + height, left : left + width] = 250
        boxes.append([left, top, left + width, top + height])
    return Sample(
        image, np.array(boxes, np.float32), np.zeros(4, np.int64), np.zeros(4, np.bool_), "cracks"
    )


@pytest.mark.parametrize("mosaic", [False, True])
def test_thin_objects_are_learnt_however_thin_and_never_background(mosaic: bool) -> None:
    """1.4 pixels on the canvas: under two after nearly every change, never under half a pixel."""
    sample = cracks(1.4)
    settings = replace(PLAIN_COLOURS, shift=0, least_visible=0.0)
    learnt = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        samples = [sample] * 4 if mosaic else [sample]
        canvas = augmented_canvas(samples, (320, 320), settings, rng)
        seen = (canvas.boxes_xyxy[:, 2:] > canvas.boxes_xyxy[:, :2]).all(axis=1)
        assert seen.all()
        assert not canvas.ignored.any() or mosaic  # a mosaic may cut one along its length
        learnt += int((~canvas.ignored).sum())
    assert learnt > 15 * (8 if mosaic else 4) * 0.95


def test_what_may_not_have_been_drawn_at_all_is_ignored_and_not_background() -> None:
    settings = replace(PLAIN_COLOURS, shift=0, scale=(1, 1), aspect=0)
    canvas = augmented_canvas([cracks(0.4)], (320, 320), settings, np.random.default_rng(0))
    assert canvas.ignored.tolist() == [True] * 4
