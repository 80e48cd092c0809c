"""Golden frames: those in a package, with which a device shows that it computes the same."""

import cv2
import numpy as np

from spotlet.letterbox import ImageArray
from spotlet_export.gate.frames import Load, crop_and_scale

SOURCES = ("data", "generated")
"""The user's validation images, or drawings, which anyone may have."""

SIZES_HW = ((360, 640), (480, 360), (300, 300), (96, 128), (333, 517), (240, 320))
"""Wide, tall, square, tiny, odd in both sides: each is letterboxed differently."""


def golden_frames(source: str, load: Load, count: int) -> dict[str, ImageArray]:
    """Returns six frames, by name.

    Args:
        source: one of `SOURCES`.
        load: an image for `data`, which is cropped and scaled: a photograph of twelve megapixels
            would be larger than the model.
        count: of the images, for `data` at least 1.

    Returns:
        (H, W, 3) uint8 BGR each.
    """
    if source == "generated":
        return {
            f"drawn-{width}x{height}": draw_frame(height, width, seed)
            for seed, (height, width) in enumerate(SIZES_HW)
        }
    return {
        f"image-{width}x{height}": crop_and_scale(
            load(number * count // len(SIZES_HW)), (height, width)
        )
        for number, (height, width) in enumerate(SIZES_HW)
    }


def draw_frame(height: int, width: int, seed: int) -> ImageArray:
    """Returns a drawing, (height, width, 3) uint8 BGR: discs, bars, rings and strokes on a ramp.

    Edges in all directions, flat and sloping areas and all colours: every network responds to it,
    and every other resize changes it.
    """
    rng = np.random.default_rng(seed)
    corners = rng.integers(20, 236, (2, 2, 3)).astype(np.uint8)
    # In floats, because OpenCV's versions round bytes differently.
    image = cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    frame = np.ascontiguousarray(image.astype(np.uint8))
    side = min(height, width)
    for _ in range(14):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        size = max(2, int(side * rng.uniform(0.03, 0.2)))
        colour = tuple(int(level) for level in rng.integers(0, 256, 3))
        turn = float(rng.uniform(0, 180))
        kind = int(rng.integers(0, 4))
        if kind == 0:
            axes = (size, max(1, size * 2 // 3))
            cv2.ellipse(frame, centre, axes, turn, 0, 360, colour, -1)
        elif kind == 1:
            corners_xy = cv2.boxPoints((centre, (2.0 * size, float(size)), turn))
            cv2.fillPoly(frame, [corners_xy.astype(np.int32)], colour)
        elif kind == 2:
            cv2.circle(frame, centre, size, colour, max(1, size // 6))
        else:
            end = (centre[0] + 2 * size, centre[1] + size)
            cv2.line(frame, centre, end, colour, max(1, size // 8))
    return frame
