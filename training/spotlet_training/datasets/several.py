"""Several labelled sets read as one, their classes matched by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.errors import DatasetError
from spotlet_training.datasets.class_order import listed, renumbered
from spotlet_training.datasets.discover import read_labels
from spotlet_training.datasets.labels import LabelledSet
from spotlet_training.datasets.partial import unknown_beyond


def read_sets(
    roots: Sequence[Path], exhaustive: Mapping[Path, Sequence[str]] | None = None
) -> tuple[list[str], list[LabelledSet]]:
    """Returns the formats of one or more labelled sets, and the labels of each.

    All have the same classes, matched by name, in the order in which the sets first list them. A
    class that a set does not list is unknown in all its images, unless `exhaustive` names it for
    that set: then it is absent.

    Args:
        roots: folder, or `data.yaml`, of each set, at least one.
        exhaustive: of some of the roots, the classes whose labels are complete in that set; all
            others are unknown beyond their boxes.

    Raises:
        DatasetError: a set is given twice, an exhaustive class is none of the classes, or as for
            `read_labels`.
    """
    asked = exhaustive or {}
    if len(roots) == 1:
        name, content = read_labels(roots[0], asked.get(roots[0]))
        return [name], [content]
    opened = [read_labels(root) for root in roots]
    _require_different(roots, [content for _, content in opened])
    names = tuple(dict.fromkeys(name for _, one in opened for name in one.class_names))
    contents = [
        _joined(root, content, names, asked.get(root))
        for root, (_, content) in zip(roots, opened, strict=True)
    ]
    contents[0].notes[:0] = _alike_notes(names)
    return list(dict.fromkeys(name for name, _ in opened)), contents


def _joined(
    root: Path, content: LabelledSet, names: tuple[str, ...], exhaustive: Sequence[str] | None
) -> LabelledSet:
    """Returns a set with the joined classes, and further unknown ones or only these."""
    new_ids = np.array([names.index(name) for name in content.class_names], np.int64)
    unknown = set(range(len(names))) - set(new_ids.tolist())
    notes = [f"{root}: {note}" for note in content.notes]
    if exhaustive is None and unknown:
        lacking = listed([names[index] for index in sorted(unknown)])
        notes.insert(0, f"{root} does not list {lacking}: unknown in its images")
    if exhaustive is not None:
        unknown = unknown_beyond(exhaustive, names, root)
    train, val = (
        labels
        and [
            renumbered(
                one if exhaustive is None else replace(one, unknown_ids=()), new_ids, unknown
            )
            for one in labels
        ]
        for labels in (content.train, content.val)
    )
    return LabelledSet(names, train or [], val, notes, content.problems)


def _require_different(roots: Sequence[Path], contents: Sequence[LabelledSet]) -> None:
    """Raises if two sets are read from one label file, by whatever path.

    Raises:
        DatasetError: they are.
    """
    first_with: dict[Path, Path] = {}
    for root, content in zip(roots, contents, strict=True):
        files = {one.label_file for one in (*content.train, *(content.val or ()))}
        for file in {file.resolve() for file in files}:
            if file in first_with:
                raise DatasetError(
                    f"{root}: is given twice: {first_with[file]} is read from the same "
                    f"{file.name}; give each set once"
                )
        first_with |= {file.resolve(): root for file in files}


def _alike_notes(names: Sequence[str]) -> list[str]:
    """Returns lines on the classes whose names look like one to a person."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(re.sub(r"[\s_-]+", "", name.casefold()), []).append(name)
    return [
        f"classes {listed([repr(name) for name in group])} differ only in case, spaces, hyphens "
        "or underscores and count as different classes; if they are the same, rename one"
        for group in alike.values()
        if len(group) > 1
    ]
