"""What is in the label file of the written set: COCO JSON, and a note that only Spotlet reads.

The note has the classes that were looked for, the thresholds of each run, and the doubtful regions
of classes of which no object was found: those are not in the other tables, because a class without
a box can be neither learnt nor measured.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spotlet.coco_labels import (
    ABOUT_KEY,
    ABSENT_KEY,
    BOXES_KEY,
    FIRST_ID,
    LABEL_FILE,
    MORE_KEY,
    category_rows,
    is_suggested,
)
from spotlet.errors import DatasetError, UsageError
from spotlet_training.datasets.checks import read_text
from spotlet_training.datasets.coco import read_coco
from spotlet_training.datasets.coco_files import find_coco_files
from spotlet_training.datasets.coco_rows import (
    box_edges,
    file_name,
    has_bbox,
    is_crowd,
    whole_number,
)
from spotlet_training.datasets.federated import unknown_classes
from spotlet_training.labelling.classes import listed

RUN_KEY = "run"
"""In the note on a picture: which of the runs labelled it."""

Row = dict[str, Any]

Run = dict[str, dict[str, float]]
"""The threshold of each class by the teacher's name."""


class Entry(NamedTuple):
    """A picture of the set.

    Attributes:
        image: its row in `images`.
        rows: its rows in `annotations`.
        path: of the file.
    """

    image: Row
    rows: list[Row]
    path: Path


@dataclass(slots=True)
class SetContent:
    """What a label file says.

    Attributes:
        class_names: the index is the class id; categories count from `FIRST_ID`.
        entries: by the name of the picture's file.
        runs: that labelled.
        opened: classes that nobody has looked for in the pictures so far.
    """

    class_names: tuple[str, ...]
    entries: dict[str, Entry] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    opened: tuple[str, ...] = ()


def read_content(root: Path, asked: Sequence[str], *, in_order: bool = False) -> SetContent:
    """Returns what the label file of a set says.

    Args:
        root: of the set.
        asked: classes of the set. If a tool has dropped the note, the file may have fewer.
        in_order: whether the class ids are by the order of `asked`, not by that of the file.

    Raises:
        DatasetError: the set cannot be read.
        UsageError: it has other classes.
    """
    if find_coco_files(root) != {"train": root / LABEL_FILE}:
        raise DatasetError(
            f"{root}: has more label files than {LABEL_FILE}; give a new folder, or remove them"
        )
    labels = read_coco(root)
    labels.problems.raise_if_any()
    tables = json.loads(read_text(root / LABEL_FILE))
    known, (noted, runs, left_out) = labels.class_names, _note(tables.get(ABOUT_KEY))
    if not set(known) <= set(noted):
        noted, left_out = (), []
    before = noted or known
    if not set(before) <= set(asked) or (noted and len(noted) < len(asked)):
        raise UsageError(
            f"{root}: has the classes {listed(before)}, not {listed(asked)}; give the same "
            "classes, or a new folder"
        )
    opened = tuple(name for name in asked if name not in before)
    names = tuple(asked) if in_order else (*before, *opened)
    id_of = {name: identity for identity, name in enumerate(names, FIRST_ID)}
    id_at = {
        whole_number(row, "id"): id_of[str(row["name"])]
        for row in tables["categories"]
        if str(row["name"]) in known
    }
    rows_of: dict[int | None, list[Row]] = {}
    for row in tables["annotations"]:
        row["category_id"] = id_at[whole_number(row, "category_id")]
        rows_of.setdefault(whole_number(row, "image_id"), []).append(row)
    content = SetContent(names, runs=runs, opened=opened)
    known_ids = {id_of[name] for name in before}
    for image, one in zip(tables["images"], labels.train, strict=True):
        identity = whole_number(image, "id")
        assert identity is not None
        assert one.size_hw is not None
        rows = rows_of.get(identity, [])
        image["id"] = identity
        image["height"], image["width"] = one.size_hw
        for row in rows:
            _complete(row, identity, one.size_hw)
        for key in (ABSENT_KEY, MORE_KEY):
            if image.get(key) is not None:
                numbers = (whole_number({key: each}, key) for each in image[key])
                image[key] = sorted(id_at[each] for each in numbers if each in id_at)
        if opened and image.get(ABSENT_KEY) is None:
            absent = known_ids - {*image.get(MORE_KEY, ()), *(row["category_id"] for row in rows)}
            image[ABSENT_KEY] = sorted(absent)
        if more := [each for each in left_out if each["image_id"] == identity]:
            if is_suggested(image, rows):
                image[ABOUT_KEY][BOXES_KEY] = len(rows) + len(more)
            rows += [{**row, "category_id": id_of[noted[row["category_id"] - 1]]} for row in more]
        name = one.path.name if one.path.name not in content.entries else str(file_name(image))
        content.entries[name] = Entry(image, rows, one.path)
    return content


def written(content: SetContent, *, every_class: bool) -> dict[str, Any]:
    """Returns the tables and the note, for `json.dumps`.

    Args:
        content: of the set.
        every_class: whether classes without an object are listed too.
    """
    there = {
        row["category_id"]
        for entry in content.entries.values()
        for row in entry.rows
        if not row["iscrowd"]
    }
    categories = category_rows(content.class_names)
    if there and not every_class:
        categories = [row for row in categories if row["id"] in there]
    ids = {row["id"] for row in categories}
    images, annotations, left_out = list[Row](), list[Row](), list[Row]()
    for image, rows, _ in content.entries.values():
        shown = [row for row in rows if row["category_id"] in ids]
        left_out += [row for row in rows if row["category_id"] not in ids]
        annotations += shown
        image = dict(image)
        if len(shown) < len(rows) and is_suggested(image, rows):
            image[ABOUT_KEY] = {**image[ABOUT_KEY], BOXES_KEY: len(shown)}
        is_open = bool(unknown_ids(image, shown, ids, len(content.class_names)))
        for key in (ABSENT_KEY, MORE_KEY):
            if (values := image.pop(key, None)) is not None and is_open:
                image[key] = [each for each in values if each in ids]
        images.append(image)
    note = {"classes": content.class_names, "runs": content.runs, "left_out": left_out}
    return {"images": images, "annotations": annotations, "categories": categories, ABOUT_KEY: note}


def unknown_ids(
    image: Mapping[str, Any], rows: Iterable[Row], ids: set[int], class_count: int
) -> tuple[int, ...]:
    """Returns which of some categories a picture may show more of than is marked.

    Args:
        image: its row.
        rows: its annotations.
        ids: of those categories.
        class_count: how many categories there are.
    """
    every = range(FIRST_ID, FIRST_ID + class_count)
    index_of = {each: each if each in ids else None for each in every}
    return unknown_classes(image, index_of, {row["category_id"] for row in rows})


def _complete(row: Row, image: int, size_hw: tuple[int, int]) -> None:
    """Gives a row what a tool may have left out or written as text."""
    row["id"], row["image_id"] = whole_number(row, "id") or 0, image
    row["iscrowd"] = int(is_crowd(row))
    if not has_bbox(row):
        left, top, right, bottom = box_edges(row, size_hw)
        row["bbox"] = [left, top, right - left, bottom - top]


def _note(note: Any) -> tuple[tuple[str, ...], list[Run], list[Row]]:
    """Returns the classes, the runs and the rows that a note has; nothing without one."""
    try:
        return tuple(map(str, note["classes"])), list(note["runs"]), list(note["left_out"])
    except (TypeError, KeyError):
        return (), [], []
