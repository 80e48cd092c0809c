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
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow
from spotlet_training.datasets.pictures_below import Places

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
    if "val" in categories and categories["val"] != categories["train"]:
        raise DatasetError(
            f"{files['val']}: categories differ from those in {files['train'].name}; both splits "
            "must list the same ids and names"
        )
    kept, notes = _without_parent(categories["train"], contents)
    index_of = {category: index for index, category in enumerate(sorted(kept))}
    problems = Problems(root)
    labels = {
        split: _read_split(root, split, files[split], content, index_of, problems)
        for split, content in contents.items()
    }
    names = tuple(kept[category] for category in sorted(kept))
    rows = [row for content in contents.values() for row in content["annotations"]]
    if rotated := sum(_rotation(row) != 0 for row in rows):
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
    categories: Categories, contents: dict[str, Tables]
) -> tuple[Categories, list[str]]:
    """Drops the category that Roboflow adds as the parent of all others; returns notes on it."""
    rows = contents["train"]["categories"]
    parents = [row.get("supercategory") for row in rows if row.get("supercategory") != row["name"]]
    used = {_id(row, "category_id") for part in contents.values() for row in part["annotations"]}
    umbrellas = {
        identity
        for identity, name in categories.items()
        if name in parents and identity not in used and len(categories) > 1
    }
    notes = [
        f"category {identity} {categories[identity]!r} is skipped: it is the parent of others "
        "and has no objects"
        for identity in sorted(umbrellas)
    ]
    return {key: name for key, name in categories.items() if key not in umbrellas}, notes


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
    known = {_id(row, "id") for row in content["images"]} - {None}
    for row in content["annotations"]:
        where = f"annotation {row.get('id')}: "
        image, category = _id(row, "image_id"), _id(row, "category_id")
        if image not in known:
            problems.add(file, f"{where}image {row.get('image_id')!r} is not in `images`")
        elif category not in index_of:
            what = f"unknown class: category {row.get('category_id')!r} is not in `categories`"
            problems.add(file, f"{where}{what}; correct it, or add it there")
        elif image in images:
            _, (height, width) = images[image]
            try:
                edges = _edges(row.get("bbox"))
                if degrees := _rotation(row):
                    edges = box_around_rotated(edges, degrees, (width, height))
                box, crowd = clip_box(edges, (width, height)), _is_crowd(row)
            except (ValueError, OverflowError) as error:
                problems.add(file, f"{where}{error}")
                continue
            rows[image].append(LabelRow(box, index_of[category], crowd, _id(row, "id") or 0))
    return [
        ImageLabels.from_rows(path, rows[identity], file, size_hw)
        for identity, (path, size_hw) in images.items()
        if path is not None
    ]


def _id(row: dict[str, Any], key: str) -> int | None:
    """Returns the integer under a key; None if there is none."""
    value = row.get(key)
    return value if type(value) is int else None


def _is_crowd(row: dict[str, Any]) -> bool:
    """Returns the flag `iscrowd`: 0 or 1, which some tools write as text or as true and false."""
    value = row.get("iscrowd")
    text = str(0 if value is None else value).strip().lower()
    if text in ("0", "0.0", "false", ""):
        return False
    if text in ("1", "1.0", "true"):
        return True
    raise ValueError(f"iscrowd {value!r} must be 0 or 1; correct it")


def _rotation(row: dict[str, Any]) -> float:
    """Returns by how many degrees a tool such as CVAT has turned the box about its centre."""
    attributes = row.get("attributes")
    degrees = attributes.get("rotation") if isinstance(attributes, dict) else None
    return float(degrees) % 360 if isinstance(degrees, int | float) else 0.0


def _edges(bbox: object) -> tuple[float, float, float, float]:
    sides = bbox if isinstance(bbox, list) else []
    if len(sides) != 4 or any(type(side) not in (int, float) for side in sides):
        raise ValueError(f"bbox {bbox!r} is not four numbers; correct or remove it")
    x, y, width, height = sides
    return x, y, x + width, y + height


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
    places, identity_at = Places(), dict[Path, int]()
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
