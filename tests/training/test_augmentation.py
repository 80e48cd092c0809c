from typing import Any

import numpy as np
import pytest

from spotlet.errors import UsageError
from spotlet_training.augmentation import (
    AugmentationSettings,
    Canvas,
    augmented_canvas,
)
from spotlet_training.datasets import Sample

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
    # Slivers under two pixels are drawn but not labelled.
    assert (white & ~covered).mean() < 0.02


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


def test_an_unknown_flip_is_refused() -> None:
    with pytest.raises(UsageError, match="flips 'diagonal'"):
        AugmentationSettings(flips="diagonal")
