"""COCO JSON: boxes as [x, y, width, height] in pixels, category ids that need not be dense.

Source: https://cocodataset.org/#format-data
"""

import json
import math
from pathlib import Path
from typing import Any

from spotlet.errors import DatasetError, SourceError
from spotlet_training.datasets.checks import (
    ROTATED_NOTE,
    Problems,
    box_around_rotated,
    clip_box,
    inside,
    read_text,
)
from spotlet_training.datasets.coco_files import PictureFinder, find_coco_files, other_coco_files
from spotlet_training.datasets.coco_rows import (
    box_edges,
    file_name,
    has_bbox,
    is_crowd,
    rotation_degrees,
    suggested_score,
    whole_number,
)
from spotlet_training.datasets.federated import ContradictionError, unknown_classes
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow
from spotlet_training.datasets.pictures_below import Places

Categories = dict[int, str]
Tables = dict[str, list[dict[str, Any]]]
"""The `images`, `annotations` and `categories` of a file."""


def read_coco(root: Path) -> LabelledSet:
    """Returns the labels of a COCO set, and the problems in them.

    Raises:
        DatasetError: a whole file cannot be used.
    """
    files = find_coco_files(root) or other_coco_files(root)
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
            category: names.index(name) if name in names else None
            for category, name in categories[split].items()
        }
        finder = PictureFinder(root, split, files[split])
        labels[split] = _read_split(finder, files[split], content, index_of, problems)
        if finder.moved:
            (name, path), count = finder.moved[0], len(finder.moved)
            notes.append(
                f"pictures of {split} that are not where the labels say: {count}; each is the only "
                f"one whose path ends alike ({name!r} is {inside(root, path)})"
            )
        if finder.measured:
            notes.append(
                f"images of {split} without width and height, which are read from the pictures: "
                f"{finder.measured}"
            )
    rows = [row for content in contents.values() for row in content["annotations"]]
    if rotated := sum(rotation_degrees(row) != 0 for row in rows):
        notes.append(ROTATED_NOTE.format(rotated))
    if outlined := sum(not has_bbox(row) for row in rows):
        notes.append(f"annotations without `bbox`, taken as the boxes around outlines: {outlined}")
    if wrong := sum(
        math.isnan(suggested_score(row)) for row in rows if row.get("score") is not None
    ):
        notes.append(f"scores left out, as they are not numbers from 0 to 1: {wrong}")
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
        identity, name = whole_number(row, "id"), row.get("name")
        name = str(name) if type(name) is int else name
        if identity is None or not isinstance(name, str):
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
    finder: PictureFinder,
    file: Path,
    content: Tables,
    index_of: dict[int, int | None],
    problems: Problems,
) -> list[ImageLabels]:
    """Returns the labels of a split.

    Args:
        finder: of its pictures.
        file: its label file.
        content: of that file.
        index_of: class id of each category; None for one that is skipped.
        problems: to add to.
    """
    images = _read_images(finder, file, content, problems)
    rows: dict[int, list[LabelRow]] = {identity: [] for identity in images}
    known = {whole_number(row, "id") for row in content["images"]} - {None}
    for row in content["annotations"]:
        where = f"annotation {row.get('id')}: "
        image, category = whole_number(row, "image_id"), whole_number(row, "category_id")
        if image not in known:
            problems.add(file, f"{where}image {row.get('image_id')!r} is not in `images`")
        elif category is None or (class_id := index_of.get(category)) is None:
            what = f"unknown class: category {row.get('category_id')!r} is not in `categories`"
            problems.add(file, f"{where}{what}; correct it, or add it there")
        elif image in images:
            _, (height, width) = images[image]
            try:
                edges = box_edges(row, (height, width))
                if (degrees := rotation_degrees(row)) and has_bbox(row):
                    edges = box_around_rotated(edges, degrees, (width, height))
                box, crowd = clip_box(edges, (width, height)), is_crowd(row)
            except (ValueError, OverflowError) as error:
                problems.add(file, f"{where}{error}")
                continue
            place, score = whole_number(row, "id") or 0, suggested_score(row)
            rows[image].append(LabelRow(box, class_id, crowd, place, score))
    unknown, contradictory = dict[int, tuple[int, ...]](), list[str]()
    for row in content["images"]:
        if (identity := whole_number(row, "id")) in images:
            try:
                boxed = {each.class_id for each in rows[identity]}
                unknown[identity] = unknown_classes(row, index_of, boxed)
            except ContradictionError as error:
                contradictory.append(f"image {identity}: {error}")
            except ValueError as error:
                problems.add(file, f"image {identity}: {error}")
    if contradictory:
        more = f" ({len(contradictory)} such images)" if len(contradictory) > 1 else ""
        problems.add(file, contradictory[0] + more)
    return [
        ImageLabels.from_rows(path, rows[identity], file, size_hw, unknown.get(identity, ()))
        for identity, (path, size_hw) in images.items()
        if path is not None
    ]


def _read_images(
    finder: PictureFinder, file: Path, content: Tables, problems: Problems
) -> dict[int, tuple[Path | None, tuple[int, int]]]:
    """Returns the path and (height, width) of each image by its id; no path without a file."""
    images: dict[int, tuple[Path | None, tuple[int, int]]] = {}
    seen: set[str] = set()
    places, identity_at = Places(), dict[str, int]()
    for row in content["images"]:
        identity, name = whole_number(row, "id"), file_name(row)
        height, width = (
            whole_number(row, key) if row.get(key) else 0 for key in ("height", "width")
        )
        if identity is None or name is None:
            wrong = f"image {row.get('id')!r}"
            problems.add(file, f"{wrong}: must have an integer `id` and a `file_name`")
        elif height is None or width is None or min(height, width) < 0:
            problems.add(file, f"image {identity}: must have `width` and `height` in pixels")
        elif identity in images or name in seen:
            problems.add(file, f"duplicate image {identity} {name!r}; keep one")
        else:
            try:
                path = finder.find(name)
                if path is None:
                    raise ValueError(f"no such file {name!r}; put it back, or remove its entry")
                images[identity] = path, finder.size_hw(path, (height, width))
            except (ValueError, SourceError) as error:
                problems.add(file, f"image {identity}: {error}")
                path = None
                if height and width:
                    images[identity] = None, (height, width)
            first = identity if path is None else identity_at.setdefault(places.of(path), identity)
            if first != identity:
                problems.add(
                    file,
                    f"duplicate image {identity} {name!r}: the same file as image {first}; keep "
                    "one, with the annotations of both",
                )
        seen.add(str(name))
    return images
