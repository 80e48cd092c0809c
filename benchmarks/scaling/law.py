"""The power law by which a cost grows with a size."""

import math
from collections.abc import Sequence

LINEAR = 1.1
"""Greatest exponent that counts as linear, including a shared machine's noise."""


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Returns the power of the size with which the cost grows, by least squares of logarithms.

    Args:
        sizes: at least two different ones, over 0.
        costs: one for each size, over 0.

    Example:
        >>> round(exponent([1, 2, 4], [3, 6, 12]), 6), round(exponent([1, 10], [5, 500]), 6)
        (1.0, 2.0)
    """
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    along = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return along / sum((x - x_mean) ** 2 for x in xs)


def last_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Returns the same for the last two sizes only, where a worse law would show first.

    Example:
        >>> round(last_exponent([1, 10, 20], [5, 5, 20]), 6)
        2.0
    """
    return exponent(sizes[-2:], costs[-2:])
