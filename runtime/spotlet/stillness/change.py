"""How strongly a picture differs from an earlier one, beyond noise and light.

Both are reduced to grey cells, each of them two pixels of the network's canvas wide, so that what
the network can find covers several. Then

- the light: each part of the picture may have another gain and offset, and each row another
  gain: lamps on mains flicker in rows. What they explain is no change;
- the noise: the mean difference around a cell is what noise and compression make there and then.
  A key frame changes all of the surroundings together, a moving object only some cells. So nothing
  needs to be learned, and the first comparison is as good as any.

Source:
    A detector of constant false alarm rate, cell averaging: Finn and Johnson 1968, "Adaptive
    detection mode with threshold control as a function of spatially sampled clutter level
    estimates".
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.letterbox import ImageArray

Cells = npt.NDArray[np.float32]
"""(rows, columns) grey levels; both are multiples of `LIGHT_CELLS`."""

LIGHT_CELLS = 8
"""Cells along each side of a square for which the light is estimated; an area filter with a whole
factor is three times as fast as another."""

LIGHT_SQUARES = 7
"""Over so many squares along each side it is then averaged: an object must not explain itself."""

LIGHT_LEVELS = 5.0
"""Contrast of a part, in grey levels, below which its gain is taken for 1."""

MOST_GAIN = 2.0

OBJECT_CELLS = 3
"""Differences are averaged over so many cells along each side: a single cell is noise."""

NOISE_CELLS = 25
"""And compared with their mean over so many."""

MOST_DIFFERENCE = 6.0
"""In grey levels: a cell raises that mean by no more."""

LEAST_NOISE, MOST_NOISE = 1.5, 3.0
"""Limits of that mean, in grey levels: an encoder that leaves all else as it was may change single
blocks by more than less noise would explain; above is a large object, not noise."""


class Picture(NamedTuple):
    """A picture reduced to cells.

    Attributes:
        cells: its cells.
        mean: of the cells in each square and those around it.
        square: the same for the squares of the cells.
    """

    cells: Cells
    mean: Cells
    square: Cells


def reduced(image_bgr: ImageArray, across: int) -> Picture:
    """Returns a picture in cells.

    Of each cell up to 4 x 4 pixels are read, so the time hardly grows with the picture: 0.15 ms
    for 1280 x 720 and 160 cells.

    Args:
        image_bgr: (H, W, 3) uint8.
        across: cells along its longer side, at most; no cell is smaller than 2 pixels.
    """
    height, width = image_bgr.shape[:2]
    size = max(2.0, max(height, width) / across)
    rows, columns = (
        LIGHT_CELLS * max(round(side / size / LIGHT_CELLS), 1) for side in (height, width)
    )
    small = cv2.resize(image_bgr, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    cells = _cells(cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA))
    return Picture(cells, _around(cells), _around(cells * cells))


def strength_of_change(reference: Picture, picture: Picture) -> float:
    """Returns how much more than its surroundings any place differs from the reference.

    Noise alone, whatever its level, gives 2 to 3; compression up to 4 if bits are very scarce. An
    object that appears gives up to two thirds of its contrast in grey levels if it is small and
    the noise low, a third if it is large.

    Args:
        reference: the earlier picture.
        picture: of the same size.
    """
    columns, rows = reference.cells.shape[::-1]
    covariance = _around(reference.cells * picture.cells) - reference.mean * picture.mean
    variance = reference.square - reference.mean**2
    gain = (covariance + LIGHT_LEVELS**2) / (variance + LIGHT_LEVELS**2)
    gain = np.clip(gain, 1 / MOST_GAIN, MOST_GAIN)
    offset = picture.mean - gain * reference.mean
    lit = cv2.resize(gain, (columns, rows)) * reference.cells + cv2.resize(offset, (columns, rows))
    flicker = (picture.cells.sum(axis=1) + columns) / np.maximum(lit.sum(axis=1) + columns, 1)
    difference = cv2.absdiff(picture.cells, lit * flicker[:, np.newaxis])
    near = cv2.blur(difference, (OBJECT_CELLS, OBJECT_CELLS))
    noise = cv2.blur(np.minimum(difference, MOST_DIFFERENCE), (NOISE_CELLS, NOISE_CELLS))
    return float((near / np.clip(noise, LEAST_NOISE, MOST_NOISE)).max())


def _around(cells: Cells) -> Cells:
    """Returns the mean of the cells in each square and the squares around it."""
    rows, columns = cells.shape[0] // LIGHT_CELLS, cells.shape[1] // LIGHT_CELLS
    squares = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_AREA)
    window = (LIGHT_SQUARES, LIGHT_SQUARES)
    return _cells(cv2.blur(squares, window, borderType=cv2.BORDER_REPLICATE))


def _cells(array: npt.ArrayLike) -> Cells:
    return np.asarray(array, np.float32)
