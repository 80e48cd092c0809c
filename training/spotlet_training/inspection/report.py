"""An inspection as text and as JSON."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from spotlet.text.terminal import table
from spotlet_training.datasets.partial import Completeness, completeness
from spotlet_training.inspection.box_sizes import SIZE_NAMES
from spotlet_training.inspection.label_rules import count_boxes
from spotlet_training.inspection.survey import Inspection

SCHEMA = 1
"""The version of the record."""

NAMED_NOTES = 8
"""How many notes of a kind are printed; the rest are counted. All errors are printed."""

NAMED_SIZES = 4
"""How many sizes of images are printed, the most frequent first."""


def inspection_lines(inspection: Inspection) -> Iterator[str]:
    """Yields an inspection as lines of text: counts, sizes, then the findings."""
    height, width = inspection.canvas_hw
    splits = ("split", "images", "boxes", "ignored", "images without objects")
    yield table(_split_rows(inspection), splits)
    yield ""
    classes = ("class", "train", "share", "val", *(f"{name} px" for name in SIZE_NAMES))
    yield table(_class_rows(inspection), classes)
    yield f"(px: the longer side of training boxes on a canvas of {width} x {height})"
    yield ""
    if partial := _partial_rows(inspection):
        yield table(
            partial, ("images by class", "train", "more", "unknown", "val", "more", "unknown")
        )
        yield (
            "(train, val: its labels are complete; more: there may be more than is marked; "
            "unknown: none is marked, and there may be some)"
        )
        yield ""
    sizes = _image_sizes(inspection).most_common()
    named = [f"{width} x {height} ({count})" for (height, width), count in sizes[:NAMED_SIZES]]
    more = f" and {len(sizes) - NAMED_SIZES} more" if len(sizes) > NAMED_SIZES else ""
    yield f"image sizes: {', '.join(named)}{more}"
    by_kind = groupby(inspection.findings, key=lambda one: (one.severity, one.kind))
    for (severity, kind), group in by_kind:
        lines = [f"{severity:<5}  {finding}" for finding in group]
        named = lines if severity == "error" else lines[:NAMED_NOTES]
        yield from named
        if len(named) < len(lines):
            yield f"{severity:<5}  and {len(lines) - len(named)} more of {kind}: --json lists all"


def inspection_record(inspection: Inspection) -> dict[str, Any]:
    """Returns the whole inspection as a dict for JSON."""
    return {
        "schema": SCHEMA,
        "dataset": ", ".join(map(str, inspection.folders)),
        "format": inspection.format,
        "canvas_hw": list(inspection.canvas_hw),
        "splits": [
            dict(zip(("name", "images", "boxes", "ignored", "empty_images"), row, strict=True))
            for row in _split_rows(inspection)
        ],
        "classes": [
            {
                "name": name,
                "train_boxes": train,
                "val_boxes": val,
                "train_boxes_by_size": dict(zip(SIZE_NAMES, sizes, strict=True)),
                "train_images": in_train._asdict(),
                "val_images": in_val._asdict(),
            }
            for (name, train, _, val, *sizes), (in_train, in_val) in zip(
                _class_rows(inspection), _completeness(inspection), strict=True
            )
        ],
        "image_sizes": [
            {"height": height, "width": width, "images": count}
            for (height, width), count in _image_sizes(inspection).most_common()
        ],
        "findings": [finding.record() for finding in inspection.findings],
    }


def _split_rows(inspection: Inspection) -> list[tuple[str, int, int, int, int]]:
    return [
        (
            split,
            len(labels),
            sum(int((~one.ignored).sum()) for one in labels),
            sum(int(one.ignored.sum()) for one in labels),
            sum(not len(one.class_ids) for one in labels),
        )
        for split, labels in (("train", inspection.train), ("val", inspection.val))
    ]


def _class_rows(inspection: Inspection) -> list[tuple[Any, ...]]:
    """Returns name, training boxes, their share, validation boxes, and boxes by size."""
    names = inspection.class_names
    train = count_boxes(inspection.train, len(names))
    val = count_boxes(inspection.val, len(names))
    return [
        (
            name,
            train[index],
            f"{train[index] / max(sum(train), 1):.1%}",
            val[index],
            *inspection.sizes.counts(index),
        )
        for index, name in enumerate(names)
    ]


def _completeness(inspection: Inspection) -> list[tuple[Completeness, Completeness]]:
    """Returns in how many training and validation images each class is how far labelled."""
    count = len(inspection.class_names)
    train, val = completeness(inspection.train, count), completeness(inspection.val, count)
    return list(zip(train, val, strict=True))


def _partial_rows(inspection: Inspection) -> list[tuple[Any, ...]]:
    """Returns name, and both splits' figures, of each class that is not complete everywhere."""
    named = zip(inspection.class_names, _completeness(inspection), strict=True)
    return [
        (name, *train, *val)
        for name, (train, val) in named
        if any((train.more, train.unknown, val.more, val.unknown))
    ]


def _image_sizes(inspection: Inspection) -> Counter[tuple[int, int]]:
    """Returns how many images have each height and width."""
    return Counter(one.size_hw for one in inspection.pictures.values() if not one.fault)
