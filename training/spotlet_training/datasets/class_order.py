"""The classes of a set: names that a model can have, in the order of a model."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spotlet.errors import DatasetError
from spotlet.manifest import class_names_fault
from spotlet_training.datasets.labels import ImageLabels, LabelledImages
from spotlet_training.datasets.sample import Dataset, Sample

SHOWN_CHARACTERS = 60
"""How much of a class name a message has."""

MOST_LISTED = 20
"""Class names that a message lists."""


def name_fault(class_names: tuple[str, ...]) -> str:
    """Returns why no model can have these classes: the manifest's rule; empty if one can."""
    fault = class_names_fault(class_names)
    bad = [name for name in class_names if class_names_fault([name])]
    named = f"class {bad[0][:SHOWN_CHARACTERS]!r}: " if bad else ""
    return f"{named}{fault}, so the model could not be exported; rename it" if fault else ""


def listed(names: list[str], most: int = MOST_LISTED) -> str:
    """Returns the first names, and how many more there are."""
    more = len(names) - most
    text = ", ".join(name[:SHOWN_CHARACTERS] for name in names[:most]) or "none"
    return f"{text} and {more} more" if more > 0 else text


def in_class_order(
    dataset: Dataset,
    class_names: tuple[str, ...],
    *,
    whose: str = "the model's",
    may_lack: bool = True,
) -> Dataset:
    """Returns a set with the model's classes in the model's order, matched by name.

    Args:
        dataset: the set.
        class_names: of the model, or of what `whose` names in the message.
        whose: classes these are.
        may_lack: whether the set may lack some of them, which are then unknown in all its images.

    Raises:
        DatasetError: the set has a class that the model has not, or lacks one.
    """
    own = dataset.class_names
    if own == class_names:
        return dataset
    missing = [name for name in class_names if name not in own]
    foreign = [name for name in own if name not in class_names]
    if foreign or (missing and not may_lack):
        rule = "may lack some of them, but have no others"
        rule = rule if may_lack else "must be the same, in any order"
        raise DatasetError(
            f"the set has {len(own)} classes, {whose} are {len(class_names)}: {rule} (missing: "
            f"{listed(missing)}; not {whose}: {listed(foreign)})"
        )
    new_ids = np.array([class_names.index(name) for name in own], np.int64)
    unknown = tuple(class_names.index(name) for name in missing)
    if isinstance(dataset, LabelledImages):
        labels = [renumbered(one, new_ids, unknown) for one in dataset.labels]
        return LabelledImages(class_names, labels)
    return _Reordered(dataset, class_names, new_ids, unknown)


Labelled = TypeVar("Labelled", ImageLabels, Sample)


def renumbered(
    labelled: Labelled, new_ids: npt.NDArray[np.int64], unknown: Collection[int] = ()
) -> Labelled:
    """Returns an image with other class ids.

    Args:
        labelled: the image.
        new_ids: one for each of the old ones.
        unknown: new ids of more classes that are unknown in it.
    """
    own: list[int] = new_ids[list(labelled.unknown_ids)].tolist()
    return replace(
        labelled,
        class_ids=new_ids[labelled.class_ids],
        unknown_ids=tuple(sorted({*own, *unknown})),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Reordered:
    """A `Dataset` with other class ids; see `renumbered`."""

    dataset: Dataset
    class_names: tuple[str, ...]
    new_ids: npt.NDArray[np.int64]
    unknown: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, index: int) -> Sample:
        """Returns the image at `index`, from 0."""
        return renumbered(self.dataset.load(index), self.new_ids, self.unknown)
