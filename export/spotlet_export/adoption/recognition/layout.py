"""Recognises the layout of a network's outputs: given, or found from shapes, names and values.

The shapes say which layouts are possible and how many classes each has; the number of names and the
values of the columns say which one it is.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spotlet.errors import UsageError
from spotlet_export.adoption.recognition.choices import deciding_line, levels_of, with_shares
from spotlet_export.adoption.recognition.columns import are_boxes
from spotlet_export.adoption.recognition.match import Match, shapes
from spotlet_export.adoption.recognition.mismatch import mismatch, unnamed, unsupported
from spotlet_export.adoption.recognition.roles import check_roles, role_by_name, scores_and_ids
from spotlet_export.adoption.recognition.rows import (
    check_columns,
    check_fifth_column,
    check_unused,
    rows_fault,
    rows_order,
)
from spotlet_export.adoption.recognition.views import Tensors, Views
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import MOST_SUPPRESSED

MOST_ACROSS = 200
"""Classes of an output with fewer cells than classes; more are cells, along the wrong axis."""

ViewsOf = Callable[[str], Views]
"""Returns the outputs for several canvases, prepared as a layout expects."""


def find_layout(
    given: Tensors,
    names: int | None,
    settings: AdoptSettings,
    views_of: ViewsOf,
    on_remark: Callable[[str], None],
) -> Match:
    """Returns the layout of a network's outputs.

    Args:
        given: outputs by name, for one of the user's pictures.
        names: how many class names there are; None if there are none.
        settings: what the user says about the outputs.
        views_of: returns the outputs for several canvases.
        on_remark: called with what was found, and what it could be otherwise.

    Raises:
        UsageError: an output does not exist, several layouts fit, or names are missing.
        GateError: none fits, or the number of names does not.
    """
    missing = sorted(set(settings.outputs) - set(given))
    if missing:
        raise UsageError(f"--outputs {missing[0]}: unknown output; there are {shapes(given)}")
    possible = _possible(given, settings, views_of)
    if not possible:
        free = replace(settings, layout=None, outputs=(), anchors=None, strides=(), extra=0)
        others = [match for match in _possible(given, free, views_of) if _fits(match, names)]
        raise unsupported(given, settings, others=others)
    if names is None and settings.layout is None:
        possible = [match for match in possible if _lies_along(match, given)]
    fit = [match for match in possible if _fits(match, names)]
    found, faults = _by_values(fit, views_of)
    if not found and faults:
        raise unsupported(given, settings, why="; ".join(faults))
    along = [match for match in possible if _lies_along(match, given)] or possible
    if not found and not settings.layout and all(_lies_across(match, given) for match in along):
        raise unsupported(given, settings)
    levels = levels_of(found or along, given)
    if levels:
        why = f"each level of a pyramid has its own output ({levels})"
        raise unsupported(given, settings, why=why)
    if not found:
        raise mismatch(given, along, names or 0, settings, views_of)
    found = with_shares(found, views_of) if names is not None else found
    for match in found:
        check_unused(match, given)
        check_columns(match, views_of, settings, names)
        if names is not None and settings.layout is None:
            check_fifth_column(match, views_of, settings.activation or "none")
    if len(found) > 1 and names is not None:
        raise UsageError(
            f"outputs {shapes(given)}: could be {' or '.join(map(str, found))}; give "
            + " or ".join(deciding_line(match, found) for match in found)
        )
    unused = [name for name in given if name not in found[0].outputs]
    if names is not None:
        on_remark(
            f"outputs: {shapes(given)}; layout {found[0]} ({_why(found[0], names, settings)})"
            + (f"; unused: {', '.join(unused)}" if unused else "")
        )
        return found[0]
    raise unnamed(given, found, views_of)


def _fits(match: Match, names: int | None) -> bool:
    return names is None or match.classes in (None, names)


def _why(match: Match, names: int, settings: AdoptSettings) -> str:
    if settings.layout:
        return "as given"
    how = f"the only one that fits {names} classes"
    other = {"K,4+C": ("K,5+C", names - 1), "K,5+C": ("K,4+C", names + 1)}.get(match.layout)
    if other is not None and other[1] > 0:
        how += f"; with {other[1]}, {other[0]} would"
    return how


def _possible(given: Tensors, settings: AdoptSettings, views_of: ViewsOf) -> list[Match]:
    """Returns the layouts that shapes and the user's words allow."""
    candidates = {name: given[name] for name in settings.outputs} if settings.outputs else given
    found = [
        match
        for match in [*_of_one(candidates, settings), *_of_two(candidates, settings)]
        if settings.layout in (None, match.layout)
        and (not settings.outputs or match.outputs == tuple(settings.outputs))
    ]
    found = _without_parts(_by_names(found), views_of)
    rows = _of_three(candidates, settings, views_of)
    return [*(match for match in found if match.boxes != rows[0].boxes), *rows] if rows else found


def _of_one(given: Tensors, settings: AdoptSettings) -> list[Match]:
    """Returns the possible layouts with one output."""
    found = []
    for name, tensor in given.items():
        if tensor.ndim != 3 or tensor.shape[0] != 1 or settings.anchors is not None:
            continue
        _, rows, columns = tensor.shape
        other = settings.extra + (settings.background not in (None, "none"))
        sizes = {"4+C,K": rows - 4, "K,4+C": columns - 4, "K,5+C": columns - 5}
        if settings.strides:
            del sizes["4+C,K"]
        found += [
            Match(layout, name, classes=size - other)
            for layout, size in sizes.items()
            if size > other
        ]
        few = rows <= MOST_SUPPRESSED or settings.layout == "K,6"
        if columns == 6 and few and not settings.strides:
            found.append(Match("K,6", name))
    return found


def _of_two(given: Tensors, settings: AdoptSettings) -> list[Match]:
    """Returns the possible layouts with two outputs."""
    anchors = settings.anchors is not None or settings.layout == "ssd"
    layout = "ssd" if anchors else "boxes+scores"
    other = (settings.background or ("first" if anchors else "none")) != "none"
    return [
        Match(layout, boxes, scores, classes=columns.shape[2] - other)
        for boxes, tensor in given.items()
        for scores, columns in given.items()
        # Key points may follow the box, if the user says that these are offsets.
        if tensor.ndim == columns.ndim == 3
        and tensor.shape[0] == 1
        and (tensor.shape[2] == 4 or (anchors and tensor.shape[2] > 4))
        and scores != boxes
        and columns.shape[:2] == tensor.shape[:2]
        and columns.shape[2] > other
        and not np.issubdtype(columns.dtype, np.integer)
    ]


def _of_three(given: Tensors, settings: AdoptSettings, views_of: ViewsOf) -> list[Match]:
    """Returns the layout with boxes, and two outputs with one number for each."""
    layout = "boxes+scores+ids"
    if settings.layout not in (None, layout) or settings.anchors is not None:
        return []
    for boxes, tensor in given.items():
        if tensor.ndim != 3 or tensor.shape[0] != 1 or tensor.shape[2] != 4:
            continue
        rows = [name for name, other in given.items() if other.shape == tensor.shape[:2]]
        if len(settings.outputs) == 3 and settings.outputs[0] == boxes and len(rows) == 2:
            _, scores, ids = settings.outputs
            check_roles(scores, ids, views_of(layout))
            return [Match(layout, boxes, scores, ids)]
        if not settings.outputs and len(rows) > 1:
            return [Match(layout, boxes, *scores_and_ids(boxes, rows, views_of(layout)))]
    return []


def _by_names(possible: list[Match]) -> list[Match]:
    """Returns the matches that names leave: if outputs are named boxes and scores, only those.

    Scores of four columns look like boxes, and networks may return what they compute on the way.
    """
    roles = [tuple(role_by_name(name) for name in match.outputs) for match in possible]
    named = [
        match
        for match, role in zip(possible, roles, strict=True)
        if match.scores is not None and role in (("boxes", "scores"), ("boxes", "ids"))
    ]
    others = [
        match
        for match, role in zip(possible, roles, strict=True)
        if match.scores is None and role == ("boxes",)
    ]
    return [match for match in possible if match in named or match in others] if named else possible


def _without_parts(possible: list[Match], views_of: ViewsOf) -> list[Match]:
    """Returns the matches without outputs that are only the scores of others."""
    scores = {match.scores for match in possible if match.scores is not None}
    return [
        match
        for match in possible
        if match.scores is not None
        or match.boxes not in scores
        or are_boxes(match.real_cells(views_of(match.layout))[:, :4])
    ]


def _lies_along(match: Match, given: Tensors) -> bool:
    """Returns whether the cells lie along the longer side, as they mostly do."""
    _, rows, columns = given[match.boxes].shape
    if match.layout == "4+C,K":
        return bool(rows < columns)
    return match.layout not in ("K,4+C", "K,5+C") or bool(columns < rows)


def _lies_across(match: Match, given: Tensors) -> bool:
    """Returns whether the classes of a match are rather the cells of another layout."""
    return not _lies_along(match, given) and (match.classes or 0) > MOST_ACROSS


def _by_values(fit: list[Match], views_of: ViewsOf) -> tuple[list[Match], list[str]]:
    """Returns the matches that the values of rows of 6 leave, and why others were dropped."""
    faults = {
        match: rows_fault(views_of(match.layout), match) for match in fit if match.layout == "K,6"
    }
    # Ids and scores in another order are not two columns of scores either.
    ordered = {match.boxes for match in faults if rows_order(views_of(match.layout), match)}
    found = [match for match in fit if not faults.get(match) and match.boxes not in ordered]
    # Rows whose last column is an id are not two columns of scores.
    certain = {match.boxes for match, fault in faults.items() if fault == ""}
    found = [match for match in found if match in faults or match.boxes not in certain]
    return found, [fault for fault in faults.values() if fault]
