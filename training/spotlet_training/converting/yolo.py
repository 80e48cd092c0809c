"""Writes YOLO txt: `data.yaml`, and `labels/` beside `images/`, both by split if there are two.

Source: https://docs.ultralytics.com/datasets/detect/
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spotlet.coco_labels import CocoPicture
from spotlet_training.converting.splits import SplitPictures, every, named, suggestion_notes

LEAST_SIDE = 1e-6
"""As a fraction; a thinner box, under 0.01 pixels even of 8K, could lose its area in rounding."""


def picture_folder(split: str, is_divided: bool) -> Path:
    """Returns where the pictures of a split go; Label Studio reads only undivided folders."""
    return Path("images") / split if is_divided else Path("images")


def write_labels(folder: Path, class_names: tuple[str, ...], pictures: SplitPictures) -> list[str]:
    """Writes the description and one text file a picture; returns what the format cannot hold.

    `classes.txt` has the class names for Label Studio.
    """
    description: dict[str, Any] = {}
    for split, part in pictures.items():
        images = picture_folder(split, len(pictures) > 1)
        description[split] = images.as_posix()
        labels = folder / "labels" / images.relative_to("images")
        labels.mkdir(parents=True)
        for picture in part:
            text = "".join(f"{line}\n" for line in _lines(picture))
            (labels / f"{Path(picture.file_name).stem}.txt").write_text(text, "utf-8")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in class_names), "utf-8")
    unknown = {each for one in every(pictures) for each in one.unknown_ids}
    description["names"] = dict(enumerate(class_names))
    if unknown:
        names = [name for index, name in enumerate(class_names) if index not in unknown]
        description["exhaustive"] = names
    text = yaml.safe_dump(description, allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, "utf-8")
    return [*_notes(class_names, pictures, unknown), *suggestion_notes(pictures)]


def _lines(picture: CocoPicture) -> list[str]:
    """Returns the lines of a picture's objects, without the ignored ones."""
    height, width = picture.size_hw
    edges = picture.boxes_xyxy.astype(np.float64) / [width, height, width, height]
    centres, sides = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    rows = np.hstack([centres, np.maximum(sides, LEAST_SIDE)]).tolist()
    return [
        " ".join([str(class_id), *(f"{value:.10g}" for value in row)])
        for class_id, row, ignored in zip(
            picture.class_ids.tolist(), rows, picture.ignored.tolist(), strict=True
        )
        if not ignored
    ]


def _notes(class_names: tuple[str, ...], pictures: SplitPictures, unknown: set[int]) -> list[str]:
    notes = []
    if ignored := sum(int(one.ignored.sum()) for one in every(pictures)):
        notes.append(
            f"ignored objects left out: {ignored}; YOLO cannot mark them, so training takes them "
            "for background, and evaluation counts what is found there as wrong"
        )
    if any({*one.unknown_ids} != unknown for one in every(pictures)):
        notes.append(
            "YOLO lists the completely labelled classes once for the whole set: "
            f"{named(class_names, sorted(unknown))} now count as incomplete in all pictures"
        )
    if "val" not in pictures:
        notes.append(
            "the set has no validation split: Spotlet chooses one when it trains, but other "
            "programs need a `val` in data.yaml"
        )
    return notes
