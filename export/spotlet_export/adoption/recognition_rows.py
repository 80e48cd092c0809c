"""Checks by their values that the columns of a layout are what the layout says."""

from collections.abc import Callable

import numpy as np

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.recognition_columns import (
    HIGH,
    MOST_CELLS,
    is_angle,
    is_fractional,
    is_level,
    is_unit,
    is_whole,
)
from spotlet_export.adoption.recognition_match import FIRST_COLUMN, Match
from spotlet_export.adoption.recognition_views import Views

FOUND, NOT_FOUND = 0.3, 0.1
"""Scores from which a class goes with an object, and below which none does."""

UNSUPPORTED = "this family of networks is not supported"
"""Said where no option helps."""


def rows_fault(views: Views, match: Match) -> str | None:
    """Returns what rows of 6 hold instead of corners, score and class id.

    Returns:
        Why they are not such rows; empty if they are; None if all are empty.
    """
    rows = match.real_cells(views)
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        return None
    name, score, ids = match.boxes, rows[:, 4], rows[:, 5]
    if is_whole(ids) and (is_fractional(score) or is_unit(score)):
        return ""
    if is_whole(score) and is_unit(ids):
        return f"columns 5 and 6 of {name} hold class id and score, not score and class id"
    if is_whole(rows[:, 0]) and is_unit(rows[:, 1]) and not is_unit(rows[:, 2:]):
        return f"rows of {name} hold class id, score and box, not box, score and class id"
    wrong, column = ("scores", 4) if is_whole(ids) else ("class ids", 5)
    low, high = rows[:, column].min(), rows[:, column].max()
    return f"column {column + 1} of {name} has numbers from {low:.3g} to {high:.3g}, not {wrong}"


def check_columns(match: Match, views_of: Callable[[str], Views]) -> None:
    """Checks a layout with one score for each class.

    Raises:
        GateError: its boxes are oriented, or its objectness is something else.
    """
    if match.layout not in FIRST_COLUMN:
        return
    views = views_of(match.layout)
    columns = match.class_columns(views)
    if is_angle(columns):
        low, high = columns[:, -1].min(), columns[:, -1].max()
        raise GateError(
            f"output {match.boxes}: oriented boxes: its last column is an angle, from {low:.2f} to "
            f"{high:.2f} radians. Only upright boxes can be adopted; {UNSUPPORTED}"
        )
    if match.layout == "K,5+C":
        objectness = [match.cells(each)[:, 4] for each in views.all]
        if is_level(objectness):
            low, high = min(map(min, objectness)), max(map(max, objectness))
            raise GateError(
                f"output {match.boxes}: column 5 holds whole numbers from {low:g} to {high:g}, as "
                f"of levels, not an objectness in [0, 1]; {UNSUPPORTED}"
            )


def check_fifth_column(match: Match, views_of: Callable[[str], Views], activation: str) -> None:
    """Checks that column 5 is an objectness in `K,5+C`, and a class in `K,4+C`.

    With one name too few or too many, one fits as well as the other. An objectness is high wherever
    a class is found; of classes, mostly one.

    Args:
        match: the layout, which the number of names alone decided.
        views_of: returns the outputs for several canvases.
        activation: of the scores.

    Raises:
        UsageError: the values contradict it.
    """
    if match.layout not in ("K,4+C", "K,5+C"):
        return
    columns = match.real_cells(views_of(match.layout))[:, 4:]
    if activation == "sigmoid":
        columns = 1 / (1 + np.exp(-np.clip(columns, -50, 50)))
    elif not is_unit(columns):
        return
    first, others = columns[:, 0], columns[:, 1:]
    high = first >= HIGH
    if not high.any() or not others.shape[1] or np.ptp(first) == 0:
        return
    best, names, name = others[high].max(axis=1), match.classes or 0, match.boxes
    if match.layout == "K,4+C" and (best >= FOUND).mean() >= MOST_CELLS:
        raise UsageError(
            f"names: {names}, outputs: {names - 1} (K,5+C of {name}): where column 5 is high, so is "
            f"another, as of an objectness; give {names - 1} names, or --layout K,4+C if it is a "
            "class"
        )
    if match.layout == "K,5+C" and (best < NOT_FOUND).mean() >= MOST_CELLS:
        raise UsageError(
            f"names: {names}, outputs: {names + 1} (K,4+C of {name}): where column 5 is high, no "
            f"other is, as of a class; give {names + 1} names, or --layout K,5+C if it is an "
            "objectness"
        )
