"""The one writer of COCO JSON: what `collect`, `label`, `data convert` and `scenes` save.

Source: https://cocodataset.org/#format-data; Gupta et al. 2019, LVIS, arXiv:1908.03195, section 3
and https://www.lvisdataset.org/dataset (`neg_category_ids`, `not_exhaustive_category_ids`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray

ABOUT_KEY = "spotlet"
"""Key of an image's entry for what only Spotlet writes and reads there."""

SUGGESTED_KEY = "suggested"
"""In that note: whether the labels are a model's, and no person has reviewed them."""

BOXES_KEY = "boxes"
"""In the note on suggestions: how many there are. After a correction there may be others."""

ABSENT_KEY, MORE_KEY = "neg_category_ids", "not_exhaustive_category_ids"
"""LVIS' two lists of an image: classes looked for and absent, and those not boxed exhaustively."""

LABEL_FILE, PICTURE_FOLDER = Path("annotations/instances_default.json"), Path("images")
"""As CVAT and Datumaro lay out a set, so that it can be zipped and imported."""

FIRST_ID = 1
"""Of images, annotations and categories: to some tools 0 means none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CocoPicture:
    """The labels of one picture.

    Attributes:
        file_name: of the picture, relative to the folder of the pictures.
        size_hw: height and width, pixels, upright.
        boxes_xyxy: (N, 4) float32, pixels, on the grid's edges.
        class_ids: (N,) int64, indices into the class names.
        ignored: (N,) bool: neither learnt nor counted; written as `iscrowd`.
        scores: (N,) in [0, 1] of suggestions, NaN for labels that a person made; None if all are.
        unknown_ids: classes that may also be elsewhere in the picture, unlabelled.
        about: more to note of the picture, for JSON; written under `ABOUT_KEY`. Of suggestions,
            their number is added.
    """

    file_name: str
    size_hw: tuple[int, int]
    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    scores: FloatArray | None = None
    unknown_ids: Sequence[int] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def coco_content(class_names: Sequence[str], pictures: Iterable[CocoPicture]) -> dict[str, Any]:
    """Returns the tables of a COCO file, for `json.dumps`; all ids count from `FIRST_ID`.

    A picture with unknown classes gets LVIS' two lists: a class that is not in them and has no box
    is unknown there. A picture without any has no such lists: its labels are complete.

    Args:
        class_names: the index is the class id.
        pictures: in the order of the file.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for identity, picture in enumerate(pictures, FIRST_ID):
        images.append(image_row(identity, picture, len(class_names)))
        annotations += annotation_rows(identity, picture, FIRST_ID + len(annotations))
    return {
        "images": images,
        "annotations": annotations,
        "categories": category_rows(class_names),
    }


def category_rows(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the rows of `categories`."""
    return [{"id": identity, "name": name} for identity, name in enumerate(class_names, FIRST_ID)]


def image_row(identity: int, picture: CocoPicture, class_count: int) -> dict[str, Any]:
    """Returns the picture's row of `images`, with this id."""
    height, width = picture.size_hw
    row: dict[str, Any] = {
        "id": identity,
        "file_name": picture.file_name,
        "width": width,
        "height": height,
    }
    if picture.unknown_ids:
        unknown, there = set(picture.unknown_ids), set(picture.class_ids.tolist())
        absent = set(range(class_count)) - unknown - there
        row[ABSENT_KEY] = sorted(FIRST_ID + each for each in absent)
        row[MORE_KEY] = sorted(FIRST_ID + each for each in unknown & there)
    if picture.about:
        row[ABOUT_KEY] = dict(picture.about)
        if picture.about.get(SUGGESTED_KEY):
            row[ABOUT_KEY].setdefault(BOXES_KEY, len(picture.class_ids))
    return row


def is_suggested(image: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the labels of a picture are suggestions that no person has reviewed.

    A tool may keep the note that says so; a box without a score, or another number of boxes, shows
    that it has corrected them.

    Args:
        image: the row of the picture in `images`.
        rows: its rows in `annotations`.
    """
    about = image.get(ABOUT_KEY)
    return (
        isinstance(about, Mapping)
        and about.get(SUGGESTED_KEY) is True
        and about.get(BOXES_KEY, len(rows)) == len(rows)
        and all("score" in row for row in rows)
    )


def annotation_rows(image: int, picture: CocoPicture, first: int) -> list[dict[str, Any]]:
    """Returns the picture's rows of `annotations`, with ids from `first`.

    Args:
        image: the picture's id.
        picture: whose objects they are.
        first: id of the first row.
    """
    rows: list[dict[str, Any]] = []
    for index, (left, top, right, bottom) in enumerate(picture.boxes_xyxy.tolist()):
        row = {
            "id": first + index,
            "image_id": image,
            "category_id": FIRST_ID + int(picture.class_ids[index]),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "segmentation": [],
            "iscrowd": int(picture.ignored[index]),
        }
        if picture.scores is not None and not np.isnan(picture.scores[index]):
            row["score"] = round(float(picture.scores[index]), 4)
        rows.append(row)
    return rows
