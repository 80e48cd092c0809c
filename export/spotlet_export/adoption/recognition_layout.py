"""Recognises the layout of a network's outputs: given, or found from their shapes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.family import Family
from spotlet_export.adoption.recognition_families import find_family, unsupported_family
from spotlet_export.adoption.settings import AdoptSettings

MOST_SUPPRESSED = 1000
"""Rows that suppressed outputs rarely exceed; grids have more."""

Tensors = Mapping[str, npt.NDArray[Any]]


class Match(NamedTuple):
    """A layout and the outputs that it uses.

    Attributes:
        layout: one of `signature.LAYOUTS`.
        boxes: the output with the boxes, or with all.
        scores: the output with the scores, if it is a separate one.
        ids: the output with class ids, if there is one.
        family: the family of networks, if it is a known one.
    """

    layout: str
    boxes: str
    scores: str | None = None
    ids: str | None = None
    family: Family | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it uses, in the layout's order."""
        if self.family is not None:
            return self.family.output.outputs
        return tuple(name for name in (self.boxes, self.scores, self.ids) if name is not None)

    def __str__(self) -> str:
        return f"{self.layout} of {', '.join(self.outputs)}"


def find_layout(
    given: Tensors,
    classes: int,
    size_hw: tuple[int, int],
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> Match:
    """Returns the layout of a network's outputs for one canvas.

    Args:
        given: outputs by name.
        classes: how many there are.
        size_hw: of the canvas, pixels.
        settings: what the user says about them.
        on_remark: called with what was found, and what it could be otherwise.

    Raises:
        UsageError: an output does not exist, or several layouts fit.
        GateError: none fits the number of classes.
    """
    missing = sorted(set(settings.outputs) - set(given))
    if missing:
        raise UsageError(f"--outputs {missing[0]}: unknown output; there are {_shapes(given)}")
    candidates = {name: given[name] for name in settings.outputs} if settings.outputs else given
    family = find_family(candidates, classes, size_hw, settings)
    if family is not None:
        return _of_family(family, given, classes, on_remark)
    found = [
        match
        for match in [
            *_of_one(candidates, classes, settings),
            *_of_more(candidates, classes, settings),
        ]
        if settings.layout in (None, match.layout)
        and (not settings.outputs or match.outputs == tuple(settings.outputs))
    ]
    if not found:
        raise _none_fits(candidates, classes, size_hw, settings)
    if len(found) > 1:
        raise UsageError(
            f"outputs {_shapes(given)}: could be {' or '.join(map(str, found))}; give --layout, or "
            "--outputs a,b"
        )
    unused = [name for name in given if name not in found[0].outputs]
    how = "as given" if settings.layout else f"the only one that fits {classes} classes"
    other = {"K,4+C": ("K,5+C", classes - 1), "K,5+C": ("K,4+C", classes + 1)}.get(found[0].layout)
    if other is not None and not settings.layout and other[1] > 0:
        how += f"; with {other[1]}, {other[0]} would"
    on_remark(
        f"outputs: {_shapes(given)}; layout {found[0]} ({how})"
        + (f"; unused: {', '.join(unused)}" if unused else "")
    )
    return found[0]


def _of_family(
    family: Family, given: Tensors, classes: int, on_remark: Callable[[str], None]
) -> Match:
    """Returns the match of a network of a known family, after a remark.

    Raises:
        GateError: the number of classes does not fit it.
    """
    output = family.output
    if family.classes not in (None, classes):
        raise GateError(
            f"outputs {_shapes(given)}: those of {family.name} with class count {family.classes}, "
            f"but there are {classes} names; check --classes"
        )
    unused = [name for name in given if name not in output.outputs]
    on_remark(
        f"outputs: {_shapes(given)}; layout {output.layout} ({family.name})"
        + (f"; unused: {', '.join(unused)}" if unused else "")
    )
    return Match(output.layout, output.boxes, output.scores, output.ids, family)


def _of_one(given: Tensors, classes: int, settings: AdoptSettings) -> list[Match]:
    """Returns the matching layouts with one output."""
    found = []
    for name, tensor in given.items():
        if tensor.ndim != 3 or tensor.shape[0] != 1 or settings.anchors is not None:
            continue
        _, rows, columns = tensor.shape
        wide = classes + settings.extra + (settings.background not in (None, "none"))
        if rows == 4 + wide and not settings.strides:
            found.append(Match("4+C,K", name))
        if columns == 4 + wide:
            found.append(Match("K,4+C", name))
        if columns == 5 + wide:
            found.append(Match("K,5+C", name))
        few = rows <= MOST_SUPPRESSED or settings.layout == "K,6"
        if columns == 6 + settings.extra and few and not settings.strides:
            found.append(Match("K,6", name))
    return found


def _of_more(given: Tensors, classes: int, settings: AdoptSettings) -> list[Match]:
    """Returns the matching layouts with two and three outputs."""
    anchors = settings.anchors is not None or settings.layout == "ssd"
    layout = "ssd" if anchors else "boxes+scores"
    background = settings.background or ("first" if anchors else "none")
    wide = classes + (background != "none")
    found = []
    for boxes, tensor in given.items():
        sides = tensor.shape
        # Key points may follow the box, if the user says that these are offsets.
        if tensor.ndim != 3 or sides[0] != 1 or not (sides[2] == 4 or (anchors and sides[2] > 4)):
            continue
        found += [
            Match(layout, boxes, scores)
            for scores, other in given.items()
            if scores != boxes and other.shape == (1, sides[1], wide)
        ]
        if anchors:
            continue
        rows = [name for name, other in given.items() if other.shape == (1, sides[1])]
        whole = [name for name in rows if np.issubdtype(given[name].dtype, np.integer)]
        if len(rows) == 2:
            ids = whole[0] if len(whole) == 1 else rows[1]
            (scores,) = (name for name in rows if name != ids)
            found.append(Match("boxes+scores+ids", boxes, scores, ids))
    return found


def _none_fits(
    given: Tensors, classes: int, size_hw: tuple[int, int], settings: AdoptSettings
) -> GateError:
    """Returns the error, with hints from the shapes."""
    kind = unsupported_family(given, size_hw)
    if kind is not None and settings.layout is None:
        return GateError(
            f"outputs {_shapes(given)}: {kind}: this family is not supported; export it with "
            "decoded boxes (docs/adopt.md lists what is supported)"
        )
    wanted = f"layout {settings.layout}" if settings.layout else "any layout"
    hints = []
    for tensor in given.values():
        for side in tensor.shape[1:]:
            over = side - classes - settings.extra
            if over in (1, 5, 6) and tensor.ndim == 3:
                hints.append("is one column the background? --background first or last")
            elif tensor.ndim == 3 and 4 < over <= 200 and side < max(tensor.shape[1:]):
                hints.append(
                    f"{side} columns are {side - 4} or {side - 5} classes, or not only classes: "
                    f"--extra {over - 4} drops the last ones"
                )
    hint = f" ({'; '.join(dict.fromkeys(hints))})" if hints else ""
    return GateError(
        f"outputs {_shapes(given)}: do not fit {wanted} with class count {classes}; check "
        f"--classes, --layout and --outputs{hint}"
    )


def _shapes(given: Tensors) -> str:
    return ", ".join(f"{name} {tensor.dtype} {tensor.shape}" for name, tensor in given.items())
