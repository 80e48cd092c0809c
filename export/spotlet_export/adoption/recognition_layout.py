"""Which layout a network's outputs have: told, or found from their shapes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.settings import AdoptSettings

MOST_SUPPRESSED = 1000
"""Rows that a suppressed output mostly has at most; grids have more."""

Tensors = Mapping[str, npt.NDArray[Any]]


class Match(NamedTuple):
    """A layout, and which outputs it takes.

    Attributes:
        layout: one of `signature.LAYOUTS`.
        boxes: the output with the boxes, or with all.
        scores: the output with the scores, where it is another.
        ids: the output with class ids, where there is one.
    """

    layout: str
    boxes: str
    scores: str | None = None
    ids: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it takes, in the layout's order."""
        return tuple(name for name in (self.boxes, self.scores, self.ids) if name is not None)

    def __str__(self) -> str:
        return f"{self.layout} of {', '.join(self.outputs)}"


def find_layout(
    given: Tensors, classes: int, settings: AdoptSettings, on_remark: Callable[[str], None]
) -> Match:
    """Returns the layout of what a network gave for one canvas.

    Args:
        given: outputs by name.
        classes: how many there are.
        settings: what a person says of it.
        on_remark: called with what was found, and what else it could have been.

    Raises:
        UsageError: there is no such output, or several layouts fit.
        GateError: none fits the count of classes.
    """
    missing = sorted(set(settings.outputs) - set(given))
    if missing:
        raise UsageError(f"--outputs {missing[0]}: no such output; there are {_shapes(given)}")
    looked_at = {name: given[name] for name in settings.outputs} if settings.outputs else given
    found = [
        match
        for match in [
            *_of_one(looked_at, classes, settings),
            *_of_more(looked_at, classes, settings),
        ]
        if settings.layout in (None, match.layout)
        and (not settings.outputs or match.outputs == tuple(settings.outputs))
    ]
    if not found:
        raise _none_fits(looked_at, classes, settings)
    if len(found) > 1:
        raise UsageError(
            f"outputs {_shapes(given)}: could be {' or '.join(map(str, found))}; give --layout, or "
            "--outputs a,b"
        )
    unused = [name for name in given if name not in found[0].outputs]
    how = "told" if settings.layout else f"found, the one that fits; classes: {classes}"
    other = {"K,4+C": ("K,5+C", classes - 1), "K,5+C": ("K,4+C", classes + 1)}.get(found[0].layout)
    if other is not None and not settings.layout and other[1] > 0:
        how += f"; with {other[1]} it would be {other[0]}"
    on_remark(
        f"outputs: {_shapes(given)}; layout {found[0]} ({how})"
        + (f"; left out: {', '.join(unused)}" if unused else "")
    )
    return found[0]


def _of_one(given: Tensors, classes: int, settings: AdoptSettings) -> list[Match]:
    """Returns the layouts of one output that fit."""
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
        if columns == 6 and few and not settings.strides:
            found.append(Match("K,6", name))
    return found


def _of_more(given: Tensors, classes: int, settings: AdoptSettings) -> list[Match]:
    """Returns the layouts of two and three outputs that fit."""
    anchors = settings.anchors is not None or settings.layout == "ssd"
    layout = "ssd" if anchors else "boxes+scores"
    background = settings.background or ("first" if anchors else "none")
    wide = classes + (background != "none")
    found = []
    for boxes, tensor in given.items():
        sides = tensor.shape
        # Key points may follow the box, where a person says that these are offsets.
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


def _none_fits(given: Tensors, classes: int, settings: AdoptSettings) -> GateError:
    """Returns what to say, with what the shapes hint at."""
    said = f"layout {settings.layout}" if settings.layout else "any layout"
    hints = []
    for tensor in given.values():
        for side in tensor.shape[1:]:
            over = side - classes - settings.extra
            if over in (1, 5, 6) and tensor.ndim == 3:
                hints.append("one column is the background: --background first or last")
            elif tensor.ndim == 3 and 4 < over <= 200 and side < max(tensor.shape[1:]):
                hints.append(
                    f"{side} columns are {side - 4} or {side - 5} classes, or more than classes: "
                    f"--extra {over - 4} leaves the last ones out"
                )
    hint = f" ({'; '.join(dict.fromkeys(hints))})" if hints else ""
    return GateError(
        f"outputs {_shapes(given)}: do not fit {said} and class count {classes}; give the right "
        f"--classes, --layout or --outputs{hint}"
    )


def _shapes(given: Tensors) -> str:
    return ", ".join(f"{name} {tensor.dtype} {tensor.shape}" for name, tensor in given.items())
