"""Digests of arrays: some hundred numbers that move when any large part of the array does.

They are few enough to ride in a package as JSON. Of a frame in which nothing is found there are
as many as of a crowded one, so that it proves as much.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray

NumberArray = npt.NDArray[np.float64]

DIGITS = 7
"""Significant ones that are kept: float32 has no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Digest:
    """What `digest` tells of an array.

    Attributes:
        shape: of the array.
        sample: (S,) elements spread over it.
        means: (R,) of consecutive runs of it, nearly equally long.
        peaks: (R,) greatest elements of the same runs.
    """

    shape: tuple[int, ...]
    sample: NumberArray
    means: NumberArray
    peaks: NumberArray

    def difference(self, other: "Digest") -> float:
        """Returns the greatest |Δ| of any number, never more than that of the arrays.

        Returns:
            In the arrays' unit; infinite where they are not of one shape, NaN where one holds any.
        """
        mine, theirs = ((each.sample, each.means, each.peaks) for each in (self, other))
        if self.shape != other.shape or [len(a) for a in mine] != [len(b) for b in theirs]:
            return float("inf")
        with np.errstate(invalid="ignore"):
            gaps = np.abs(np.concatenate(mine) - np.concatenate(theirs))
        return float(gaps.max(initial=0.0))

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {
            "shape": list(self.shape),
            "sample": self.sample.tolist(),
            "means": self.means.tolist(),
            "peaks": self.peaks.tolist(),
        }

    @classmethod
    def from_json(cls, content: Any) -> "Digest":
        """Returns it as it was written.

        Raises:
            ValueError: a key is missing or unknown, or a value is no list of finite numbers.
        """
        names = ("shape", "sample", "means", "peaks")
        if not isinstance(content, dict) or set(content) != set(names):
            raise ValueError(f"a digest must hold {', '.join(names)}")
        shape, sample, means, peaks = (finite_numbers(content[name]) for name in names)
        return cls(tuple(int(side) for side in shape), sample, means, peaks)


def digest(values: FloatArray | ImageArray, samples: int = 192, runs: int = 48) -> Digest:
    """Returns the digest of an array, rounded to `DIGITS` significant digits.

    Args:
        values: of any shape, in any unit.
        samples: how many single elements are kept; all where there are fewer.
        runs: how many stretches are looked at as a whole.

    Example:
        >>> digest(np.array([[0, 1], [2, 6]], np.float32), samples=4, runs=2).means.tolist()
        [0.5, 4.0]
    """
    flat = values.astype(np.float64).ravel()
    starts, lengths = _runs(flat.size, runs)
    with np.errstate(invalid="ignore"):  # a broken network's infinities: the result tells of them
        means = np.add.reduceat(flat, starts) / lengths
    parts = flat[sample_indices(flat.size, samples)], means, np.maximum.reduceat(flat, starts)
    sample, means, peaks = (np.array(rounded(part), np.float64) for part in parts)
    return Digest(values.shape, sample, means, peaks)


def sample_indices(size: int, count: int) -> npt.NDArray[np.int64]:
    """Returns `count` indices, one in each of as many nearly equal stretches of range(size).

    Where in its stretch is as good as random, so that no row, column or colour channel is left
    out, but by integer arithmetic alone, so that it is the same on every machine.
    """
    starts, lengths = _runs(size, count)
    # Knuth's multiplicative hash, TAOCP vol. 3, section 6.4, as a fraction of 2**32.
    fraction = (np.arange(1, len(starts) + 1, dtype=np.int64) * 2654435761) % 2**32
    indices: npt.NDArray[np.int64] = starts + ((fraction * lengths) >> 32)
    return indices


def finite_numbers(content: Any) -> NumberArray:
    """Returns a list that was read from JSON as (N,) float64.

    Raises:
        ValueError: it is no list, or not all of it are finite numbers.
    """
    if not isinstance(content, list) or not all(type(each) in (int, float) for each in content):
        raise ValueError("where a list of numbers must be is something else")
    try:
        numbers = np.array(content, np.float64)
    except OverflowError as error:
        raise ValueError("a number is too large") from error
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return numbers


def rounded(values: NumberArray) -> list[float]:
    """Returns numbers with `DIGITS` significant digits, so that JSON holds them shortly."""
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _runs(size: int, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns where nearly equal stretches of range(size) begin, and their lengths."""
    count = min(count, size)
    edges = np.arange(count + 1, dtype=np.int64) * size // max(count, 1)
    return edges[:-1], np.diff(edges)
