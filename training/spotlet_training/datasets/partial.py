"""Labels that are complete for some classes only: saying so for a whole set, and counting it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from spotlet.errors import DatasetError
from spotlet_training.datasets.class_order import listed
from spotlet_training.datasets.labels import ImageLabels, LabelledSet

NAMED_CLASSES = 5
"""Classes that a note names; the rest are counted."""


class Completeness(NamedTuple):
    """In how many images a class is how far labelled.

    Attributes:
        complete: every object of it has a box, or it is known to be absent.
        more: some have a box, and there may be more.
        unknown: none has a box, and there may be some.
    """

    complete: int
    more: int
    unknown: int


def declared(content: LabelledSet, exhaustive: Collection[str], where: Path) -> LabelledSet:
    """Returns a set of which only some classes are complete, whatever its files say.

    Args:
        content: of the set.
        exhaustive: names of the classes of which every object in every image has a box; all others
            are unknown beyond their boxes.
        where: the set, or the file that lists them, for the message.

    Raises:
        DatasetError: a name is not one of the set's classes.
    """
    unknown = tuple(sorted(unknown_beyond(exhaustive, content.class_names, where)))
    train, val = (
        labels and [replace(one, unknown_ids=unknown) for one in labels]
        for labels in (content.train, content.val)
    )
    return replace(content, train=train or [], val=val)


def unknown_beyond(exhaustive: Collection[str], names: tuple[str, ...], where: Path) -> set[int]:
    """Returns the ids of the classes that are not listed as complete.

    Args:
        exhaustive: names of the complete ones, which may have spaces around them.
        names: of all classes.
        where: for the message.

    Raises:
        DatasetError: a listed name is not one of the classes.
    """
    exact = [name if name in names else name.strip() for name in exhaustive]
    wrong = [name for name in exact if name not in names]
    if wrong:
        hint = f"; if {wrong[0].partition('=')[0]!r} is a set, it must be one that is given"
        raise DatasetError(
            f"{where}: exhaustive class {wrong[0]!r} is not a class of the set; must be of "
            f"{listed([*names])}{hint if '=' in wrong[0] else ''}"
        )
    return {index for index, name in enumerate(names) if name not in exact}


def completeness(labels: Sequence[ImageLabels], class_count: int) -> list[Completeness]:
    """Returns the figures of each class."""
    more, unknown = [0] * class_count, [0] * class_count
    for one in labels:
        boxed = set(one.class_ids.tolist()) if one.unknown_ids else set[int]()
        for class_id in one.unknown_ids:
            (more if class_id in boxed else unknown)[class_id] += 1
    return [
        Completeness(len(labels) - some - none, some, none)
        for some, none in zip(more, unknown, strict=True)
    ]


def partial_notes(
    train: Sequence[ImageLabels], val: Sequence[ImageLabels], names: tuple[str, ...]
) -> list[str]:
    """Returns lines on the classes whose labels are not complete; none if all are."""
    notes = []
    figures = dict(zip(names, completeness(train, len(names)), strict=True))
    partial = {name: one for name, one in figures.items() if one.complete < len(train)}
    if partial:
        named = [
            f"{name} in {len(train) - one.complete}"
            for name, one in sorted(partial.items(), key=lambda item: item[1].complete)
        ]
        notes.append(
            f"labels are partial: of {len(train)} training images, there may be more than is "
            f"marked of {_few(named)}; what is unknown teaches nothing"
        )
    nowhere = [name for name, one in partial.items() if not one.complete]
    if nowhere:
        notes.append(
            f"no training image is complete for {_few(nowhere)}: nothing teaches where there is "
            "none, so expect false detections; declare some images complete (--exhaustive, "
            "`exhaustive` in data.yaml, `neg_category_ids` in COCO)"
        )
    measured = completeness(val, len(names))
    free = [name for name, one in zip(names, measured, strict=True) if not one.complete]
    if free and val:
        notes.append(
            f"no validation image is complete for {_few(free)}: false detections do not count "
            "there, so the figures are too good"
        )
    return notes


def _few(names: list[str]) -> str:
    return listed(names, NAMED_CLASSES)
