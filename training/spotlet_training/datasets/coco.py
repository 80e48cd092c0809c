"""COCO JSON: boxes as [x, y, width, height] in pixels, category ids that need not be dense.

Source: https://cocodataset.org/#format-data
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import Problems, read_text, settle_box
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow

SPLIT_FILES = (
    "annotations/{split}.json",
    "annotations/instances_{split}*.json",
    "{split}/_annotations.coco.json",
)
"""Where the labels of one split lie, below the set's folder."""

WHOLE_FILES = ("annotations/instances_default.json", "result.json", "_annotations.coco.json")
"""Where tools put all labels when there are no splits."""

SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid")}
"""What a split may be called in file and folder names."""

Categories = dict[int, str]


def find_coco_files(root: Path) -> dict[str, Path]:
    """Returns the label file of each split that is there; none where the set is not COCO.

    Raises:
        DatasetError: a split has several.
    """
    found: dict[str, Path] = {}
    for split, names in SPLIT_NAMES.items():
        patterns = [pattern.format(split=name) for name in names for pattern in SPLIT_FILES]
        files = sorted({path for pattern in patterns for path in root.glob(pattern)})
        if len(files) > 1:
            listed = ", ".join(str(path.relative_to(root)) for path in files)
            raise DatasetError(f"{root}: more than one COCO file of {split} ({listed}); keep one")
        if files:
            found[split] = files[0]
    whole = [root / name for name in WHOLE_FILES if (root / name).is_file()]
    if whole and not found:
        found["train"] = whole[0]
    return found


def read_coco(root: Path) -> LabelledSet:
    """Returns the labels of a COCO set, and what is wrong with them.

    Raises:
        DatasetError: a file as a whole cannot be used.
    """
    files = find_coco_files(root)
    if "train" not in files:
        raise DatasetError(f"{root}: no COCO labels of a train split, only {files['val']}")
    contents = {split: _read_json(path) for split, path in files.items()}
    categories = {split: _categories(files[split], content) for split, content in contents.items()}
    if "val" in categories and categories["val"] != categories["train"]:
        raise DatasetError(
            f"{files['val']}: other categories than in {files['train'].name}; both splits must "
            "list the same ids and names"
        )
    kept, notes = _without_umbrella(categories["train"], contents)
    index_of = {category: index for index, category in enumerate(sorted(kept))}
    problems = Problems(root)
    labels = {
        split: _read_split(root, split, files[split], content, index_of, problems)
        for split, content in contents.items()
    }
    names = tuple(kept[category] for category in sorted(kept))
    return LabelledSet(names, labels["train"], labels.get("val"), notes, problems)


def _read_json(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns the three tables of a COCO file, each row a JSON object."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not JSON ({error})") from error
    tables = {}
    for key in ("images", "annotations", "categories"):
        table = content.get(key) if isinstance(content, dict) else None
        if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            raise DatasetError(f"{path}: no list {key!r} of objects; COCO detection labels have it")
        tables[key] = table
    return tables


def _categories(path: Path, content: dict[str, list[dict[str, Any]]]) -> Categories:
    found: Categories = {}
    for row in content["categories"]:
        identity, name = row.get("id"), row.get("name")
        if type(identity) is not int or not isinstance(name, str):
            raise DatasetError(f"{path}: category {row}: must have a whole `id` and a `name`")
        if identity in found or name in found.values():
            raise DatasetError(f"{path}: category {identity} {name!r} is there twice")
        found[identity] = name
    return found


def _without_umbrella(
    categories: Categories, contents: dict[str, dict[str, list[dict[str, Any]]]]
) -> tuple[Categories, list[str]]:
    """Drops the category that Roboflow adds as the parent of all others, and says so."""
    rows = contents["train"]["categories"]
    parents = [row.get("supercategory") for row in rows if row.get("supercategory") != row["name"]]
    used = {_id(row, "category_id") for part in contents.values() for row in part["annotations"]}
    umbrellas = {
        identity
        for identity, name in categories.items()
        if name in parents and identity not in used and len(categories) > 1
    }
    notes = [
        f"category {identity} {categories[identity]!r} is left out: it is the parent of others "
        "and has no object"
        for identity in sorted(umbrellas)
    ]
    return {key: name for key, name in categories.items() if key not in umbrellas}, notes


def _read_split(
    root: Path,
    split: str,
    file: Path,
    content: dict[str, list[dict[str, Any]]],
    index_of: dict[int, int],
    problems: Problems,
) -> list[ImageLabels]:
    paths, sizes_hw = _read_images(_image_folders(root, split, file), file, content, problems)
    rows: dict[int, list[LabelRow]] = {identity: [] for identity in paths}
    known = {_id(row, "id") for row in content["images"]} - {None}
    for row in content["annotations"]:
        where = f"annotation {row.get('id')}: "
        image, category = _id(row, "image_id"), _id(row, "category_id")
        if image not in known:
            problems.add(file, f"{where}image {row.get('image_id')!r} is not in the list of images")
        elif category not in index_of:
            problems.add(file, f"{where}unknown class: category {row.get('category_id')!r}")
        elif image in sizes_hw:
            height, width = sizes_hw[image]
            try:
                box = settle_box(_edges(row.get("bbox")), (width, height))
            except (ValueError, OverflowError) as error:
                problems.add(file, f"{where}{error}")
                continue
            if image in rows:
                crowd, place = bool(row.get("iscrowd", 0)), _id(row, "id") or 0
                rows[image].append(LabelRow(box, index_of[category], crowd, place))
    return [ImageLabels.from_rows(paths[key], rows[key], file, sizes_hw[key]) for key in paths]


def _id(row: dict[str, Any], key: str) -> int | None:
    """Returns the whole number under a key; None where there is none."""
    value = row.get(key)
    return value if type(value) is int else None


def _edges(bbox: object) -> tuple[float, float, float, float]:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"bbox {bbox!r} is not four numbers; correct or remove it")
    if any(isinstance(side, bool) or not isinstance(side, int | float) for side in bbox):
        raise ValueError(f"bbox {bbox!r} is not four numbers; correct or remove it")
    x, y, width, height = bbox
    return x, y, x + width, y + height


def _image_folders(root: Path, split: str, file: Path) -> list[Path]:
    """Returns where the images of a split may lie, the most likely first."""
    named = file.stem.removeprefix("instances_")
    names = dict.fromkeys([named, *SPLIT_NAMES[split]])
    below = [folder for name in names for folder in (root / name, root / "images" / name)]
    return [folder for folder in (*below, file.parent, root / "images", root) if folder.is_dir()]


def _read_images(
    folders: Iterable[Path],
    file: Path,
    content: dict[str, list[dict[str, Any]]],
    problems: Problems,
) -> tuple[dict[int, Path], dict[int, tuple[int, int]]]:
    """Returns the path of each image that is there by its id, and each (height, width)."""
    paths: dict[int, Path] = {}
    sizes_hw: dict[int, tuple[int, int]] = {}
    seen: set[str] = set()
    for row in content["images"]:
        identity, name = row.get("id"), row.get("file_name")
        size_hw = row.get("height"), row.get("width")
        if type(identity) is not int or not isinstance(name, str):
            problems.add(file, f"image {identity!r}: must have a whole `id` and a `file_name`")
        elif not all(type(side) is int and side > 0 for side in size_hw):
            problems.add(file, f"image {identity}: must have its `width` and `height` in pixels")
        elif identity in sizes_hw or name in seen:
            problems.add(file, f"image {identity} {name!r} is there twice")
        else:
            # Labelling tools on Windows write its separator.
            parts = name.replace("\\", "/")
            path = next((at / parts for at in folders if (at / parts).is_file()), None)
            sizes_hw[identity] = row["height"], row["width"]
            if path is None:
                problems.add(file, f"image {identity}: no such file {name!r} in the set")
            else:
                paths[identity] = path
        seen.add(str(name))
    return paths, sizes_hw
