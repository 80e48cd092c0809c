"""Finds pictures that show the same, by a hash that survives re-encoding and resizing.

The hash holds, for each of the lowest 255 frequencies of a small grey picture, whether its
coefficient is above their median.

The threshold was measured on 292 blood smears, 296 photographs of cards, 1,000 circuit boards
and 800 photographs of groceries, with copies of 60 pictures of each. JPEG at quality 30 and 70,
half, 0.7 and twice the size, and a square of 320 pixels change 0 to 6 bits; a stretch of the
brightness by 15 % changes up to 16. Different pictures differ by at least 64 bits (groceries), 86
(smears, but for one pair of neighbouring fields with 24), 28 (boards of one design, with other
defects) and 56 (cards on one table, but for six pairs with 0 to 24: the same still life again). A
limit of 20 bits finds five of those six pairs and nothing else. Shorter hashes (8 x 8 gradients or
frequencies) put boards of one design at 0 and 4 bits, closer than real copies.

Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010,
section 3.2.1 (DCT based hash), with more frequencies.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray

PictureHash = npt.NDArray[np.bool_]
"""(255,) bool: the hash of a picture."""

ALIKE_BITS = 20
"""Pictures whose hashes differ in at most this many bits show the same; see above."""

HASH_SIDE, GREY_SIDE = 16, 64
"""Frequencies used along each axis, and the sides of the grey picture they are of, pixels."""

LEAST_CONTRAST = 1.0
"""Standard deviation in grey levels below which a picture has no hash: it would only
show rounding."""

_CHUNK = 2048  # rows compared with all others at a time: bounds the memory


def hash_of(image_bgr: ImageArray) -> PictureHash | None:
    """Returns the hash of a picture; None if the picture is of one colour.

    Args:
        image_bgr: (H, W, 3) uint8.

    Returns:
        (255,) bool.
    """
    grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (GREY_SIDE, GREY_SIDE), interpolation=cv2.INTER_AREA)
    if float(small.std()) < LEAST_CONTRAST:
        return None
    # The first coefficient is the mean brightness, which does not matter.
    low = cv2.dct(small.astype(np.float32))[:HASH_SIDE, :HASH_SIDE].ravel()[1:]
    return np.asarray(low > np.median(low), np.bool_)


def bits_apart(hashes: Sequence[PictureHash], one: PictureHash) -> npt.NDArray[np.int64]:
    """Returns in how many bits each of (N,) hashes differs from one."""
    rows = np.array(hashes, np.bool_).reshape(-1, one.size)
    counts: npt.NDArray[np.int64] = (rows != one).sum(axis=1)
    return counts


def nearest_hashes(
    hashes: Sequence[PictureHash | None],
    others: Sequence[PictureHash | None],
    *,
    earlier: bool = False,
) -> list[tuple[int, int] | None]:
    """Returns for each picture the other one that shows the same.

    Args:
        hashes: of the pictures; None resembles nothing.
        others: of the pictures to compare with.
        earlier: compare only with those of a lower index; then `others` are `hashes`.

    Returns:
        For each picture the index of the most similar one and how many bits differ; None if no
        other is within `ALIKE_BITS`.
    """
    found: list[tuple[int, int] | None] = [None] * len(hashes)
    row_places, rows = _signs(hashes)
    column_places, columns = _signs(others)
    if not len(rows) or not len(columns):
        return found
    for start in range(0, len(rows), _CHUNK):
        places = row_places[start : start + _CHUNK]
        # The product of two hashes is their equal bits less their unequal ones.
        distances = (rows.shape[1] - rows[start : start + _CHUNK] @ columns.T) / 2
        if earlier:
            distances[column_places[None, :] >= places[:, None]] = np.inf
        best = distances.argmin(axis=1)
        least = distances[np.arange(len(best)), best]
        for row in np.flatnonzero(least <= ALIKE_BITS).tolist():
            found[int(places[row])] = int(column_places[best[row]]), round(float(least[row]))
    return found


def _signs(hashes: Sequence[PictureHash | None]) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Returns the indices of the hashes that are not None, and their bits as -1 and 1."""
    there = [(index, one) for index, one in enumerate(hashes) if one is not None]
    bits = np.array([one for _, one in there]).reshape(len(there), HASH_SIDE**2 - 1)
    return np.array([index for index, _ in there], np.int64), bits.astype(np.float32) * 2 - 1
