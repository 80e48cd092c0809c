"""What exporters write into a file's metadata: class names, size, licence, author.

The keys are those found in practice. Values are Python or JSON literals, or plain text; nothing in
them is ever run.
"""

import ast
import json
import math
from collections.abc import Mapping
from typing import Any

KEPT_KEYS = (
    "description",
    "author",
    "license",
    "docs",
    "date",
    "version",
    "libreyolo_version",
    "task",
    "head",
    "model_family",
    "end2end",
)
"""Copied into the manifest as they are."""

MOST_CHARACTERS = 300
"""Of a value that is copied into the manifest."""

MOST_OF_NAME = 200
"""Characters of a class name."""

OTHER_TASKS = ("segment", "pose", "obb", "classify", "semantic")
"""Exporters' names of tasks whose outputs are more than boxes, or not boxes."""


def literal(text: str) -> Any:
    """Returns the value of a Python or JSON literal; the text itself if it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Returns the class names in a file's metadata; None if there are none, or malformed ones.

    A name is one line without control characters, of at most 200 characters.
    """
    value = literal(metadata.get("names", ""))
    if isinstance(value, dict):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return None
    if not isinstance(value, list | tuple) or not value:
        return None
    names = tuple(str(name) for name in value)
    nested = any(isinstance(name, list | tuple | dict) for name in value)
    usable = all(0 < len(name) <= MOST_OF_NAME and name.isprintable() for name in names)
    return names if usable and not nested else None


def image_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Returns height and width in a file's metadata, pixels; None if there are none."""
    value = literal(metadata.get("imgsz", ""))
    if "imgsz_h" in metadata and "imgsz_w" in metadata:  # LibreYOLO's; its `imgsz` is the longer
        value = [literal(metadata["imgsz_h"]), literal(metadata["imgsz_w"])]
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        return None
    if not all(type(side) is int and side > 0 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def key_point_columns(metadata: Mapping[str, str]) -> int:
    """Returns how many columns of each cell are key points; 0 if there are none, or malformed."""
    value = literal(metadata.get("kpt_shape", ""))
    if not isinstance(value, list | tuple) or not all(type(side) is int for side in value):
        return 0
    return max(math.prod(value), 0) if value else 0


def kept(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns the part of the metadata that is copied into the manifest."""
    return {
        key: metadata[key][:MOST_CHARACTERS] for key in KEPT_KEYS if metadata.get(key, "").strip()
    }
