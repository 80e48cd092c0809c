"""YOLO txt: a `data.yaml`, and beside every image a text file of class, centre and size.

Each line is `class x_centre y_centre width height`, or `class x1 y1 x2 y2 x3 y3 …` for an
outline, in fractions of the image.

Source: https://docs.ultralytics.com/datasets/detect/
"""

from pathlib import Path
from typing import Any

import yaml

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import (
    Problems,
    clip_box,
    is_image,
    read_text,
    without_path,
)
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow

YOLO_FILES = ("data.yaml", "data.yml", "dataset.yaml")
"""Names of the file that describes a set."""

LABEL_FOLDER_EXTRAS = frozenset({"classes.txt", "notes.txt", "readme.txt"})
"""Text files without labels that labelling tools leave among them."""


def find_yolo_file(root: Path) -> Path | None:
    """Returns the set's description; None if the set is not YOLO."""
    return next((root / name for name in YOLO_FILES if (root / name).is_file()), None)


def read_yolo(description: Path) -> LabelledSet:
    """Returns the labels of a YOLO set, and the problems in them.

    Args:
        description: its `data.yaml`.

    Raises:
        DatasetError: the description, or a folder or list that it names, cannot be used.
    """
    try:
        content = yaml.safe_load(read_text(description))
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{description}: is not YAML ({reason})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{description}: must have the keys `names`, `train` and `val`")
    if "kpt_shape" in content:
        raise DatasetError(f"{description}: a set of key points; spotlet needs boxes")
    names = _class_names(description, content)
    problems = Problems(description.parent)
    train = _read_split(description, content, "train", names, problems)
    if train is None:
        raise DatasetError(f"{description}: no `train`; must name the folder of training images")
    val = _read_split(description, content, "val", names, problems)
    return LabelledSet(names, train, val, [], problems)


def _class_names(description: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DatasetError(
                f"{description}: `names` are numbered {', '.join(map(str, names))}; must be "
                f"0 to {len(names) - 1}"
            )
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{description}: no `names`; must be a list of class names")
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            raise DatasetError(f"{description}: class name {name!r} must be text; put it in quotes")
    texts = tuple(str(name) for name in names)
    if len(set(texts)) != len(texts):
        raise DatasetError(f"{description}: duplicate in `names`: {', '.join(texts)}")
    count = content.get("nc", len(texts))
    if count != len(texts):
        raise DatasetError(
            f"{description}: `nc` is {count}, but `names` has {len(texts)}; must be equal"
        )
    return texts


def _read_split(
    description: Path,
    content: dict[str, Any],
    split: str,
    names: tuple[str, ...],
    problems: Problems,
) -> list[ImageLabels] | None:
    entries = content.get(split)
    if not entries:
        return None
    images: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        place = _find(description, content.get("path"), entry, split)
        if place.is_dir():
            found = sorted(path for path in place.rglob("*") if is_image(path))
            _check_strays(place, found, problems)
            images += found
        else:
            images += _listed_images(place, description.parent, problems)
    labels, seen = [], set[Path]()
    for path in images:
        if path in seen:
            problems.add(path, f"duplicate image in `{split}`; list it once")
            continue
        seen.add(path)
        rows = _read_labels(path, names, problems)
        labels.append(ImageLabels.from_rows(path, rows, label_path(path)))
    return labels


def _find(description: Path, base: object, entry: object, split: str) -> Path:
    """Returns the folder or list that an entry names.

    `path` is relative to the description, or of another machine and then useless; Roboflow writes
    `../train/images` for a folder beside the description.
    """
    if not isinstance(entry, str) or not isinstance(base, str | None):
        raise DatasetError(f"{description}: `path` and `{split}` must be names of folders or files")
    here = description.parent
    for root in (here / (base or "."), here):
        for name in dict.fromkeys((entry, entry.removeprefix("../"))):
            if (root / name).exists():
                return root / name
    raise DatasetError(f"{description}: `{split}` is {entry!r}: no such folder or file")


def _listed_images(listing: Path, root: Path, problems: Problems) -> list[Path]:
    """Returns the images listed in a text file, one a line, relative to it or to the set."""
    images = []
    for number, line in enumerate(read_text(listing).splitlines(), start=1):
        if not line.strip():
            continue
        places = (listing.parent / line.strip(), root / line.strip())
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            problems.add(
                listing, f"no such image {line.strip()!r}; put it back, or remove the line", number
            )
        else:
            images.append(path)
    return images


def _check_strays(folder: Path, images: list[Path], problems: Problems) -> None:
    """Notes every label file whose image is missing."""
    expected = {label_path(image) for image in images}
    labels = label_path(folder / "any.jpg").parent
    for path in sorted(labels.rglob("*.txt")):
        if path not in expected and path.name.lower() not in LABEL_FOLDER_EXTRAS:
            problems.add(
                path, f"no image for these labels in {folder.name}; put it back, or remove them"
            )


def label_path(image: Path) -> Path:
    """Returns the label file of an image.

    The last folder `images` becomes `labels`; without such a folder, the file is beside the image.
    """
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    folder = Path(*folders)
    return (folder if folder.is_dir() else image.parent) / f"{image.stem}.txt"


def _read_labels(image: Path, names: tuple[str, ...], problems: Problems) -> list[LabelRow]:
    """Returns the objects of one image; none if it has no label file."""
    path = label_path(image)
    if not path.is_file():
        return []
    try:
        lines = read_text(path).splitlines()
    except DatasetError as error:
        problems.add(path, without_path(error, path))
        return []
    rows: list[LabelRow] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_read_line(line, number, names))
        except ValueError as error:
            problems.add(path, str(error), number)
    return rows


def _read_line(line: str, number: int, names: tuple[str, ...]) -> LabelRow:
    try:
        class_number, *values = (float(word) for word in line.split())
    except ValueError:
        raise ValueError(f"{line.strip()!r}: must be numbers, the class too") from None
    if not (class_number.is_integer() and 0 <= class_number < len(names)):
        raise ValueError(f"unknown class {class_number:g}; must be from 0 to {len(names) - 1}")
    if len(values) == 4:
        x, y, width, height = values
        edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(values) >= 6 and len(values) % 2 == 0:
        edges = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    else:
        raise ValueError(
            f"{len(values)} numbers after the class; must be 4 for a box, or an even number, at "
            "least 6, for an outline"
        )
    return LabelRow(clip_box(edges), int(class_number), ignored=False, place=number)
