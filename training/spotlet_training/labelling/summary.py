"""What a labelling has done, in figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spotlet.coco_labels import ABOUT_KEY, FIRST_ID
from spotlet_training.labelling.label_file import RUN_KEY, SetContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """A row of the summary.

    Attributes:
        name: of the class.
        objects: boxes of it in the whole set.
        ignored: regions in doubt.
        pictures: that have an object of it.
        thresholds: with which the teachers looked for it in the pictures.
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
        teachers: names of those that labelled its pictures.
        page: the report.
    """

    out: Path
    added: int
    kept: int
    skipped: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    teachers: tuple[str, ...]
    page: Path


def count_classes(content: SetContent) -> tuple[tuple[ClassCount, ...], tuple[str, ...]]:
    """Returns the figures of each class, and the teachers, over the whole set."""
    count = len(content.class_names)
    objects, ignored, pictures = [0] * count, [0] * count, [0] * count
    # Each once, in order.
    thresholds: list[dict[float, None]] = [{} for _ in range(count)]
    teachers: dict[str, None] = {}
    used: set[object] = set()
    for image, rows, _ in content.entries.values():
        there = set()
        for row in rows:
            class_id = row["category_id"] - FIRST_ID
            if row["iscrowd"]:
                ignored[class_id] += 1
            else:
                objects[class_id] += 1
                there.add(class_id)
        for class_id in there:
            pictures[class_id] += 1
        about = image.get(ABOUT_KEY)
        if isinstance(about, Mapping):
            used.add(about.get(RUN_KEY))
            teachers |= dict.fromkeys(about.get("teachers", ()))
    for index, run in enumerate(content.runs):
        for asked in run.values() if index in used else ():
            for class_id, name in enumerate(content.class_names):
                if name in asked:
                    thresholds[class_id][asked[name]] = None
    counts = tuple(
        ClassCount(
            name=name,
            objects=objects[class_id],
            ignored=ignored[class_id],
            pictures=pictures[class_id],
            thresholds=tuple(thresholds[class_id]),
        )
        for class_id, name in enumerate(content.class_names)
    )
    return counts, tuple(teachers)
