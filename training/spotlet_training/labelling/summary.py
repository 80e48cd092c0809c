"""What a labelling has done, in figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spotlet.coco_labels import FIRST_ID
from spotlet_training.labelling.folder import SetFolder
from spotlet_training.labelling.teachers import Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """A row of the summary.

    Attributes:
        name: of the class.
        objects: boxes of it in the whole set.
        ignored: regions in doubt.
        pictures: that have an object of it.
        thresholds: of each teacher that knows it.
    """

    name: str
    objects: int
    ignored: int
    pictures: int
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSummary:
    """What a labelling has done.

    Attributes:
        out: folder of the set.
        added: pictures labelled now.
        kept: pictures that were there already.
        skipped: why each of the others was left out.
        classes: a row for each class of the set.
        page: the report.
    """

    out: Path
    added: int
    kept: int
    skipped: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    page: Path


def count_classes(folder: SetFolder, assignments: Sequence[Assignment]) -> tuple[ClassCount, ...]:
    """Returns the figures of each class over the whole set, also of pictures from earlier runs."""
    count = len(folder.class_names)
    objects, ignored, pictures = [0] * count, [0] * count, [0] * count
    for _, rows in folder.entries:
        there = set()
        for row in rows:
            class_id = row["category_id"] - FIRST_ID
            if row.get("iscrowd"):
                ignored[class_id] += 1
            else:
                objects[class_id] += 1
                there.add(class_id)
        for class_id in there:
            pictures[class_id] += 1
    return tuple(
        ClassCount(
            name=name,
            objects=objects[class_id],
            ignored=ignored[class_id],
            pictures=pictures[class_id],
            thresholds=tuple(
                float(each.thresholds[class_id]) for each in assignments if each.knows[class_id]
            ),
        )
        for class_id, name in enumerate(folder.class_names)
    )
