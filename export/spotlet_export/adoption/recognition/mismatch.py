"""Says why no layout fits: the number of class names, or a family that is not supported.

An option is proposed only if the values support it: one that merely fits the shapes would lead to
wrong boxes or names that pass.
"""

from collections.abc import Callable, Sequence

import numpy as np

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.recognition.columns import (
    are_boxes,
    background_of,
    is_unit,
)
from spotlet_export.adoption.recognition.ids import found_ids
from spotlet_export.adoption.recognition.match import FIRST_COLUMN, Match, shapes
from spotlet_export.adoption.recognition.rows import UNSUPPORTED, check_columns, rows_fault
from spotlet_export.adoption.recognition.views import Tensors, Views
from spotlet_export.adoption.settings import AdoptSettings

MOST_EXTRA = 200
"""Columns after the classes; masks have 32, 17 key points 51."""

USUAL_EXTRA = (32, 51)

FEW = 500
"""Cells that need not be all over the canvas; networks with anchors have more."""


def unsupported(
    given: Tensors, settings: AdoptSettings, why: str = "", others: Sequence[Match] = ()
) -> GateError:
    """Returns the error for outputs of no layout.

    Args:
        given: the outputs.
        settings: what the user says about them.
        why: what was found instead.
        others: layouts that would fit without what the user says.
    """
    said = [
        flag
        for flag, value in (
            ("--layout", settings.layout),
            ("--outputs", settings.outputs),
            ("--anchors", settings.anchors is not None),
            ("--strides", settings.strides),
            ("--extra", settings.extra),
        )
        if value
    ]
    wanted = f"layout {settings.layout}" if settings.layout else "any layout"
    if why:
        end = f": {why}; {UNSUPPORTED}"
    elif others:
        end = f"; without {' and '.join(said)}, {' or '.join(map(str, others))} would fit"
    elif all(tensor.ndim == 2 and tensor.shape[0] == 1 for tensor in given.values()):
        end = ": no boxes, as of a classifier; only detectors can be adopted"
    else:
        end = f": {UNSUPPORTED}"
    return GateError(f"outputs {shapes(given)}: do not fit {wanted}{end}")


def unnamed(given: Tensors, found: Sequence[Match], views_of: Callable[[str], Views]) -> UsageError:
    """Returns the error for a file without class names: how many to give.

    Args:
        given: the outputs.
        found: layouts that fit them.
        views_of: returns the outputs for several canvases, prepared as a layout expects.
    """
    rooms = []
    for match in found:
        count, also = match.classes, ""
        if count is not None:
            where = _background(match, views_of)
            if where is not None and match.layout != "ssd":
                count, also = count - 1, f" and --background {where}, a column high in most cells"
            boxes = match.cells(views_of(match.layout).real[0])[:, :4]
            if match.layout == "boxes+scores" and len(boxes) > FEW and not are_boxes(boxes):
                also += " (boxes look like offsets: --anchors FILE)"
        if count is None:
            ids = found_ids(match, views_of(match.layout).all)
            seen = f" ({ids[0]} to {ids[-1]} on the images)" if len(ids) else ""
            rooms.append(f"{match}, a name for each class id{seen}")
        else:
            rooms.append(f"{match}, names: {count}{also}")
    return UsageError(
        f"outputs {shapes(given)}: layout {' or '.join(rooms)}. The file has no class names that "
        "can be read: give --classes a,b,c or a file with one name on each line, by class id"
    )


def mismatch(
    given: Tensors,
    possible: Sequence[Match],
    names: int,
    settings: AdoptSettings,
    views_of: Callable[[str], Views],
) -> GateError:
    """Returns the error for another number of classes than names.

    Args:
        given: the outputs.
        possible: layouts that fit their shapes.
        names: how many there are.
        settings: what the user says.
        views_of: returns the outputs for several canvases, prepared as a layout expects.

    Raises:
        GateError: the columns show that no option helps.
    """
    for match in possible:
        check_columns(match, views_of, settings, names)
    rooms = " or ".join(f"{match.classes} ({match})" for match in possible)
    hints = dict.fromkeys(_hints(given, possible, names, settings, views_of))
    wanted = f"layout {settings.layout}" if settings.layout else "any layout"
    return GateError(
        f"outputs {shapes(given)}: do not fit {wanted} with this number of classes: "
        f"names: {names}, outputs: {rooms}" + "".join(f"; {hint}" for hint in hints)
    )


def _hints(
    given: Tensors,
    possible: Sequence[Match],
    names: int,
    settings: AdoptSettings,
    views_of: Callable[[str], Views],
) -> list[str]:
    """Returns the options that the values support; else that only the right names help."""
    found: dict[int, str] = {}
    for match in possible:
        over = (match.classes or 0) - names
        if over == -1 and settings.background not in (None, "none"):
            return [f"without --background {settings.background} it has a column for each name"]
        if over == 1 and settings.background is None:
            where = _background(match, views_of)
            if where is not None:
                return [f"the {where} column is the background: --background {where}"]
        if over > 1 and match.layout in FIRST_COLUMN and _are_other_columns(match, over, views_of):
            found[over] = f"--layout {match.layout} --extra {over + settings.extra}"
    usual = [hint for over, hint in found.items() if over in USUAL_EXTRA]
    if found:
        return [f"the last columns are not class scores: {' or '.join(usual or found.values())}"]
    if any(
        tensor.ndim == 3
        and tensor.shape[::2] == (1, 6)
        and rows_fault(views_of("K,6"), Match("K,6", name)) == ""
        for name, tensor in given.items()
    ):
        return ["rows of box, score and class id? --layout K,6"]
    return ["give --classes with the names that it was trained with, in their order"]


def _background(match: Match, views_of: Callable[[str], Views]) -> str | None:
    """Returns where the background is, with the pixels of the layout or of those with anchors."""
    usual = [match.layout, "ssd"] if match.layout == "boxes+scores" else [match.layout]
    found = [background_of(match.class_columns(views_of(layout))) for layout in usual]
    return next((where for where in found if where is not None), None)


def _are_other_columns(match: Match, count: int, views_of: Callable[[str], Views]) -> bool:
    """Returns whether a box and scores come first, and the last columns are not scores."""
    views = views_of(match.layout)
    columns = match.class_columns(views)
    classes, rest = columns[:, :-count], columns[:, -count:]
    return (
        count <= MOST_EXTRA
        and are_boxes(match.real_cells(views)[:, :4])
        and is_unit(classes)
        and (not is_unit(rest) or bool(np.ptp(rest, axis=0).max() == 0))
    )
