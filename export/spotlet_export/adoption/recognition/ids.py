"""Tells whether class ids start at 0 or at 1, and whether each has a name.

An id without a name would vanish: the row would have no score for any class.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.errors import GateError, UsageError
from spotlet_export.adoption.metadata import literal
from spotlet_export.adoption.recognition.columns import HIGH, MOST_CELLS, is_fractional
from spotlet_export.adoption.recognition.match import Match
from spotlet_export.adoption.recognition.views import Tensors, Views

BACKGROUND_NAMES = re.compile(r"^_*(background|bg|no.?object|nothing|n/?a|none)_*$", re.IGNORECASE)

TENSORFLOW_OUTPUTS = {"detection_boxes", "detection_scores", "detection_classes"}
"""Of TensorFlow's object detection API. Its ids start at 1, its boxes are yxyx in [0, 1]."""

TENSORFLOW_MORE = {
    "raw_detection_boxes",
    "raw_detection_scores",
    "detection_multiclass_scores",
    "detection_anchor_indices",
}
"""What only that API returns as well. Others use the same names for ids from 0."""


TORCHVISION_OUTPUTS = ("boxes", "labels", "scores")
"""Of torchvision's Faster R-CNN, in its order. Its ids start at 1; others have the same shapes."""

EXPORTERS_KEYS = {"stride", "task", "imgsz", "names"}
"""Of Ultralytics' exports, whose class ids start at 0."""


def is_of_known_exporter(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file's class names are those of an exporter whose ids start at 0."""
    return metadata.keys() >= EXPORTERS_KEYS or "libreyolo_version" in metadata


def first_id_by_metadata(metadata: Mapping[str, str]) -> int | None:
    """Returns the first id of the class names in a file; None if it does not say.

    A list of names does not say where ids start, except in a known exporter's file.

    Raises:
        GateError: their ids have gaps.
    """
    names = literal(metadata.get("names", ""))
    if isinstance(names, list | tuple) and names:
        return 0 if is_of_known_exporter(metadata) else None
    if not isinstance(names, dict) or not names:
        return None
    try:
        ids = sorted(int(key) for key in names)
    except (TypeError, ValueError):
        return None
    if ids != list(range(ids[0], ids[0] + len(ids))) or ids[0] not in (0, 1):
        raise GateError(
            f"the class names in the file have the ids {ids[0]} to {ids[-1]}, but are {len(ids)}; "
            f"give --classes with a name for each id from 0 to {ids[-1]}"
        )
    return ids[0]


def is_of_tensorflow(match: Match, outputs: Set[str]) -> bool:
    """Returns whether a file's outputs are those of TensorFlow's object detection API."""
    return set(match.outputs) == TENSORFLOW_OUTPUTS and bool(TENSORFLOW_MORE & outputs)


def found_ids(match: Match, views: tuple[Tensors, ...]) -> npt.NDArray[np.int64]:
    """Returns the different class ids of rows with a score, sorted."""
    found: list[npt.NDArray[Any]] = []
    for tensors in views:
        if match.ids is None or match.scores is None:
            rows = match.cells(tensors)
            scores, ids = rows[:, 4], rows[:, 5]
        else:
            scores, ids = tensors[match.scores].ravel(), tensors[match.ids].ravel()
        logits = (scores < 0).any() and is_fractional(scores[scores < 0])
        found.append(ids[np.isfinite(scores) & ((scores > 0) | logits)])
    return np.unique(np.concatenate(found)).astype(np.int64)


def background_of_ids(
    match: Match,
    views: Views,
    *,
    names: tuple[str, ...],
    by_metadata: int | None,
    given: str | None,
    on_remark: Callable[[str], None],
    said_by: str = "the file's metadata",
) -> str:
    """Returns `first` if class ids start at 1, `none` if they start at 0.

    Args:
        match: a layout with ids.
        views: what the network returns.
        names: of the classes.
        by_metadata: the first id by the file's metadata, if the names are of it.
        given: what the user says.
        on_remark: called with what was found.
        said_by: what `by_metadata` is from, for remarks.

    Raises:
        GateError: an id has no name.
        UsageError: neither names nor values decide.
    """
    ids = found_ids(match, views.all)
    if given is not None:
        return _checked(ids, names, "first" if given == "first" else "none")
    if by_metadata == 1:
        on_remark(f"class ids start at 1, as {said_by} says")
        return _checked(ids, names, "first")
    if not len(ids):
        return "none"
    if by_metadata is None:
        ids = np.union1d(ids, found_ids(match, views.further))
    if 0 in ids:
        return _checked(ids, names, "none")
    if BACKGROUND_NAMES.match(names[0]):
        on_remark(f"class ids start at 0, the name of 0 is {names[0]!r}")
        return _checked(ids, names, "none")
    if by_metadata == 0:
        on_remark(f"class ids: {_range(ids)}, never 0; they start at 0, as {said_by} says")
        return _checked(ids, names, "none")
    if ids[-1] > len(names) or ids[0] < 0:
        return _checked(ids, names, "none")
    if ids[-1] == len(names):
        on_remark(f"class ids: {_range(ids)} with {len(names)} names: they start at 1")
        return "first"
    if is_of_tensorflow(match, views.real[0].keys()):
        on_remark("class ids start at 1, as of TensorFlow's object detection API")
        return "first"
    raise UsageError(
        f"class ids: {_range(ids)} on the images, never 0, with {len(names)} names: give "
        f"--background first if ids start at 1 ({ids[0]} is {names[ids[0] - 1]!r}), --background "
        f"none if at 0 ({ids[0]} is {names[ids[0]]!r})"
    )


def check_background_name(
    match: Match, views: Views, names: tuple[str, ...], background: str | None
) -> None:
    """Checks that no class is the background by its name and its scores, unless the user says so.

    Raises:
        UsageError: one is.
    """
    if background is not None or match.classes is None or len(names) < 2:
        return
    columns = match.class_columns(views)
    for where, index in (("first", 0), ("last", len(names) - 1)):
        high = (columns[:, index] > HIGH).mean() > MOST_CELLS
        if high and BACKGROUND_NAMES.match(names[index]):
            others = ",".join(name for name in names if name != names[index])
            raise UsageError(
                f"class {names[index]!r}, high in most cells, is the background: give "
                f"--background {where} --classes {shlex.quote(others)}"
            )


def _checked(ids: npt.NDArray[np.int64], names: tuple[str, ...], background: str) -> str:
    """Returns the background if every id that was found has a name then."""
    last = len(names) - (background != "first")
    if len(ids) and (ids[0] < 0 or ids[-1] > last):
        hint = f"give --classes with a name for each id to {ids[-1]}"
        if ids[-1] == len(names) and ids[0] > 0:
            hint = "do ids start at 1? --background first"
        raise GateError(
            f"class ids: {_range(ids)}, but names: {len(names)}, for ids "
            f"{1 if background == 'first' else 0} to {last}; {hint}"
        )
    return background


def _range(ids: npt.NDArray[np.int64]) -> str:
    return f"{ids[0]}" if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"
