"""Checks by their values that the columns of a layout are what the layout says."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.recognition.columns import (
    HIGH,
    MOST_CELLS,
    is_angle,
    is_fractional,
    is_level,
    is_unit,
    is_whole,
)
from spotlet_export.adoption.recognition.match import FIRST_COLUMN, Match
from spotlet_export.adoption.recognition.views import Tensors, Views
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import MOST_SUPPRESSED

Wide = npt.NDArray[np.float64]

FOUND, NOT_FOUND = 0.5, 0.1
"""Scores from which a class goes with an object, and below which none does."""

MOST_LOGIT = 30
"""No network is surer than that: the sigmoid of it is 1 in float32."""

UNSUPPORTED = "this family of networks is not supported"
"""Said where no option helps."""


def rows_fault(views: Views, match: Match) -> str | None:
    """Returns what rows of 6 hold instead of corners, score and class id.

    Returns:
        Why they are not such rows; empty if they are; None if all are empty.
    """
    rows = _filled(views, match)
    if not len(rows):
        return None
    score, ids = rows[:, 4], rows[:, 5]
    above = bool(score.min() >= 0 and score.max() > MOST_LOGIT)  # pixels, or percent
    if is_whole(ids) and (is_fractional(score) or is_unit(score)) and not above:
        return ""
    order = rows_order(views, match)
    if order:
        return order
    wrong, column = ("scores", 4) if is_whole(ids) else ("class ids", 5)
    low, high = rows[:, column].min(), rows[:, column].max()
    where = f"column {column + 1} of {match.boxes}"
    return f"{where} has numbers from {low:.3g} to {high:.3g}, not {wrong}"


def rows_order(views: Views, match: Match) -> str:
    """Returns in which other order rows of 6 hold class id, score and box; empty if they do not."""
    rows, name = _filled(views, match), match.boxes
    if not len(rows):
        return ""
    always_one = (rows[:, 4] == 1).all()  # an objectness, as of YOLOv6
    if (
        is_whole(rows[:, 4])
        and is_fractional(rows[:, 5])
        and is_unit(rows[:, 5])
        and not always_one
    ):
        return f"columns 5 and 6 of {name} hold class id and score, not score and class id"
    if is_whole(rows[:, 0]) and is_unit(rows[:, 1]) and not is_unit(rows[:, 2:]):
        return f"rows of {name} hold class id, score and box, not box, score and class id"
    return ""


def _filled(views: Views, match: Match) -> Wide:
    rows: Wide = np.concatenate([match.cells(each) for each in views.all])
    return rows[rows.any(axis=1) & np.isfinite(rows).all(axis=1)]


def check_unused(match: Match, given: Tensors) -> None:
    """Checks that no unused output holds class ids of the rows that the layout has no class for.

    Raises:
        GateError: one does.
    """
    if match.layout not in FIRST_COLUMN or match.classes is None:
        return
    rows = len(match.cells(given))
    for name, tensor in given.items():
        beside = name not in match.outputs and tensor.size == rows > 1
        if beside and is_whole(tensor) and tensor.max() >= match.classes:
            raise GateError(
                f"output {name}: class ids to {tensor.max():g} beside the rows of {match.boxes}, "
                f"but {match} has room for {match.classes}; {UNSUPPORTED}"
            )


def _are_ids_of_rows(values: list[Wide]) -> bool:
    """Returns whether a column of few rows holds whole numbers that differ between the images.

    Args:
        values: of the column, for each image.
    """
    whole = all(is_whole(each) for each in values) and len(values[0]) <= MOST_SUPPRESSED
    alike = all(np.array_equal(each, values[0]) for each in values)
    return whole and not alike and max(map(max, values)) > 1


def check_columns(
    match: Match,
    views_of: Callable[[str], Views],
    settings: AdoptSettings,
    names: int | None = None,
) -> None:
    """Checks a layout with one score for each class.

    Args:
        match: the layout.
        views_of: returns the outputs for several canvases.
        settings: what the user says about them.
        names: how many class names there are; None if there are none.

    Raises:
        GateError: its boxes are oriented, or a column is something else than the layout says.
    """
    if match.layout not in FIRST_COLUMN:
        return
    views, name = views_of(match.layout), match.boxes
    columns = match.class_columns(views)
    if is_angle(columns):
        low, high = columns[:, -1].min(), columns[:, -1].max()
        raise GateError(
            f"output {name}: oriented boxes: its last column is an angle, from {low:.2f} to "
            f"{high:.2f} radians. Only upright boxes can be adopted; {UNSUPPORTED}"
        )
    first = FIRST_COLUMN[match.layout]
    end = first + columns.shape[1] - settings.extra
    whole = [each for each in range(first, end) if is_whole(columns[:, each - first])]
    for column in whole if first == 4 else [4, *whole]:
        values = [match.cells(each)[:, column] for each in views.all]
        if not is_level(values):
            continue
        if column == 5 and match.layout != "4+C,K" and rows_fault(views, match) == "":
            more = f" --extra {end + settings.extra - 6}" * (end + settings.extra > 6)
            raise GateError(
                f"output {name}: does not fit any layout: rows of box, score and class id? "
                f"--layout K,6{more}"
            )
        low, high = min(map(min, values)), max(map(max, values))
        what = "an objectness in [0, 1]" if column < first else "scores"
        kind, end_hint = "levels", f"; {UNSUPPORTED}"
        if _are_ids_of_rows(values):
            kind = "class ids"
        elif column == end - 1 and names in (None, end - 5):
            layout = "4+C,K" if match.layout == "4+C,K" else "K,4+C"
            end_hint = f"; --layout {layout} --extra {settings.extra + 1} drops it"
        raise GateError(
            f"output {name}: column {column + 1} holds whole numbers from {low:g} to {high:g}, as "
            f"of {kind}, not {what}{end_hint}"
        )
    for column in range(end, first + columns.shape[1]):
        if _are_ids_of_rows([match.cells(each)[:, column] for each in views.all]):
            raise GateError(
                f"output {name}: column {column + 1}, which --extra drops, holds whole numbers "
                f"that differ between images, as of class ids; {UNSUPPORTED}"
            )
    _check_background(match, columns[:, : end - first], settings)


def _check_background(match: Match, scores: Wide, settings: AdoptSettings) -> None:
    """Raises GateError if the column of the background is the same in all cells."""
    if settings.background not in ("first", "last") or settings.activation == "softmax":
        return
    column = scores[:, 0 if settings.background == "first" else -1]
    if np.ptp(column) == 0:
        raise GateError(
            f"--background {settings.background}: that column of {match.boxes} is {column[0]:.3g} "
            "in all cells, as no background is; give --classes with a name for each column"
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
            f"names: {names}, outputs: {names - 1} (K,5+C of {name}): where column 5 is high, so "
            f"is another, as of an objectness; give {names - 1} names, or --layout K,4+C if it is "
            "a class"
        )
    if match.layout == "K,5+C" and (best < NOT_FOUND).mean() >= MOST_CELLS:
        raise UsageError(
            f"names: {names}, outputs: {names + 1} (K,4+C of {name}): where column 5 is high, no "
            f"other is, as of a class; give {names + 1} names, or --layout K,5+C if it is an "
            "objectness"
        )
