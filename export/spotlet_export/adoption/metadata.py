"""What exporters write into a file's metadata: names of classes, size, licence, author.

The keys are those that are met in the field. Values are literals of Python or JSON, or plain
text; nothing in them is ever run.
"""

import ast
import json
from collections.abc import Mapping
from typing import Any

TOLD_KEYS = ("description", "author", "license", "docs", "date", "version", "task", "head")
"""What of it rides in the manifest, as it stands."""

MOST_CHARACTERS = 300
"""Of a value that rides in the manifest."""

OTHER_TASKS = ("segment", "pose", "obb", "classify", "semantic")
"""Tasks whose outputs are more, or other, than boxes; as exporters name them."""


def literal(text: str) -> Any:
    """Returns the value of a literal of Python or JSON; the text itself where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Returns the names of the classes that a file carries; None where it has none, or odd ones."""
    value = literal(metadata.get("names", ""))
    if isinstance(value, dict):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return None
    if not isinstance(value, list | tuple) or not value:
        return None
    return tuple(str(name) for name in value)


def image_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Returns height and width that a file carries, pixels; None where it has none."""
    value = literal(metadata.get("imgsz", ""))
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        return None
    if not all(type(side) is int and side > 0 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def told(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns what of the metadata rides in the manifest."""
    return {
        key: metadata[key][:MOST_CHARACTERS] for key in TOLD_KEYS if metadata.get(key, "").strip()
    }
