"""Calls of `label` with teachers without a network, and what they wrote."""

import json
from pathlib import Path
from typing import Any

import cv2
from labelled_sets import scenery
from teachers import FakeTeacher

from spotlet.coco_labels import LABEL_FILE
from spotlet_training.labelling import LabelSettings, LabelSummary, label

BOX = (10.0, 10.0, 50.0, 60.0)
FAR = (70.0, 10.0, 110.0, 60.0)
CAT = FakeTeacher(("cat",), [("cat", 0.9, BOX), ("cat", 0.3, FAR)])


def write_pictures(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"p{number}.png"), scenery(number))
    return folder


def label_with(
    teachers: list[FakeTeacher], pictures: list[Path], out: Path, **settings: Any
) -> LabelSummary:
    asked = LabelSettings(pictures=tuple(pictures), out=out, **settings)
    return label(asked, teachers=teachers)


def rows_of(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The annotations of each picture of a set, by its name."""
    content = json.loads((out / LABEL_FILE).read_text())
    names = {row["id"]: row["file_name"] for row in content["images"]}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for row in content["annotations"]:
        rows[names[row["image_id"]]].append(row)
    return rows


def images_of(out: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((out / LABEL_FILE).read_text())
    return {row["file_name"]: row for row in content["images"]}
