"""The classes of a set: names that a model can have, in the order of a model."""

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
    dataset: Dataset, class_names: tuple[str, ...], *, whose: str = "the model's"
) -> Dataset:
    """Returns a set with the model's classes in the model's order, matched by name.

    Args:
        dataset: the set.
        class_names: of the model, or of what `whose` names in the message.
        whose: classes these are.

    Raises:
        DatasetError: the set lacks a class of the model, or has another.
    """
    own = dataset.class_names
    if own == class_names:
        return dataset
    if sorted(own) != sorted(class_names):
        missing, unknown = (
            listed([name for name in some if name not in others])
            for some, others in ((class_names, own), (own, class_names))
        )
        raise DatasetError(
            f"the set has {len(own)} classes, {whose} are {len(class_names)}: must be the same, in "
            f"any order (missing: {missing}; not {whose}: {unknown})"
        )
    new_ids = np.array([class_names.index(name) for name in own], np.int64)
    if isinstance(dataset, LabelledImages):
        return LabelledImages(class_names, [renumbered(one, new_ids) for one in dataset.labels])
    return _Reordered(dataset, class_names, new_ids)


Labelled = TypeVar("Labelled", ImageLabels, Sample)


def renumbered(labelled: Labelled, new_ids: npt.NDArray[np.int64]) -> Labelled:
    """Returns an image with other class ids: `new_ids` has one for each of the old ones."""
    unknown = new_ids[list(labelled.unknown_ids)].tolist()
    return replace(
        labelled,
        class_ids=new_ids[labelled.class_ids],
        unknown_ids=tuple(sorted(unknown)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Reordered:
    """A `Dataset` with other class ids: `new_ids` has one for each of the old ones."""

    dataset: Dataset
    class_names: tuple[str, ...]
    new_ids: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, index: int) -> Sample:
        """Returns the image at `index`, from 0."""
        return renumbered(self.dataset.load(index), self.new_ids)
