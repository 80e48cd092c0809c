"""Labelled sets, checked by every rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spotlet_training.datasets import ImageLabels
from spotlet_training.datasets.checks import inside
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.partial import partial_notes
from spotlet_training.datasets.several import read_sets
from spotlet_training.datasets.splits import divide
from spotlet_training.inspection.box_sizes import BoxSizes, measure_boxes
from spotlet_training.inspection.copies import leaked_findings, repeated_findings
from spotlet_training.inspection.label_rules import (
    class_findings,
    doubled_findings,
    empty_findings,
    size_findings,
    stray_findings,
    thin_findings,
)
from spotlet_training.inspection.pictures import (
    Picture,
    picture_findings,
    read_pictures,
    unused_findings,
)
from spotlet_training.network.settings import check_canvas


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """What is in labelled sets, and what is wrong with them.

    Attributes:
        folders: of the sets.
        format: `coco`, `yolo` or `voc`; of several sets, each that occurs.
        canvas_hw: height and width of the canvas that boxes were measured on, pixels.
        class_names: the classes; the index is the class id.
        train: labels of the training images, without faulty ones.
        val: labels of the validation images, without faulty ones.
        sizes: of the training boxes.
        pictures: the content of each image file.
        findings: errors first.
    """

    folders: tuple[Path, ...]
    format: str
    canvas_hw: tuple[int, int]
    class_names: tuple[str, ...]
    train: tuple[ImageLabels, ...]
    val: tuple[ImageLabels, ...]
    sizes: BoxSizes
    pictures: Mapping[Path, Picture]
    findings: tuple[Finding, ...]


def inspect_sets(
    roots: Sequence[Path],
    canvas_hw: tuple[int, int] = (320, 320),
    *,
    exhaustive: Mapping[Path, Sequence[str]] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Inspection:
    """Inspects one or more labelled sets, joined, by every rule; decodes every image.

    Args:
        roots: folder, or `data.yaml`, of each set, at least one.
        canvas_hw: height and width of the network's canvas, pixels, multiples of 32.
        exhaustive: see `read_sets`.
        on_picture: called after each image file.

    Raises:
        DatasetError: as for `read_sets`.
        UsageError: a canvas of that size is not possible.
    """
    check_canvas(canvas_hw)
    formats, contents = read_sets(roots, exhaustive)
    folders = tuple(root.parent if root.is_file() else root for root in roots)
    # Files of one set are named from its folder on, those of several as they were found.
    base = folders[0] if len(folders) == 1 else Path()
    train, val, notes = divide(contents)
    both, names = [*train, *val], contents[0].class_names
    pictures = read_pictures([one.path for one in both], on_picture)
    train_pictures = [pictures[one.path] for one in train]
    val_pictures = [pictures[one.path] for one in val]
    sizes_hw = {path: one.size_hw for path, one in pictures.items() if not one.fault}
    sizes = measure_boxes(train, canvas_hw, sizes_hw)
    thickness = measure_boxes(train, canvas_hw, sizes_hw, shorter=True)
    divided = {one.path for content in contents for one in content.val or ()}
    chosen = {one.path for one in val} - divided
    findings = [
        *(problem for content in contents for problem in content.problems.found),
        *(
            Finding("error", "set", f"{root}: no usable image")
            for root, content in zip(roots, contents, strict=True)
            if not content.train and train
        ),
        *(
            Finding("error", "set", f"no usable image in the {split} split")
            for split, labels in (("train", train), ("val", val))
            if not labels
        ),
        *(Finding("note", "set", note) for note in notes),
        *(Finding("note", "partial labels", note) for note in partial_notes(train, val, names)),
        *unused_findings([one.path for one in both if one.label_file.suffix == ".json"]),
        *picture_findings(both, pictures),
        *class_findings(train, val, names),
        *size_findings(sizes, canvas_hw, names),
        *thin_findings(thickness, canvas_hw, names),
        *leaked_findings(train_pictures, val_pictures, base, chosen),
        *repeated_findings(train_pictures, base),
        *repeated_findings(val_pictures, base),
        *doubled_findings(both, names),
        *stray_findings(both, sizes_hw),
        *empty_findings(both, len(names)),
    ]
    return Inspection(
        folders=folders,
        format=", ".join(formats),
        canvas_hw=canvas_hw,
        class_names=names,
        train=tuple(train),
        val=tuple(val),
        sizes=sizes,
        pictures=pictures,
        findings=tuple(
            replace(one, file=one.file and inside(base, one.file))
            for one in sorted(findings, key=lambda one: one.severity != "error")
        ),
    )
