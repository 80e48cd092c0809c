"""Decoded pictures as frames: 8 bits a sample, upright."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.image_files.headers import SampleRange
from spotlet.image_files.orientation import SIDEWAYS
from spotlet.letterbox import ImageArray

_LIKELY_BITS = (8, 10, 12, 14)
"""The depths of sensors, in files of 16 bits, of which they do not use all."""

FEW = 10_000
"""One pixel in this many may be over the white that is taken, and is clipped. Defects of a sensor
are fewer. The 16-bit picture of which that is a real highlight is, of 12 bits, black by
the rule of `spotlet data check`: the highlight costs less than all of the rest."""

_LEAST_SPOT = 3
"""Pixels of a highlight, in a square of three by three. A hot one seldom has two neighbours."""

_SOME_ROWS = 64


def in_eight_bits(samples: npt.NDArray[Any], stored: SampleRange) -> tuple[ImageArray, int | None]:
    """Returns decoded samples as uint8: from black, 0, to white, 255.

    Args:
        samples: (H, W, 3), of 8 or 16 bits, signed or not; those below 0 are black.
        stored: what the file says of them.

    Returns:
        The picture, and how many bits were guessed; None if the file states them, or if they are
        all the bits of the samples.
    """
    depth = 8 * samples.itemsize
    if samples.dtype.kind == "i":
        samples, depth = np.maximum(samples, 0).astype(np.uint16), depth - 1
    bits = None
    if stored.most is None:
        likely = (bits for bits in _LIKELY_BITS if not exceed(samples, 2**bits - 1))
        bits = next(likely, depth)
    white = stored.most or 2 ** (bits or depth) - 1
    beyond = white.bit_length() < depth and exceed(samples, white)
    # PNG has the upper bits used; programs that state 12 bits of 16 often use the lower ones.
    spare = depth - white.bit_length()
    if stored.upper or (stored.upper is None and (beyond or not (samples & (2**spare - 1)).any())):
        bits, beyond = None, True
    if beyond:
        white = 2**depth - 1
    if white & (white + 1) == 0 and white > 255:  # as OpenCV shortens 16 bits
        scaled = np.minimum(samples, white) >> (white.bit_length() - 8)
    else:
        scaled = (np.minimum(samples, white).astype(np.uint32) * 255 + white // 2) // white
    image = np.asarray(scaled, np.uint8)
    return 255 - image if stored.white_is_zero else image, bits if bits != depth else None


def exceed(samples: npt.NDArray[Any], white: int) -> bool:
    """Whether pixels are over a white, but for the defects of a sensor.

    Single pixels and pairs over it, hot ones, do not count, nor do one in `FEW` others.

    Args:
        samples: (H, W, 3); a pixel is over white if one of its samples is.
        white: the largest value that is not over it.
    """
    if samples.max() <= white:
        return False
    height, width = samples.shape[:2]
    some_rows = samples[height // 2 :][:_SOME_ROWS]  # of most pictures, these are enough
    return any(_count_over(part, white) * FEW > height * width for part in (some_rows, samples))


def _count_over(samples: npt.NDArray[Any], white: int) -> int:
    """Returns how many pixels are over a white and have at least two such neighbours."""
    over = samples[..., 0] > white
    for channel in (1, 2):
        over |= samples[..., channel] > white
    near = cv2.boxFilter(
        over.view(np.uint8), cv2.CV_8U, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    return int(np.count_nonzero(over & (near >= _LEAST_SPOT)))


def turned(image: ImageArray, orientation: int) -> ImageArray:
    """Returns a stored picture as it is to be shown, by its EXIF orientation, 1 to 8."""
    if orientation in SIDEWAYS:
        image = np.asarray(cv2.transpose(image), np.uint8)
    # What remains to do, after the transposition that 5 stands for: a flip along these axes.
    axis = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if axis is None else np.asarray(cv2.flip(image, axis), np.uint8)
