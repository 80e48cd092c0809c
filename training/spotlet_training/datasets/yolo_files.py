"""Which file describes a YOLO set: its `data.yaml`, or a list of class names beside its labels.

Labelling tools write such lists: `classes.txt` (LabelImg, Label Studio), `obj.names` (CVAT).
"""

import re
from pathlib import Path
from typing import Any

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import read_text
from spotlet_training.datasets.pictures_below import PictureWalk
from spotlet_training.datasets.yolo_labels import label_path

YOLO_FILES = ("data.yaml", "data.yml", "dataset.yaml")
"""Names of the file that describes a set."""

NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt")
"""Lists of class names, one a line."""

_CVAT_VAL = "obj_Validation_data"
PLACES = {
    "train": ("images/train", "train/images", "train", "obj_train_data", "images", "."),
    "val": ("images/val", "images/valid", "val/images", "valid/images", "val", "valid", _CVAT_VAL),
}
"""Folders of pictures in a set that names none, the first that exists."""

_PATH_LINE = re.compile(r"^\s*(path|train|val|valid|validation|test)\s*:.*$", re.MULTILINE)


def find_yolo_file(root: Path) -> Path | None:
    """Returns the set's description; None if the set is not YOLO."""
    return next((root / name for name in YOLO_FILES if (root / name).is_file()), None)


def find_other_yolo_file(root: Path) -> Path | None:
    """Returns a description of another name, or a list of class names; None if the set is not YOLO.

    Raises:
        DatasetError: there are several descriptions.
    """
    described = [path for path in sorted(root.glob("*.y*ml")) if _is_description(path)]
    if len(described) > 1:
        listed = ", ".join(path.name for path in described)
        raise DatasetError(f"{root}: several descriptions of a set ({listed}); give one of them")
    if described:
        return described[0]
    names = next((root / name for name in NAME_FILES if (root / name).is_file()), None)
    images = PictureWalk().images(root) if names else []
    return names if any(label_path(image).is_file() for image in images) else None


def read_description(description: Path) -> tuple[dict[str, Any], Any]:
    """Returns the content of a set's description, and its `names` as they are written.

    Args:
        description: its `data.yaml`, or a list of class names.

    Raises:
        DatasetError: it cannot be used.
    """
    if description.suffix not in (".yaml", ".yml"):
        return _described_by_names(description)
    try:
        import yaml  # a device that only labels need not have it
    except ModuleNotFoundError as error:
        raise DatasetError(
            f'{description}: needs PyYAML to be read: pip install "spotlet[training]"'
        ) from error
    # On Windows, paths have backslashes, which quoted text in YAML takes for something else.
    text = _PATH_LINE.sub(lambda line: line[0].replace("\\", "/"), read_text(description))
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{description}: is not YAML ({reason})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{description}: must have the keys `names`, `train` and `val`")
    # As written: YAML takes 010 for 8 and 1.10 for 1.1.
    written = yaml.load(text, yaml.BaseLoader).get("names")
    return content, written or content.get("names")


def _described_by_names(file: Path) -> tuple[dict[str, Any], list[str]]:
    names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    base = ".." if file.parent.name == "labels" else "."
    root = file.parent / base
    places = {
        split: next((at for at in folders if (root / at).is_dir()), None)
        for split, folders in PLACES.items()
    }
    return {"path": base, "names": names, **places}, names


def _is_description(path: Path) -> bool:
    try:
        content, _ = read_description(path)
    except DatasetError:
        return False
    return {"names", "train"} <= content.keys()
