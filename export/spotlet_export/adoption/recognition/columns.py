"""Tells by its values what a column of an output is: class ids, scores, an angle, a background."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.generic]
Wide = npt.NDArray[np.float64]

SLACK = 1e-3
"""How far scores may be outside [0, 1]."""

LEAST_ANGLE, MOST_ANGLE = -np.pi / 2, np.pi
"""Radians. Exporters of oriented boxes use [-pi/2, pi/2), [-pi/4, 3 pi/4) or [0, pi)."""

MOST_CELLS = 0.9
"""Share of the cells in which a background column is high."""

HIGH = 0.5

SUM_SLACK = 0.02
"""How far the sum of shares may be from 1."""

SPREAD, BORDER = 0.25, 0.1
"""Shares of the canvas: over which the boxes of all cells are spread at least, and by which most of
them extend beyond it at most."""


def is_whole(values: Values) -> bool:
    """Returns whether all are whole numbers from -1, which pads rows of ids."""
    wide = values.astype(np.float64)
    return bool(wide.size and np.isfinite(wide).all() and (wide == np.rint(wide)).all()) and bool(
        wide.min() >= -1
    )


def is_unit(values: Values) -> bool:
    """Returns whether all are in [0, 1], as scores are."""
    wide = values.astype(np.float64)
    return bool(wide.size and ((wide >= -SLACK) & (wide <= 1 + SLACK)).all())


def is_fractional(values: Values) -> bool:
    """Returns whether some are not whole numbers."""
    wide = values.astype(np.float64)
    return bool((wide != np.rint(wide)).any())


def is_level(column: list[Wide]) -> bool:
    """Returns whether a column numbers something, such as the levels of a pyramid.

    Args:
        column: its values for each picture.

    Returns:
        Whether they are whole numbers that differ between cells and not between pictures, or whole
        numbers above 1.
    """
    values = np.concatenate(column)
    if not is_whole(values) or not len(values):
        return False
    constant = all(each.shape == column[0].shape and (each == column[0]).all() for each in column)
    return bool(values.max() > 1 or (constant and np.ptp(values) > 0))


def is_angle(columns: Wide) -> bool:
    """Returns whether the last column looks like an angle in radians.

    Args:
        columns: (K, M) of many cells, all after the box.

    Returns:
        Whether all other columns are scores or ids, and the last is neither but in a circle's half.
    """
    before, last = columns[:, :-1], columns[:, -1]
    if not before.shape[1] or not len(last) or not np.isfinite(last).all():
        return False
    if not all(is_unit(column) or is_whole(column) for column in before.T):
        return False
    in_circle = bool((last >= LEAST_ANGLE - SLACK).all() and (last <= MOST_ANGLE + SLACK).all())
    return in_circle and not is_unit(last) and is_fractional(last)


def background_of(scores: Wide) -> str | None:
    """Returns `first` or `last` if that column is high in most cells; None if neither is.

    Args:
        scores: (K, C) of many cells: shares that sum to 1, or logits. Of other scores a high column
            may be anything.
    """
    if scores.shape[1] < 2 or not len(scores) or not np.isfinite(scores).all():
        return None
    shares = scores
    if is_unit(scores):
        if np.median(np.abs(scores.sum(axis=1) - 1)) > SUM_SLACK:
            return None
    elif is_unit(scores[:, 1:]) or is_unit(scores[:, :-1]):
        return None
    else:
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
    for where, column in (("first", shares[:, 0]), ("last", shares[:, -1])):
        if (column > HIGH).mean() > MOST_CELLS:
            return where
    return None


def are_boxes(columns: Wide) -> bool:
    """Returns whether four columns of all cells look like boxes: spread over the canvas, from 0.

    Args:
        columns: (K, 4).
    """
    if len(columns) < 2 or not np.isfinite(columns).all():
        return False
    low, high = np.percentile(columns[:, :2], [5, 95], axis=0)
    most = np.percentile(np.abs(columns), 99)
    return bool((high - low > SPREAD * most).all() and (low > -BORDER * most).all())
