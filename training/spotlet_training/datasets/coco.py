"""COCO JSON: boxes as [x, y, width, height] in pixels, category ids that need not be dense.

Source: https://cocodataset.org/#format-data
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import (
    ROTATED_NOTE,
    SPLIT_NAMES,
    Problems,
    box_around_rotated,
    clip_box,
    read_text,
)
from spotlet_training.datasets.coco_rows import (
    bbox_edges,
    is_crowd,
    rotation_degrees,
    whole_number,
)
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow
from spotlet_training.datasets.pictures_below import Places, Spellings

SPLIT_FILES = (
    "annotations/{split}.json",
    "annotations/instances_{split}*.json",
    "{split}/_annotations.coco.json",
)
"""Label files of one split, below the set's folder."""

WHOLE_FILES = ("annotations/instances_default.json", "result.json", "_annotations.coco.json")
"""Label files of sets without splits, as tools write them."""

Categories = dict[int, str]
Tables = dict[str, list[dict[str, Any]]]
"""The `images`, `annotations` and `categories` of a file."""


def find_coco_files(root: Path) -> dict[str, Path]:
    """Returns the label file of each split that exists; none if the set is not COCO.

    Raises:
        DatasetError: a split has several label files.
    """
    found: dict[str, Path] = {}
    for split, names in SPLIT_NAMES.items():
        patterns = [pattern.format(split=name) for name in names for pattern in SPLIT_FILES]
        files = sorted({path for pattern in patterns for path in root.glob(pattern)})
        if len(files) > 1:
            listed = ", ".join(str(path.relative_to(root)) for path in files)
            raise DatasetError(
                f"{root}: several COCO files of the {split} split ({listed}); keep one"
            )
        if files:
            found[split] = files[0]
    whole = [root / name for name in WHOLE_FILES if (root / name).is_file()]
    if whole and not found:
        found["train"] = whole[0]
    return found


def read_coco(root: Path) -> LabelledSet:
    """Returns the labels of a COCO set, and the problems in them.

    Raises:
        DatasetError: a whole file cannot be used.
    """
    files = find_coco_files(root)
    if "train" not in files:
        raise DatasetError(f"{root}: no COCO labels for a train split, only {files['val']}")
    contents = {split: _read_json(path) for split, path in files.items()}
    categories = {split: _categories(files[split], content) for split, content in contents.items()}
    # Two exports of one project may number its categories differently.
    if sorted(categories.get("val", categories["train"]).values()) != sorted(
        categories["train"].values()
    ):
        raise DatasetError(
            f"{files['val']}: categories differ from those in {files['train'].name}; both splits "
            "must list the same names"
        )
    kept, notes = _without_parent(categories, contents)
    names = tuple(kept[category] for category in sorted(kept))
    problems = Problems(root)
    labels = {}
    for split, content in contents.items():
        index_of = {
            category: names.index(name)
            for category, name in categories[split].items()
            if name in names
        }
        labels[split] = _read_split(root, split, files[split], content, index_of, problems)
    rows = [row for content in contents.values() for row in content["annotations"]]
    if rotated := sum(rotation_degrees(row) != 0 for row in rows):
        notes.append(ROTATED_NOTE.format(rotated))
    return LabelledSet(names, labels["train"], labels.get("val"), notes, problems)


def _read_json(path: Path) -> Tables:
    """Returns the three tables of a COCO file, each row a JSON object."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not JSON ({error})") from error
    tables = {}
    for key in ("images", "annotations", "categories"):
        table = content.get(key) if isinstance(content, dict) else None
        if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            raise DatasetError(f"{path}: no list {key!r} of objects, which COCO labels must have")
        tables[key] = table
    return tables


def _categories(path: Path, content: Tables) -> Categories:
    found: Categories = {}
    for row in content["categories"]:
        identity, name = row.get("id"), row.get("name")
        if type(identity) is not int or not isinstance(name, str):
            raise DatasetError(f"{path}: category {row}: must have an integer `id` and a `name`")
        if identity in found or name in found.values():
            raise DatasetError(f"{path}: duplicate category {identity} {name!r}; keep one")
        found[identity] = name
    return found


def _without_parent(
    categories: dict[str, Categories], contents: dict[str, Tables]
) -> tuple[Categories, list[str]]:
    """Drops the category that Roboflow adds as the parent of all others; returns notes on it.

    The categories that remain have the ids of the training split.
    """
    own = categories["train"]
    rows = contents["train"]["categories"]
    parents = [row.get("supercategory") for row in rows if row.get("supercategory") != row["name"]]
    used = {
        categories[split].get(identity)
        for split, part in contents.items()
        for row in part["annotations"]
        if (identity := whole_number(row, "category_id")) is not None
    }
    umbrellas = {
        identity
        for identity, name in own.items()
        if name in parents and name not in used and len(own) > 1
    }
    notes = [
        f"category {identity} {own[identity]!r} is skipped: it is the parent of others "
        "and has no objects"
        for identity in sorted(umbrellas)
    ]
    return {key: name for key, name in own.items() if key not in umbrellas}, notes


def _read_split(
    root: Path,
    split: str,
    file: Path,
    content: Tables,
    index_of: dict[int, int],
    problems: Problems,
) -> list[ImageLabels]:
    images = _read_images(_image_folders(root, split, file), file, content, problems)
    rows: dict[int, list[LabelRow]] = {identity: [] for identity in images}
    known = {whole_number(row, "id") for row in content["images"]} - {None}
    for row in content["annotations"]:
        where = f"annotation {row.get('id')}: "
        image, category = whole_number(row, "image_id"), whole_number(row, "category_id")
        if image not in known:
            problems.add(file, f"{where}image {row.get('image_id')!r} is not in `images`")
        elif category not in index_of:
            what = f"unknown class: category {row.get('category_id')!r} is not in `categories`"
            problems.add(file, f"{where}{what}; correct it, or add it there")
        elif image in images:
            _, (height, width) = images[image]
            try:
                edges = bbox_edges(row.get("bbox"))
                if degrees := rotation_degrees(row):
                    edges = box_around_rotated(edges, degrees, (width, height))
                box, crowd = clip_box(edges, (width, height)), is_crowd(row)
            except (ValueError, OverflowError) as error:
                problems.add(file, f"{where}{error}")
                continue
            rows[image].append(
                LabelRow(box, index_of[category], crowd, whole_number(row, "id") or 0)
            )
    return [
        ImageLabels.from_rows(path, rows[identity], file, size_hw)
        for identity, (path, size_hw) in images.items()
        if path is not None
    ]


def _image_folders(root: Path, split: str, file: Path) -> list[Path]:
    """Returns the folders that may hold the images of a split, the most likely first."""
    named = file.stem.removeprefix("instances_")
    names = dict.fromkeys([named, *SPLIT_NAMES[split]])
    below = [folder for name in names for folder in (root / name, root / "images" / name)]
    return [folder for folder in (*below, file.parent, root / "images", root) if folder.is_dir()]


def _read_images(
    folders: Iterable[Path], file: Path, content: Tables, problems: Problems
) -> dict[int, tuple[Path | None, tuple[int, int]]]:
    """Returns the path and (height, width) of each image by its id; no path without a file."""
    images: dict[int, tuple[Path | None, tuple[int, int]]] = {}
    seen: set[str] = set()
    places, spellings, identity_at = Places(), Spellings(), dict[str, int]()
    for row in content["images"]:
        identity, name = row.get("id"), row.get("file_name")
        size_hw = row.get("height"), row.get("width")
        if type(identity) is not int or not isinstance(name, str):
            problems.add(file, f"image {identity!r}: must have an integer `id` and a `file_name`")
        elif not all(type(side) is int and side > 0 for side in size_hw):
            problems.add(file, f"image {identity}: must have `width` and `height` in pixels")
        elif identity in images or name in seen:
            problems.add(file, f"duplicate image {identity} {name!r}; keep one")
        else:
            # Labelling tools on Windows write backslashes.
            parts = name.replace("\\", "/")
            path = next((at / parts for at in folders if (at / parts).is_file()), None)
            alike = (spellings.find(at / parts) for at in folders if path is None)
            path = path or next(filter(None, alike), None)
            images[identity] = path, (row["height"], row["width"])
            first = identity if path is None else identity_at.setdefault(places.of(path), identity)
            if first != identity:
                problems.add(
                    file,
                    f"duplicate image {identity} {name!r}: the same file as image {first}; keep "
                    "one, with the annotations of both",
                )
            if path is None:
                problems.add(
                    file,
                    f"image {identity}: no such file {name!r}; put it back, or remove its entry",
                )
        seen.add(str(name))
    return images
