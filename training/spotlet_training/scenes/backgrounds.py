"""Backgrounds of the garments: random crops of photographs."""

from collections.abc import Sequence

import cv2
import numpy as np

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray

SMALLEST_CROP = 0.35
"""The least crop, as a share of the largest of the canvas's shape in the photograph."""

MIX_CHANCE = 0.25
"""Probability that a second crop is blended in: more backgrounds from few photographs."""

CLUTTER_CHANCE = 0.5
"""Probability that shapes with another crop's texture are added: edges without a garment."""

MOST_CLUTTER = 4
BLUR_CHANCE = 0.3


def random_background(
    rng: np.random.Generator, photographs: Sequence[ImageArray], size_hw: tuple[int, int]
) -> ImageArray:
    """Returns a background: a random crop, mixed, cluttered, recoloured, blurred at random.

    Args:
        rng: the only source of randomness.
        photographs: (H, W, 3) uint8 BGR each, at least one, of any sizes.
        size_hw: of the result, pixels.

    Returns:
        (H, W, 3) uint8.
    """
    canvas = random_crop(rng, photographs, size_hw)
    if rng.random() < MIX_CHANCE:
        other, share = random_crop(rng, photographs, size_hw), rng.uniform(0.2, 0.5)
        canvas = cv2.addWeighted(canvas, 1 - share, other, share, 0).astype(np.uint8)
    if rng.random() < CLUTTER_CHANCE:
        _scatter(rng, canvas, random_crop(rng, photographs, size_hw))
    if rng.random() < BLUR_CHANCE:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.5, 2.0)).astype(np.uint8)
    gains_bgr = rng.uniform(0.82, 1.18, 3).astype(np.float32)
    return recolour(canvas, rng.uniform(0.6, 1.2), rng.uniform(-25, 25), gains_bgr)


def random_crop(
    rng: np.random.Generator, photographs: Sequence[ImageArray], size_hw: tuple[int, int]
) -> ImageArray:
    """Returns a crop of one photograph in the canvas's shape, scaled to it, perhaps mirrored.

    Args:
        rng: the only source of randomness.
        photographs: (H, W, 3) uint8 each, at least one.
        size_hw: of the result, pixels.
    """
    photograph = photographs[int(rng.integers(len(photographs)))]
    largest = min(photograph.shape[0] / size_hw[0], photograph.shape[1] / size_hw[1])
    share = largest * rng.uniform(SMALLEST_CROP, 1.0)
    height, width = (max(int(side * share), 1) for side in size_hw)
    top = int(rng.integers(photograph.shape[0] - height + 1))
    left = int(rng.integers(photograph.shape[1] - width + 1))
    crop = photograph[top : top + height, left : left + width]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    scaled = cv2.resize(crop, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return scaled.astype(np.uint8, copy=False)


def recolour(
    image: ImageArray, contrast: float, brightness: float, gains_bgr: FloatArray
) -> ImageArray:
    """Returns the image with contrast about mid-grey, brightness and channel gains applied.

    Args:
        image: (H, W, 3) uint8.
        contrast: factor about 128.
        brightness: added, in levels.
        gains_bgr: (3,) factors.
    """
    levels = (np.arange(256)[:, None] - 128) * contrast + 128 + brightness
    table = np.clip(levels * gains_bgr, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    return cv2.LUT(image, table).astype(np.uint8)


def _scatter(rng: np.random.Generator, canvas: ImageArray, texture: ImageArray) -> None:
    """Draws ellipses and polygons of the texture, or of one colour, onto the canvas."""
    height, width = canvas.shape[:2]
    side = min(height, width)
    for _ in range(int(rng.integers(1, MOST_CLUTTER + 1))):
        mask = np.zeros((height, width), np.uint8)
        center = rng.uniform(0, 1, 2) * (width, height)
        if rng.random() < 0.5:
            axes = (rng.uniform(0.04, 0.22, 2) * side).astype(int).tolist()
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(
                mask, center.astype(int).tolist(), axes, angle, 0, 360, (255,), -1, cv2.LINE_AA
            )
        else:
            turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            radii = rng.uniform(0.06, 0.25, len(turns)) * side
            corners = center + np.stack([np.cos(turns), np.sin(turns)], axis=1) * radii[:, None]
            cv2.fillPoly(mask, [corners.astype(np.int32)], (255,), cv2.LINE_AA)
        if rng.random() < 0.5:
            cv2.copyTo(texture, mask, canvas)
        else:
            canvas[mask > 127] = rng.integers(0, 256, 3, dtype=np.uint8)
