"""Decoded pictures as frames: 8 bits a sample, upright."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.image_files.headers import SIDEWAYS, SampleRange
from spotlet.letterbox import ImageArray

_LIKELY_BITS = (8, 10, 12, 14, 16)
"""The depths of sensors, in files of 16 bits."""


def in_eight_bits(samples: npt.NDArray[Any], stored: SampleRange) -> ImageArray:
    """Returns decoded samples, uint8 or uint16, as uint8: from black, 0, to white, 255."""
    if samples.dtype not in (np.uint8, np.uint16):
        samples = np.maximum(samples, 0).astype(np.uint16)  # signed ones
    largest, depth = int(samples.max()), 8 * samples.itemsize
    white = stored.most or 2 ** fewest_bits(largest) - 1
    # PNG has the upper bits used; programs that state 12 bits of 16 often use the lower ones.
    spare = depth - white.bit_length()
    fills = stored.upper or (
        stored.upper is None and (largest > white or not (samples & (2**spare - 1)).any())
    )
    if fills or (largest > white and white.bit_length() < depth):
        white = 2**depth - 1
    if white & (white + 1) == 0 and white > 255:  # as OpenCV shortens 16 bits
        scaled = np.minimum(samples, white) >> (white.bit_length() - 8)
    else:
        scaled = (np.minimum(samples, white).astype(np.uint32) * 255 + white // 2) // white
    image = np.asarray(scaled, np.uint8)
    return 255 - image if stored.white_is_zero else image


def turned(image: ImageArray, orientation: int) -> ImageArray:
    """Returns a stored picture as it is to be shown, by its EXIF orientation, 1 to 8."""
    if orientation in SIDEWAYS:
        image = np.asarray(cv2.transpose(image), np.uint8)
    # What remains to do, after the transposition that 5 stands for: a flip along these axes.
    axis = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if axis is None else np.asarray(cv2.flip(image, axis), np.uint8)


def fewest_bits(largest: int) -> int:
    """Returns the fewest likely bits that hold a sample of 16 bits."""
    return next(bits for bits in _LIKELY_BITS if largest < 2**bits)
