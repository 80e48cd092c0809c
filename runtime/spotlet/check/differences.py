"""How far two tensors that should be the same differ, in parts of their range."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.model.graph_tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The largest difference of a tensor.

    Attributes:
        tensor: its name.
        dtype: of the reference, numpy's name.
        shape: of the reference.
        largest: greatest |Δ|; infinite if only one of the two is NaN or infinite somewhere, or if
            their shapes differ.
        share: of the tensor's range: `largest` by `scale_of` the reference.
        at: the index of `largest`.
        wanted: the reference's value there.
        found: the other's value there.
    """

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    largest: float
    share: float
    at: tuple[int, ...]
    wanted: float
    found: float

    @property
    def text(self) -> str:
        """The difference in one line."""
        where = ", ".join(map(str, self.at))
        return (
            f"largest difference {self.largest:.2g}, {self.share:.2g} of its range, "
            f"at [{where}]: {self.found:.6g} instead of {self.wanted:.6g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """What a tensor holds.

    Attributes:
        tensor: its name.
        dtype: numpy's name of its type.
        shape: its sides.
        least: of the numbers in it; NaN if there is none.
        mean: of the numbers in it; NaN if there is none.
        greatest: of the numbers in it; NaN if there is none.
        not_numbers: how many values are NaN or infinite.
        zeros: share of values that are zero, from 0 to 1.
    """

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    least: float
    mean: float
    greatest: float
    not_numbers: int
    zeros: float

    @classmethod
    def of(cls, tensor: str, values: Array) -> "TensorFacts":
        """Returns the facts of a tensor."""
        wide = values.astype(np.float64)
        numbers = wide[np.isfinite(wide)]
        if not numbers.size:
            numbers = np.array([np.nan])
        return cls(
            tensor=tensor,
            dtype=values.dtype.name,
            shape=values.shape,
            least=float(numbers.min()),
            mean=float(numbers.mean()),
            greatest=float(numbers.max()),
            not_numbers=int(wide.size - np.isfinite(wide).sum()),
            zeros=float((wide == 0).mean()) if wide.size else 0.0,
        )

    @property
    def text(self) -> str:
        """The facts in one line."""
        return (
            f"{self.dtype} {list(self.shape)}, {self.least:.4g} to {self.greatest:.4g}, mean "
            f"{self.mean:.4g}, {self.zeros:.0%} zeros"
            + f", {self.not_numbers} NaN or infinite"
            * (self.not_numbers > 0)
        )


def measure(tensor: str, wanted: Array, found: Array) -> Difference:
    """Returns how far a tensor differs from the reference's.

    Args:
        tensor: its name.
        wanted: the reference's values.
        found: the other's values, of the same shape, or the difference is infinite.
    """
    one = np.atleast_1d(wanted).astype(np.float64)
    other = np.atleast_1d(found).astype(np.float64)
    at: Sequence[int] = [0] * one.ndim
    if one.shape != other.shape:
        largest = np.inf
        values = float(one.size), float(other.size)
    elif not one.size:
        largest, values = 0.0, (0.0, 0.0)
    else:
        with np.errstate(invalid="ignore"):
            gaps = np.abs(one - other)
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        gaps[np.isnan(gaps)] = np.inf
        gaps[same] = 0.0
        at = [int(each) for each in np.unravel_index(gaps.argmax(), gaps.shape)]
        largest, values = float(gaps[tuple(at)]), (float(one[tuple(at)]), float(other[tuple(at)]))
    return Difference(
        tensor=tensor,
        dtype=wanted.dtype.name,
        shape=wanted.shape,
        largest=largest,
        share=largest / scale_of(one) if largest else 0.0,
        at=tuple(at) if wanted.ndim else (),
        wanted=values[0],
        found=values[1],
    )


def scale_of(values: Array) -> float:
    """Returns what a tensor's differences are measured by, above 0.

    The larger of its range and its greatest absolute value: a tensor far from 0 is rounded by its
    values, not by their range. 1 for zeros alone.
    """
    numbers = values[np.isfinite(values)]
    if not numbers.size:
        return 1.0
    scale = max(float(np.ptp(numbers)), float(np.abs(numbers).max()))
    return scale if scale > 0 else 1.0
