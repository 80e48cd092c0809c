"""The range of pixels that fits best, where it is none of the well-known ones.

Source: Levenberg 1944 and Marquardt 1963, damped least squares; derivatives by differences.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from spotlet_export.judging.changes import MEAN, Change, InputChange
from spotlet_export.judging.subjects import Cells

Floats = npt.NDArray[np.float64]

OBJECT_SCORE = 0.1
"""Score of a cell from which its scores and box are fitted."""

MOST_STEPS = 15
"""Each costs seven inferences a frame."""

DIFFERENCE = 0.01
"""Of gains, and of offsets in shares of 255, for derivatives."""

GOOD_SHARE = 0.3
"""Root of the squared differences that may be left, as a share of those before."""

DONE_SHARE, NEAR_SHARE = 1e-3, 1e-2
"""Shares from which no further step, and no other start, is tried."""

FIRST_DAMPING, MOST_DAMPING, DAMPED, LESS_DAMPED = 1e-2, 1e4, 10.0, 0.2

Compute = Callable[[InputChange], Sequence[Cells] | None]
"""The cells of some frames under a change of their pixels."""


def fit_range(wanted: Sequence[Cells], compute: Compute) -> Change | None:
    """Returns the gain and offset of each channel with which a model's cells fit others best.

    Args:
        wanted: cells of the other model for some frames.
        compute: the model that is changed, on the same frames.

    Returns:
        None if the cells of both are not the same ones, or no range fits.
    """
    at = [np.flatnonzero(each.scores.max(axis=1, initial=0) >= OBJECT_SCORE) for each in wanted]
    if not any(map(len, at)):
        return None

    def apart(values: Floats) -> Floats | None:
        found = compute(_change(values))
        if found is None:
            return None
        parts = []
        for one, other, cells in zip(wanted, found, at, strict=True):
            if one.boxes.shape != other.boxes.shape or one.scores.shape != other.scores.shape:
                return None
            parts += [(other.scores[cells] - one.scores[cells]).ravel()]
            parts += [(other.boxes[cells] - one.boxes[cells]).ravel()]
        joined = np.concatenate(parts).astype(np.float64)
        return joined if np.isfinite(joined).all() else None

    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    start = apart(values)
    first = 0.0 if start is None else float(np.linalg.norm(start))
    if first == 0:
        return None
    alike: Floats = np.kron(np.eye(2), np.ones((1, 3))).astype(np.float64)
    best, least = values, first
    # With all channels alike at first it finds its way from farther off, but not always.
    for steps in ((np.eye(6),), (alike, np.eye(6))):
        tried = values
        for directions in steps:
            tried = _least_squares(apart, tried, directions, DONE_SHARE * first)
        now = apart(tried)
        if now is not None and np.linalg.norm(now) < least:
            best, least = tried, float(np.linalg.norm(now))
        if least <= NEAR_SHARE * first:
            break
    if least > GOOD_SHARE * first:
        return None
    change = _change(best)
    gains = ", ".join(f"{each:.3g}" for each in change.gain)
    offsets = ", ".join(f"{each:+.1f}" for each in change.offset)
    return Change(
        culprit=MEAN,
        clause=f"{{x}}'s pixels (blue, green, red) are multiplied by ({gains}) and moved by "
        f"({offsets}) of 255",
        input=change,
    )


def _least_squares(
    apart: Callable[[Floats], Floats | None], values: Floats, directions: Floats, done: float
) -> Floats:
    """Returns the values with the least differences that steps in some directions lead to.

    Args:
        apart: the differences (M,) for values (N,); None if they cannot be computed.
        values: to start from.
        directions: (D, N).
        done: norm of the differences that needs no further step.
    """
    now, damping = apart(values), FIRST_DAMPING
    for _ in range(MOST_STEPS):
        columns = [apart(values + DIFFERENCE * each) for each in directions]
        known = [each for each in columns if each is not None]
        if now is None or len(known) < len(columns) or np.linalg.norm(now) <= done:
            break
        slopes = np.stack([(column - now) / DIFFERENCE for column in known], axis=1)
        square = slopes.T @ slopes
        while damping <= MOST_DAMPING:
            damped = square + damping * np.diag(np.diag(square) + 1e-12)
            step = np.linalg.solve(damped, -slopes.T @ now) @ directions
            tried = apart(values + step)
            if tried is not None and np.linalg.norm(tried) < np.linalg.norm(now):
                values, now, damping = values + step, tried, damping * LESS_DAMPED
                break
            damping *= DAMPED
        else:
            break
    return values


def _change(values: Floats) -> InputChange:
    blue, green, red, *moved = values.tolist()
    return InputChange(
        gain=(blue, green, red), offset=(255 * moved[0], 255 * moved[1], 255 * moved[2])
    )
