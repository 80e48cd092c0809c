"""Opens a labelled set of any format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import inside
from spotlet_training.datasets.class_order import name_fault
from spotlet_training.datasets.coco import read_coco
from spotlet_training.datasets.coco_files import find_coco_files, other_coco_files
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.labels import ImageLabels, LabelledImages, LabelledSet
from spotlet_training.datasets.partial import declared, partial_notes
from spotlet_training.datasets.pictures_below import folders_below
from spotlet_training.datasets.splitting import choose_validation
from spotlet_training.datasets.voc import is_voc, read_voc
from spotlet_training.datasets.voc_files import files_below
from spotlet_training.datasets.yolo import read_yolo
from spotlet_training.datasets.yolo_files import find_other_yolo_file, find_yolo_file

STRAY_CLICK_PIXELS = 2
"""A box with both sides below this is probably a stray click."""

NESTED_LEVELS = 3
"""How many levels of folders may lie above a set."""

LOOKED_FOR = (
    "COCO (annotations/train.json, annotations/instances_train*.json or "
    "train/_annotations.coco.json), YOLO (data.yaml), Pascal VOC (Annotations/ and "
    "ImageSets/Main/train.txt, annotations/ beside images/, or XML files beside the images)"
)
"""The label files of each format, for the message if a folder holds none of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """A labelled set, opened.

    Attributes:
        train: what to train on.
        val: what to measure on.
        class_names: the classes of both; the index is the class id.
        format: `coco`, `yolo` or `voc`.
        notes: lines to show the user: decisions, oddities.
    """

    train: LabelledImages
    val: LabelledImages
    class_names: tuple[str, ...]
    format: str
    notes: tuple[str, ...] = ()


def open_dataset(root: str | Path, split: Literal["train", "val"]) -> LabelledImages:
    """Returns one split of a labelled set; see `open_splits`."""
    splits = open_splits(root)
    return splits.train if split == "train" else splits.val


def open_splits(
    root: str | Path,
    exhaustive: Sequence[str] | None = None,
    *,
    with_partial_notes: bool = True,
) -> Splits:
    """Returns both splits of a labelled set, its format recognised by its files.

    All labels are read and checked now; images are decoded when they are loaded. If a set has no
    validation split, a fifth of its images become one, of each class about a fifth, chosen by a
    hash of their names, so that adding images hardly changes the choice.

    Args:
        root: the set's folder, or the `data.yaml` of a YOLO set.
        exhaustive: the classes whose labels are complete in every image, whatever the files say;
            all others are unknown beyond their boxes. None leaves it to the files.
        with_partial_notes: whether notes say which labels are not complete.

    Raises:
        DatasetError: no such folder, no known format or several, no image or object in a split,
            an exhaustive class that is not one of the set, or labels that break a rule; the
            message names files and lines.
    """
    root = Path(root)
    name, content = read_labels(root, exhaustive)
    content.problems.raise_if_any()
    if content.val is None and len(content.train) < 2:
        raise DatasetError(
            f"{root}: {len(content.train)} images and no validation split; must be at least 2 "
            "images"
        )
    train, val, notes = divide(content)
    for split, labels in (("train", train), ("val", val)):
        if not labels:
            raise DatasetError(f"{root}: no images in the {split} split")
        if not any(len(one.class_ids) for one in labels):
            raise DatasetError(
                f"{root}: {len(labels)} images but no labelled object in the {split} split; put "
                f"the labels where the {name.upper()} format has them"
            )
    notes = [*notes, *_odd_traits(train, val)]
    names = content.class_names
    if with_partial_notes:
        notes += partial_notes(train, val, names)
    return Splits(
        LabelledImages(names, train), LabelledImages(names, val), names, name, tuple(notes)
    )


def read_labels(root: Path, exhaustive: Sequence[str] | None = None) -> tuple[str, LabelledSet]:
    """Returns the format of a labelled set, and its labels with the problems in them.

    Args:
        root: the set's folder, or the `data.yaml` of a YOLO set.
        exhaustive: see `open_splits`.

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


def divide(content: LabelledSet) -> tuple[list[ImageLabels], list[ImageLabels], list[str]]:
    """Returns the training and the validation images, and notes.

    They are the set's own splits. If it has no validation split but at least two images, they are
    chosen by the images' names and classes.
    """
    if content.val is not None or len(content.train) < 2:
        return content.train, content.val or [], content.notes
    train, val, moved = choose_validation(content.train)
    note = (
        f"no validation split in the set: {len(val)} of {len(content.train)} images are used as "
        "one, chosen by a hash of their names"
    )
    if moved:
        note += f"; {moved} changed sides, so that each class is in both splits where it can be"
    return train, val, [*content.notes, note]


def _odd_traits(train: Sequence[ImageLabels], val: Sequence[ImageLabels]) -> list[str]:
    notes = []
    shared = {one.path.resolve() for one in train} & {one.path.resolve() for one in val}
    if shared:
        notes.append(
            f"{len(shared)} images are in both splits ({min(shared).name}): validation figures "
            "would be too good"
        )
    for split, labels in (("training", train), ("validation", val)):
        empty = sum(len(one.class_ids) == 0 for one in labels)
        if empty:
            notes.append(f"{empty} of {len(labels)} {split} images have no labelled object")
    tiny = [
        one.path.name
        for one in (*train, *val)
        for box in one.boxes_xyxy
        if one.size_hw is not None and max(box[2:] - box[:2]) < STRAY_CLICK_PIXELS
    ]
    if tiny:
        notes.append(
            f"{len(tiny)} boxes are smaller than {STRAY_CLICK_PIXELS} pixels, likely stray clicks "
            f"({', '.join(tiny[:3])}); they are kept"
        )
    return notes
