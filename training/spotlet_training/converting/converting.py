"""Writes a labelled set, with its pictures, in another format, whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from spotlet.atomic import atomic_folder
from spotlet.coco_labels import CocoPicture
from spotlet.errors import DatasetError, UsageError
from spotlet_training.converting import coco, voc, yolo
from spotlet_training.converting.pictures import Copies
from spotlet_training.converting.splits import SplitPictures
from spotlet_training.datasets.discover import read_labels


class Writer(NamedTuple):
    """The functions of a format's module."""

    picture_folder: Callable[[str, bool], Path]
    write_labels: Callable[[Path, tuple[str, ...], SplitPictures], list[str]]


WRITERS = {
    "coco": Writer(coco.picture_folder, coco.write_labels),
    "voc": Writer(voc.picture_folder, voc.write_labels),
    "yolo": Writer(yolo.picture_folder, yolo.write_labels),
}

FORMATS = tuple(WRITERS)
"""The formats that can be written."""


class SplitCount(NamedTuple):
    """How much a split has; ignored objects are counted too."""

    split: str
    pictures: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was read and written.

    Attributes:
        source_format: of the set that was read.
        counts: of each split.
        class_names: the index is the class id.
        read_notes: the reader's decisions.
        notes: what changed, and what the new format cannot hold.
    """

    source_format: str
    counts: tuple[SplitCount, ...]
    class_names: tuple[str, ...]
    read_notes: tuple[str, ...]
    notes: tuple[str, ...]


def convert_set(
    source: Path,
    out: Path,
    to: str,
    *,
    exhaustive: Sequence[str] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Conversion:
    """Writes a labelled set in another format; the splits stay as they are.

    Args:
        source: the set's folder, or the `data.yaml` of a YOLO set.
        out: a new or empty folder, outside the set.
        to: one of `FORMATS`.
        exhaustive: see `spotlet_training.datasets.open_splits`.
        on_picture: called after each picture.

    Raises:
        UsageError: `out` is in the set, or the format is unknown.
        DatasetError: the set cannot be read, has no picture or class, or has wrong labels or
            pictures.
        OutputError: `out` holds files, or cannot be written.
    """
    if to not in WRITERS:
        raise UsageError(f"format {to!r}; must be one of {', '.join(FORMATS)}")
    root = source.parent if source.is_file() else source
    if out.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{out}: is in the set to convert; give a folder outside it")
    name, content = read_labels(source, exhaustive)
    content.problems.raise_if_any()
    parts = {"train": content.train} | ({} if content.val is None else {"val": content.val})
    if not content.class_names or not any(parts.values()):
        raise DatasetError(f"{source}: no picture or no class in it; there is nothing to convert")
    writer, copies = WRITERS[to], Copies()
    pictures: dict[str, list[CocoPicture]] = {split: [] for split in parts}
    taken: dict[Path, set[str]] = {}
    with atomic_folder(out) as whole:
        for split, labels in parts.items():
            folder = whole / writer.picture_folder(split, len(parts) > 1)
            folder.mkdir(parents=True, exist_ok=True)
            for one in labels:
                try:
                    copied = copies.copy(one, folder, taken.setdefault(folder, set()))
                    pictures[split].append(copied)
                except ValueError as error:
                    content.problems.add(one.path, str(error))
                on_picture()
        content.problems.raise_if_any()
        notes = writer.write_labels(whole, content.class_names, pictures)
    counts = (
        SplitCount(split, len(part), sum(len(one.class_ids) for one in part))
        for split, part in pictures.items()
    )
    return Conversion(
        source_format=name,
        counts=tuple(counts),
        class_names=content.class_names,
        read_notes=tuple(content.notes),
        notes=(*copies.notes(), *notes),
    )
