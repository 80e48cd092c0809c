"""Reads a labelled set of any format, recognised by its files."""

from collections.abc import Sequence
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import inside
from spotlet_training.datasets.class_order import name_fault
from spotlet_training.datasets.coco import read_coco
from spotlet_training.datasets.coco_files import find_coco_files, other_coco_files
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.labels import LabelledSet
from spotlet_training.datasets.partial import declared
from spotlet_training.datasets.pictures_below import folders_below
from spotlet_training.datasets.voc import is_voc, read_voc
from spotlet_training.datasets.voc_files import files_below
from spotlet_training.datasets.yolo import read_yolo
from spotlet_training.datasets.yolo_files import find_other_yolo_file, find_yolo_file

NESTED_LEVELS = 3
"""How many levels of folders may lie above a set."""

LOOKED_FOR = (
    "COCO (annotations/train.json, annotations/instances_train*.json or "
    "train/_annotations.coco.json), YOLO (data.yaml), Pascal VOC (Annotations/ and "
    "ImageSets/Main/train.txt, annotations/ beside images/, or XML files beside the images)"
)
"""The label files of each format, for the message if a folder holds none of them."""


def read_labels(root: Path, exhaustive: Sequence[str] | None = None) -> tuple[str, LabelledSet]:
    """Returns the format of a labelled set, and its labels with the problems in them.

    Args:
        root: the set's folder, or the `data.yaml` of a YOLO set.
        exhaustive: the classes whose labels are complete in every image, whatever the files say;
            all others are unknown beyond their boxes. None leaves it to the files.

    Raises:
        DatasetError: no such folder, no known format or several, a whole file cannot be used, or
            an exhaustive class is not one of the set.
    """
    try:
        name, content = _read(root)
    except OSError as error:  # such as a name that is too long, or a folder that is locked
        raise DatasetError(
            f"{error.filename or root}: cannot be read ({error.strerror})"
        ) from error
    if content.class_names and (fault := name_fault(content.class_names)):
        content.problems.found.insert(0, Finding("error", "class", fault))
    if exhaustive is not None:
        content = declared(content, exhaustive, root)
    return name, content


def _read(root: Path) -> tuple[str, LabelledSet]:
    if root.is_file() and root.suffix in (".yaml", ".yml"):
        return "yolo", read_yolo(root)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give the folder of a labelled set")
    found = formats_of(root)
    if not found:
        return _read_below(root)
    if len(found) > 1:
        raise DatasetError(
            f"{root}: labels in more than one format ({', '.join(found)}); keep one format, or "
            "give the data.yaml itself"
        )
    description = find_yolo_file(root)
    if description is not None:
        return "yolo", read_yolo(description)
    return found[0], read_coco(root) if found[0] == "coco" else read_voc(root)


def _read_below(root: Path) -> tuple[str, LabelledSet]:
    """Returns the labels of the set in the folders below one, as archives nest it."""
    below: list[Path] = []
    for folder in folders_below(root, NESTED_LEVELS):
        if {"yolo", "coco"} & {*formats_of(folder)} and not {*folder.parents} & {*below}:
            below.append(folder)
    if len(below) > 1:
        listed = ", ".join(str(inside(root, folder)) for folder in below)
        raise DatasetError(f"{root}: holds several labelled sets ({listed}); give one of them")
    if below:
        name, content = _read(below[0])
        content.notes.insert(0, f"the set is that in {inside(root, below[0])}")
        return name, content
    if description := find_other_yolo_file(root):
        name, content = "yolo", read_yolo(description)
        content.notes.insert(0, f"the set is described by {inside(root, description)}")
        return name, content
    if other_coco_files(root):
        return "coco", read_coco(root)
    if any(files_below(root).values()):
        return "voc", read_voc(root)
    raise DatasetError(f"{root}: not a labelled set; looked for {LOOKED_FOR}")


def formats_of(folder: Path) -> list[str]:
    """Returns the formats of the labels in a folder; none if it is not a labelled set."""
    formats = {
        "yolo": find_yolo_file(folder) is not None,
        "coco": bool(find_coco_files(folder)),
        "voc": is_voc(folder),
    }
    found = [name for name, there in formats.items() if there]
    # XML files in unusual places may be what another format's labels were made from.
    return found or (["voc"] if is_voc(folder, anywhere=True) else [])
