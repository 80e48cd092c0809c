"""OpenCV's resizes in whole numbers: the export's canvas, on any processor.

`spotlet check` runs a network on the export's canvas, however this machine's OpenCV resizes.

Source: measured, byte for byte, against OpenCV 4.10 and 5.0 on x86-64; `docs/hosts.md` has
the rule of `linear_exact`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.letterbox import ImageArray, Letterbox

Array = npt.NDArray[Any]

LINEAR_ONE, EXACT_ONE = 2048, 256
"""The integer that means a weight of 1."""


def exported_canvas(letterbox: Letterbox, frame: ImageArray) -> ImageArray | None:
    """Returns the letterboxed frame as an x86-64 machine makes it.

    Args:
        letterbox: of the frame.
        frame: (H, W, 3) uint8.

    Returns:
        (canvas H, canvas W, 3) uint8; None for an interpolation not implemented here.
    """
    resize = {"linear": resize_linear, "linear_exact": resize_linear_exact}.get(
        letterbox.interpolation
    )
    if resize is None:
        return None
    canvas = np.full((*letterbox.canvas_hw, 3), letterbox.pad_value, np.uint8)
    (height, width), (left, top) = letterbox.resized_hw, letterbox.offset_xy
    canvas[top : top + height, left : left + width] = resize(frame, (height, width))
    return canvas


def resize_linear_exact(frame: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns a frame (H, W, 3) uint8 resized as by INTER_LINEAR_EXACT."""
    (upper, down), (left, across) = _centres(frame, size_hw, np.float64)
    down, across = (np.rint(each * EXACT_ONE).astype(np.int32) for each in (down, across))
    above, below = _blend_columns(frame, upper, left, EXACT_ONE - across, across)
    sums = above * _rows(EXACT_ONE - down) + below * _rows(down)
    return np.asarray((sums + EXACT_ONE**2 // 2) >> 16, np.uint8)


def resize_linear(frame: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns a frame (H, W, 3) uint8 resized as by INTER_LINEAR on x86-64."""
    height, width = frame.shape[:2]
    if (height, width) == (2 * size_hw[0], 2 * size_hw[1]):  # OpenCV takes the mean of four
        quarters = frame.reshape(size_hw[0], 2, size_hw[1], 2, 3).sum(axis=(1, 3), dtype=np.int32)
        return np.asarray((quarters + 2) >> 2, np.uint8)
    (upper, down), (left, across) = _centres(frame, size_hw, np.float32)
    # Outside the frame, a row takes the border pixel alone; a column blends it.
    across = np.where((left < 0) | (left >= width - 1), np.float32(0), across)
    above, below = _blend_columns(
        frame, upper, np.maximum(left, 0), _in_2048ths(1 - across), _in_2048ths(across)
    )
    upper_share = ((above >> 4) * _rows(_in_2048ths(1 - down))) >> 16
    lower_share = ((below >> 4) * _rows(_in_2048ths(down))) >> 16
    return np.asarray((upper_share + lower_share + 2) >> 2, np.uint8)


def _centres(frame: ImageArray, size_hw: tuple[int, int], kind: Any) -> list[tuple[Array, Array]]:
    """Returns for each axis the old pixel before each new pixel's centre, and the distance.

    The step is the inverse of the scale: `old / new` would round some halves the other way.
    """
    found = []
    for old, new in zip(frame.shape[:2], size_hw, strict=True):
        step = 1 / (new / old)
        centres = ((np.arange(new) + 0.5) * step - 0.5).astype(kind)
        first = np.floor(centres)
        found.append((first.astype(np.int64), centres - first))
    return found


def _blend_columns(
    frame: ImageArray, upper: Array, left: Array, left_weight: Array, right_weight: Array
) -> list[Array]:
    """Returns the rows above and below each new pixel, resized in x; int32, unrounded.

    Outside the frame, the nearest border pixel counts.
    """
    height, width = frame.shape[:2]
    columns = [np.clip(side, 0, width - 1) for side in (left, left + 1)]
    weights = [weight[:, np.newaxis] for weight in (left_weight, right_weight)]
    rows = [frame[np.clip(side, 0, height - 1)].astype(np.int32) for side in (upper, upper + 1)]
    return [row[:, columns[0]] * weights[0] + row[:, columns[1]] * weights[1] for row in rows]


def _in_2048ths(shares: Array) -> Array:
    return np.rint(shares * np.float32(LINEAR_ONE)).astype(np.int32)


def _rows(weights: Array) -> Array:
    return weights[:, np.newaxis, np.newaxis]
