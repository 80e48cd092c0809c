"""Writes COCO JSON in the layout of CVAT and Datumaro: `images/` beside `annotations/`."""

import json
from pathlib import Path

from spotlet.coco_labels import coco_content
from spotlet_training.converting.splits import SplitPictures

WHOLE = "default"
"""The name that tools give to a set without splits."""


def picture_folder(split: str, is_divided: bool) -> Path:
    """Returns where the pictures of a split go; `is_divided`: whether the set has both splits."""
    return Path("images") / split if is_divided else Path("images")


def write_labels(folder: Path, class_names: tuple[str, ...], pictures: SplitPictures) -> list[str]:
    """Writes one file a split; COCO holds all that there is, so no line is returned."""
    (folder / "annotations").mkdir()
    for split, part in pictures.items():
        name = split if len(pictures) > 1 else WHOLE
        text = json.dumps(coco_content(class_names, part), separators=(",", ":"))
        (folder / "annotations" / f"instances_{name}.json").write_text(text + "\n", "utf-8")
    return []
