"""The values in a row of a COCO file."""

from typing import Any


def whole_number(row: dict[str, Any], key: str) -> int | None:
    """Returns the integer under a key; None if there is none."""
    value = row.get(key)
    return value if type(value) is int else None


def is_crowd(row: dict[str, Any]) -> bool:
    """Returns the flag `iscrowd`: 0 or 1, which some tools write as text or as true and false."""
    value = row.get("iscrowd")
    text = str(0 if value is None else value).strip().lower()
    if text in ("0", "0.0", "false", ""):
        return False
    if text in ("1", "1.0", "true"):
        return True
    raise ValueError(f"iscrowd {value!r} must be 0 or 1; correct it")


def rotation_degrees(row: dict[str, Any]) -> float:
    """Returns by how many degrees a tool such as CVAT has turned the box about its centre."""
    attributes = row.get("attributes")
    degrees = attributes.get("rotation") if isinstance(attributes, dict) else None
    return float(degrees) % 360 if isinstance(degrees, int | float) else 0.0


def bbox_edges(bbox: object) -> tuple[float, float, float, float]:
    """Returns left, top, right and bottom of a box that has x, y, width and height."""
    sides = bbox if isinstance(bbox, list) else []
    if len(sides) != 4 or any(type(side) not in (int, float) for side in sides):
        raise ValueError(f"bbox {bbox!r} is not four numbers; correct or remove it")
    x, y, width, height = sides
    return x, y, x + width, y + height
