"""Reads the outputs of a known family: their classes, their class ids, their number of rows."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.metadata import class_names
from spotlet_export.adoption.original.file import OriginalFile
from spotlet_export.adoption.original.rows import parts_of, split_rows
from spotlet_export.adoption.recognition.family import Family, family_output
from spotlet_export.adoption.recognition.ids import (
    background_of_ids,
    first_id_by_metadata,
    found_ids,
    is_of_known_exporter,
)
from spotlet_export.adoption.recognition.match import Match, shapes
from spotlet_export.adoption.recognition.output import check_duplicates, free_rows
from spotlet_export.adoption.recognition.suppressed import TORCHVISION
from spotlet_export.adoption.recognition.views import Tensors, Views
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, OutputSignature

ROWS = Match("K,6", "rows")
"""Of `RowViews`."""


class RowViews(Views):
    """A family's suppressed rows, as corners, score and class id, for the canvases of others.

    Args:
        views: of the family's outputs.
        output: what they mean.
    """

    def __init__(self, views: Views, output: OutputSignature) -> None:
        self._views = views
        self._output = output

    @cached_property
    def real(self) -> tuple[Tensors, ...]:
        """For the user's pictures."""
        return tuple(map(self._rows, self._views.real))

    @cached_property
    def all(self) -> tuple[Tensors, ...]:
        """For the canvases of `views.all`."""
        return tuple(map(self._rows, self._views.all))

    @cached_property
    def further(self) -> tuple[Tensors, ...]:
        """For those of `views.further`."""
        return tuple(map(self._rows, self._views.further))

    def _rows(self, tensors: Tensors) -> Tensors:
        boxes, scores, ids = split_rows(parts_of(tensors, self._output), self._output)
        rows = np.column_stack([boxes[:, :4], scores, ids])
        # Rows of no picture have no class.
        return {ROWS.boxes: rows[ids >= 0][np.newaxis]}


def known_output(
    original: OriginalFile,
    family: Family,
    names: tuple[str, ...] | None,
    views: Views,
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> tuple[tuple[str, ...], OutputSignature]:
    """Returns the class names, and what the outputs of a family mean.

    Args:
        original: the file.
        family: that its outputs have.
        names: of the classes; None if there are none.
        views: the outputs for the user's pictures and others.
        settings: what the user says.
        on_remark: called with what was found.

    Raises:
        UsageError: there are no names, a duplicate, or an option does not apply.
        GateError: their number does not fit.
    """
    output, some = family.output, views.real[0]
    what = f"outputs {shapes(some)}: those of {family.name}"
    if names is None:
        raise UsageError(
            f"{what}{_room(family, views)}. The file has no class names that can be read: "
            "give --classes a,b,c or a file with one name on each line, by class id"
        )
    check_duplicates(original, names)
    if family.classes not in (None, len(names)):
        raise GateError(
            f"{what}{_room(family, views)}, but names: {len(names)}; give --classes with the names "
            "that it was trained with, in their order"
        )
    unused = [name for name in some if name not in output.outputs]
    on_remark(
        f"outputs: {shapes(some)}; layout {output.layout} ({family.name})"
        + (f"; unused: {', '.join(unused)}" if unused else "")
    )
    read = family_output(
        family,
        len(names),
        free_rows(original, output.layout, output.boxes, views, settings),
        settings,
    )
    if output.layout not in SUPPRESSED:
        return names, read
    rows = RowViews(views, output)
    first_id, said_by = _first_id(original, family, names, rows)
    background = background_of_ids(
        ROWS,
        rows,
        names=names,
        by_metadata=first_id,
        given=settings.background,
        on_remark=on_remark,
        said_by=said_by,
    )
    return names, replace(read, background=background)


def _room(family: Family, views: Views) -> str:
    """Returns how many names are needed, for messages."""
    if family.classes is not None:
        return f", classes: {family.classes}"
    ids = found_ids(ROWS, RowViews(views, family.output).all)
    return f", class ids {ids[0]} to {ids[-1]} on the images" if len(ids) else ""


def _first_id(
    original: OriginalFile, family: Family, names: tuple[str, ...], rows: Views
) -> tuple[int | None, str]:
    """Returns the first class id as the file's names or its outputs' names say, and which; or None.

    Shapes never say it: other networks have the same.
    """
    of_outputs, of_file = family.first_id, None
    if of_outputs == 1 and 0 in found_ids(ROWS, rows.all):
        of_outputs = None
    if names == class_names(original.metadata):
        of_file = first_id_by_metadata(original.metadata)
    if of_file is None:
        return of_outputs, f"the contract of {family.name}, whose outputs have these names,"
    # Torchvision's shapes are also those of networks with ids from 0: neither is certain.
    doubtful = of_file == 0 and family.name == TORCHVISION
    if doubtful and not is_of_known_exporter(original.metadata):
        return None, ""
    return of_file, "the file's metadata"
