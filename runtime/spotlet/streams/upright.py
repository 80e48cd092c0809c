"""Pictures upright and with square pixels, as their file says they are shown."""

from dataclasses import dataclass

import cv2
import numpy as np

from spotlet.letterbox import ImageArray

LEAST_SCALED, MOST_ASPECT = 0.01, 8.0
"""Pixels this close to square are square; wider or higher than that, the mark is wrong."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture becomes upright: transposed first, then mirrored.

    Attributes:
        transposed: rows become columns.
        mirrored: left and right change places.
        flipped: top and bottom change places.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False


def orientation_of_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """Returns the orientation nearest to a matrix: a stored x, y is shown at ax + cy, bx + dy.

    Source: ISO/IEC 14496-12, 6.2.2 (its u, v, w, x and y do not turn a picture).
    """
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def orientation_of_angle(degrees: float) -> Orientation:
    """Returns the orientation of a picture shown turned clockwise, to the nearest quarter."""
    quarters = round(degrees / 90) % 4
    return Orientation(quarters % 2 == 1, quarters in (1, 2), quarters in (2, 3))


def make_upright(image: ImageArray, orientation: Orientation, pixel_aspect: float) -> ImageArray:
    """Returns the picture as it is shown, (H, W, 3) uint8 BGR.

    Args:
        image: as it is stored.
        orientation: how it is turned.
        pixel_aspect: width of a stored pixel by its height; the stored width is scaled by it.
    """
    height, width = image.shape[:2]
    square = max(round(width * pixel_aspect), 1)
    if 1 / MOST_ASPECT <= pixel_aspect <= MOST_ASPECT and abs(pixel_aspect - 1) > LEAST_SCALED:
        # The same bytes on every processor, as in the letterbox.
        image = np.asarray(cv2.resize(image, (square, height), None, 0, 0, cv2.INTER_LINEAR_EXACT))
    if orientation.transposed:
        image = np.asarray(cv2.transpose(image))
    if orientation.mirrored or orientation.flipped:
        code = -1 if orientation.mirrored and orientation.flipped else int(orientation.mirrored)
        image = np.asarray(cv2.flip(image, code))
    return np.asarray(image, np.uint8)
