"""OpenCV's resizes in whole numbers: the canvas that an export had, on any processor.

`spotlet check` holds a network to the export's canvas, whatever this machine's OpenCV makes of a
frame. Source: measured, byte for byte, against OpenCV 4.10 and 5.0 on x86-64; `docs/hosts.md` has
the rule of `linear_exact`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.letterbox import ImageArray, Letterbox

Array = npt.NDArray[Any]

LINEAR_ONE, EXACT_ONE = 2048, 256
"""A pixel's whole weight."""


def exported_canvas(letterbox: Letterbox, frame: ImageArray) -> ImageArray | None:
    """Returns the canvas with the frame on it as an x86-64 machine makes it.

    Args:
        letterbox: of the frame.
        frame: (H, W, 3) uint8.

    Returns:
        (canvas H, canvas W, 3) uint8; None for an interpolation that has no rule here.
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
    """Returns a frame (H, W, 3) uint8 in another size, as INTER_LINEAR_EXACT does it."""
    (upper, down), (left, across) = _centres(frame, size_hw, np.float64)
    down, across = (np.rint(each * EXACT_ONE).astype(np.int32) for each in (down, across))
    above, below = _mixed(frame, upper, left, EXACT_ONE - across, across)
    sums = above * _rows(EXACT_ONE - down) + below * _rows(down)
    return np.asarray((sums + EXACT_ONE**2 // 2) >> 16, np.uint8)


def resize_linear(frame: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns a frame (H, W, 3) uint8 in another size, as INTER_LINEAR does it on x86-64."""
    height, width = frame.shape[:2]
    if (height, width) == (2 * size_hw[0], 2 * size_hw[1]):  # OpenCV takes the mean of four
        quarters = frame.reshape(size_hw[0], 2, size_hw[1], 2, 3).sum(axis=(1, 3), dtype=np.int32)
        return np.asarray((quarters + 2) >> 2, np.uint8)
    (upper, down), (left, across) = _centres(frame, size_hw, np.float32)
    # Along a row, what lies outside is the border's pixel alone; along a column it is mixed.
    across = np.where((left < 0) | (left >= width - 1), np.float32(0), across)
    above, below = _mixed(
        frame, upper, np.maximum(left, 0), _in_2048ths(1 - across), _in_2048ths(across)
    )
    upper_share = ((above >> 4) * _rows(_in_2048ths(1 - down))) >> 16
    lower_share = ((below >> 4) * _rows(_in_2048ths(down))) >> 16
    return np.asarray((upper_share + lower_share + 2) >> 2, np.uint8)


def _centres(frame: ImageArray, size_hw: tuple[int, int], kind: Any) -> list[tuple[Array, Array]]:
    """Returns, along each axis, the old pixel before each new one's centre, and how far before.

    The step is the inverse of the scale: `old / new` would round some halves the other way.
    """
    found = []
    for old, new in zip(frame.shape[:2], size_hw, strict=True):
        step = 1 / (new / old)
        centres = ((np.arange(new) + 0.5) * step - 0.5).astype(kind)
        first = np.floor(centres)
        found.append((first.astype(np.int64), centres - first))
    return found


def _mixed(
    frame: ImageArray, upper: Array, left: Array, left_weight: Array, right_weight: Array
) -> list[Array]:
    """Returns the rows above and below each new pixel, mixed along the row; int32, unrounded.

    A pixel outside the frame is the nearest of its border.
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
