"""The classes of the written set, and what each teacher calls them."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from spotlet.errors import UsageError
from spotlet.manifest import class_names_fault

UNWANTED = -1
"""The id of a teacher's class that is not in the set."""

MOST_LISTED = 20
"""Class names that a message lists."""

ClassIds = npt.NDArray[np.int64]

Chosen = Sequence[tuple[str, str]] | None


def choose_classes(
    teachers: Sequence[tuple[str, tuple[str, ...]]],
    chosen: Chosen,
    labelled: Iterable[str] = (),
) -> tuple[tuple[str, ...], list[ClassIds]]:
    """Returns the set's class names, and for each teacher the set's id of each of its classes.

    Args:
        teachers: name and class names of each.
        chosen: a class and its name in the set; None for all.
        labelled: classes of sets among the pictures; those that no teacher has are at the end.

    Returns:
        The names, and an array (T,) for each teacher, `UNWANTED` for what is left out.

    Raises:
        UsageError: no teacher has a class, or the set cannot have the name.
    """
    known = list(dict.fromkeys(name for _, names in teachers for name in names))
    pairs = [(name, name) for name in known] if chosen is None else list(chosen)
    labelled = list(labelled)
    for name, _ in pairs:
        if name not in (*known, *labelled):
            raise UsageError(f"class {name!r}: {_missing(name, teachers, known)}")
    names = tuple(dict.fromkeys([*(new for _, new in pairs), *_renamed(labelled, chosen)]))
    if fault := class_names_fault(names):
        raise UsageError(f"classes {listed(names)}: {fault}")
    new_ids = {old: names.index(new) for old, new in pairs}
    ids = [np.array([new_ids.get(name, UNWANTED) for name in own], np.int64) for _, own in teachers]
    for (teacher, own), each in zip(teachers, ids, strict=True):
        if (each == UNWANTED).all():
            raise UsageError(
                f"{teacher}: has none of the chosen classes, only {listed(own)}; leave it out, or "
                "choose one of them"
            )
    return names, ids


def classes_of_set(
    own: Sequence[str], unknown: Iterable[int], class_names: Sequence[str], chosen: Chosen
) -> tuple[ClassIds, set[int]]:
    """Returns what the classes of a labelled set are in the written one.

    A class that is put together from several is complete in a picture if that picture is complete
    for all of them, or for a class of the new name.

    Args:
        own: classes of the labelled set.
        unknown: ids of those that are not complete in a picture.
        class_names: of the written set.
        chosen: a class and its name in the written set; None for all.

    Returns:
        The id of each of its classes, (S,), `UNWANTED` for what is not in the written set, and the
        ids of the written set's classes that are not complete.
    """
    new_names = _renamed(own, chosen)
    ids = np.array([_index(class_names, name) for name in new_names], np.int64)
    merged: dict[str, set[str]] = {}
    for old, new in chosen or ():
        merged.setdefault(new, set()).add(old)
    open_ids = {
        index
        for index, name in enumerate(class_names)
        if name not in own and not merged.get(name, {name}) <= {*own}
    }
    return ids, open_ids | ({*ids[[*unknown]].tolist()} - {UNWANTED})


def listed(names: Sequence[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def close_name(name: str, names: Sequence[str]) -> str:
    """Returns a hint such as `did you mean car?`; empty if no name is close."""
    folded = {each.casefold(): each for each in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f"did you mean {folded[close[0]]}?" if close else ""


def _renamed(names: Iterable[str], chosen: Chosen) -> list[str]:
    new_of = dict(chosen or ())
    return [new_of.get(name, name) for name in names]


def _index(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else UNWANTED


def _missing(name: str, teachers: Sequence[tuple[str, tuple[str, ...]]], known: list[str]) -> str:
    has = "; ".join(f"{teacher} has {listed(own)}" for teacher, own in teachers)
    hint = close_name(name, known)
    return f"no teacher has it{f'; {hint}' if hint else ''} ({has})"
