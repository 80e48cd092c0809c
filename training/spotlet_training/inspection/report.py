"""An inspection as text and as JSON."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from spotlet.text.terminal import table
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
        "dataset": str(inspection.root),
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
            }
            for name, train, _, val, *sizes in _class_rows(inspection)
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


def _image_sizes(inspection: Inspection) -> Counter[tuple[int, int]]:
    """Returns how many images have each height and width."""
    return Counter(one.size_hw for one in inspection.pictures.values() if not one.fault)
