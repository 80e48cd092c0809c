"""Several labelled sets taken as one, their classes matched by name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spotlet.errors import DatasetError
from spotlet_training.datasets.class_order import listed, renumbered
from spotlet_training.datasets.discover import Splits, open_splits
from spotlet_training.datasets.labels import ImageLabels, LabelledImages
from spotlet_training.datasets.partial import partial_notes, require_listed


def open_sets(
    roots: Sequence[str | Path], exhaustive: Mapping[Path, Sequence[str]] | None = None
) -> Splits:
    """Returns both splits of one or more labelled sets, joined; see `open_splits`.

    Classes are matched by name, in the order in which the sets first list them. A class that a set
    does not list is unknown in all its images, unless `exhaustive` names it for that set: then it
    is absent.

    Args:
        roots: folder, or `data.yaml`, of each set, at least one.
        exhaustive: of some of the roots, the classes whose labels are complete in that set; all
            others are unknown beyond their boxes.

    Raises:
        DatasetError: a set is given twice, an exhaustive class is none of the classes, or as for
            `open_splits`.
    """
    paths = [Path(root) for root in roots]
    asked = dict(exhaustive or {})
    if len(paths) == 1:
        return open_splits(paths[0], asked.get(paths[0]))
    repeated = [path for path in paths if [p.resolve() for p in paths].count(path.resolve()) > 1]
    if repeated:
        raise DatasetError(f"{repeated[0]}: is given twice; give each set once")
    opened = {path: open_splits(path, with_partial_notes=False) for path in paths}
    names = tuple(dict.fromkeys(name for one in opened.values() for name in one.class_names))
    train: list[ImageLabels] = []
    val: list[ImageLabels] = []
    notes = []
    for path, splits in opened.items():
        new_ids = np.array([names.index(name) for name in splits.class_names], np.int64)
        unlisted = set(range(len(names))) - set(new_ids.tolist())
        known = asked.get(path)
        if known is not None:
            require_listed(known, names, path)
        elif unlisted:
            notes.append(
                f"{path} does not list {listed([names[index] for index in sorted(unlisted)])}: "
                "unknown in its images"
            )
        unknown = (
            unlisted
            if known is None
            else {index for index, name in enumerate(names) if name not in known}
        )
        for images, into in ((splits.train, train), (splits.val, val)):
            into += [_joined(one, new_ids, unknown, known is None) for one in images.labels]
        notes += [f"{path}: {note}" for note in splits.notes]
    return Splits(
        LabelledImages(names, train),
        LabelledImages(names, val),
        names,
        ", ".join(dict.fromkeys(one.format for one in opened.values())),
        (*notes, *partial_notes(train, val, names)),
    )


def _joined(
    labels: ImageLabels, new_ids: npt.NDArray[np.int64], unknown: set[int], keep: bool
) -> ImageLabels:
    """Returns labels with ids of the joined classes, and further unknown ones or only these."""
    return renumbered(labels if keep else replace(labels, unknown_ids=()), new_ids, unknown)
