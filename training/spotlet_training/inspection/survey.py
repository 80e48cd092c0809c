"""A labelled set, checked by every rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spotlet_training.datasets import ImageLabels
from spotlet_training.datasets.checks import inside
from spotlet_training.datasets.discover import divide, read_labels
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.partial import partial_notes
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
    """What is in a labelled set, and what is wrong with it.

    Attributes:
        root: the set's folder.
        format: `coco`, `yolo` or `voc`.
        canvas_hw: height and width of the canvas that boxes were measured on, pixels.
        class_names: the classes; the index is the class id.
        train: labels of the training images, without faulty ones.
        val: labels of the validation images, without faulty ones.
        sizes: of the training boxes.
        pictures: the content of each image file.
        findings: errors first.
    """

    root: Path
    format: str
    canvas_hw: tuple[int, int]
    class_names: tuple[str, ...]
    train: tuple[ImageLabels, ...]
    val: tuple[ImageLabels, ...]
    sizes: BoxSizes
    pictures: Mapping[Path, Picture]
    findings: tuple[Finding, ...]


def inspect_dataset(
    root: str | Path,
    canvas_hw: tuple[int, int] = (320, 320),
    *,
    exhaustive: Sequence[str] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Inspection:
    """Inspects a labelled set by every rule; decodes every image.

    Args:
        root: the set's folder, or the `data.yaml` of a YOLO set.
        canvas_hw: height and width of the network's canvas, pixels, multiples of 32.
        exhaustive: the classes whose labels are complete; see `open_splits`.
        on_picture: called after each image file.

    Raises:
        DatasetError: no such folder, no known format or several, or a file that all labels
            depend on cannot be used.
        UsageError: a canvas of that size is not possible.
    """
    check_canvas(canvas_hw)
    root = Path(root)
    folder = root.parent if root.is_file() else root
    format_name, content = read_labels(root, exhaustive)
    train, val, notes = divide(content)
    both, names = [*train, *val], content.class_names
    pictures = read_pictures([one.path for one in both], on_picture)
    train_pictures = [pictures[one.path] for one in train]
    val_pictures = [pictures[one.path] for one in val]
    sizes_hw = {path: one.size_hw for path, one in pictures.items() if not one.fault}
    sizes = measure_boxes(train, canvas_hw, sizes_hw)
    thickness = measure_boxes(train, canvas_hw, sizes_hw, shorter=True)
    findings = [
        *content.problems.found,
        *(
            Finding("error", "set", f"no usable image in the {split} split")
            for split, labels in (("train", train), ("val", val))
            if not labels
        ),
        *(Finding("note", "set", note) for note in notes),
        *(Finding("note", "partial labels", note) for note in partial_notes(train, val, names)),
        *(unused_findings(pictures) if format_name == "coco" else ()),
        *picture_findings(both, pictures),
        *class_findings(train, val, names),
        *size_findings(sizes, canvas_hw, names),
        *thin_findings(thickness, canvas_hw, names),
        *leaked_findings(train_pictures, val_pictures, folder, chosen=content.val is None),
        *repeated_findings(train_pictures, folder),
        *repeated_findings(val_pictures, folder),
        *doubled_findings(both, names, format_name),
        *stray_findings(both, sizes_hw, format_name),
        *empty_findings(both, len(names)),
    ]
    return Inspection(
        root=folder,
        format=format_name,
        canvas_hw=canvas_hw,
        class_names=names,
        train=tuple(train),
        val=tuple(val),
        sizes=sizes,
        pictures=pictures,
        findings=tuple(
            replace(one, file=one.file and inside(folder, one.file))
            for one in sorted(findings, key=lambda one: one.severity != "error")
        ),
    )
