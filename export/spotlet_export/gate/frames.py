"""The frames of the gate: real ones of several sizes, and edge cases."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from spotlet.errors import GateError
from spotlet.letterbox import ImageArray

REAL_FRAMES = 24
"""Frames made of real images, of as many different ones as the set has."""

RESHAPES_HW = (None, (360, 640), (500, 300), (96, 128))
"""Sizes to which real images are cropped and scaled in turn: their own, wide, tall, small."""

EDGE_SIZES_HW = ((8, 8), (7, 640), (640, 7), (1, 1), (333, 517), (425, 640))
"""Frames that cameras do not produce: tiny, of an extreme aspect ratio, odd in both sides, or half
a pixel from the canvas."""


Load = Callable[[int], ImageArray]
"""Returns an image of a set by its index, (H, W, 3) uint8 BGR."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckFrame:
    """A frame to compare on.

    Attributes:
        name: for messages; unique.
        image_bgr: (H, W, 3) uint8.
        real: whether it is made of an image, not an edge case.
    """

    name: str
    image_bgr: ImageArray
    real: bool


def check_frames(load: Load, count: int) -> list[CheckFrame]:
    """Returns real frames of at least three sizes from a set, evenly spread, and edge cases.

    Args:
        load: an image of the kind that the model is for.
        count: of the images.

    Raises:
        GateError: the set is empty.
    """
    if not count:
        raise GateError("the set to compare on is empty; give --data a set with images")
    frames = []
    for number in range(REAL_FRAMES):
        image = load(number * count // REAL_FRAMES)
        # With fewer images than frames, an image is used again in another shape.
        size_hw = RESHAPES_HW[number % len(RESHAPES_HW)]
        shaped = image if size_hw is None else crop_and_scale(image, size_hw)
        frames.append(CheckFrame(f"real-{number:02d}", shaped, real=True))
    return frames + edge_frames()


def edge_frames() -> list[CheckFrame]:
    """Returns frames that are black, white, or noise of extreme shapes."""
    rng = np.random.default_rng(0)
    frames = [
        CheckFrame("edge-black", np.zeros((240, 320, 3), np.uint8), real=False),
        CheckFrame("edge-white", np.full((240, 320, 3), 255, np.uint8), real=False),
    ]
    for height, width in EDGE_SIZES_HW:
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        frames.append(CheckFrame(f"edge-noise-{width}x{height}", noise, real=False))
    return frames


def crop_and_scale(image_bgr: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns the centre of an image in another aspect ratio and size, (H, W, 3) uint8."""
    height, width = image_bgr.shape[:2]
    aspect = size_hw[1] / size_hw[0]
    cut_width = max(1, min(width, round(height * aspect)))
    cut_height = max(1, min(height, round(width / aspect)))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    cut = image_bgr[top : top + cut_height, left : left + cut_width]
    return cv2.resize(cut, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_AREA).astype(np.uint8)
