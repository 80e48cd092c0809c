"""The values in a row of a COCO file, also where a tool writes numbers as text.

Source: https://github.com/cocodataset/cocoapi, common/maskApi.c (rleFrString)
"""

import math
import re
from itertools import accumulate, pairwise
from typing import Any

Edges = tuple[float, float, float, float]

_WHOLE = re.compile(r"\s*(-?\d{1,18})(\.0*)?\s*")
_NAMES = ("file_name", "coco_url", "flickr_url")


def whole_number(row: dict[str, Any], key: str) -> int | None:
    """Returns the integer under a key, also of 1.0 and "1"; None if there is none."""
    value = row.get(key)
    if type(value) is float and value.is_integer():
        return int(value)
    if isinstance(value, str) and (digits := _WHOLE.fullmatch(value)):
        return int(digits[1])
    return value if type(value) is int else None


def file_name(row: dict[str, Any]) -> str | None:
    """Returns the path of an image, or its URL if it has none."""
    names = (row.get(key) for key in _NAMES)
    return next((name for name in names if isinstance(name, str) and name), None)


def is_crowd(row: dict[str, Any]) -> bool:
    """Returns the flag `iscrowd`: 0 or 1, which some tools write as text or as true and false."""
    value = row.get("iscrowd")
    text = str(0 if value is None else value).strip().lower()
    if text in ("0", "0.0", "false", ""):
        return False
    if text in ("1", "1.0", "true"):
        return True
    raise ValueError(f"iscrowd {value!r} must be 0 or 1; correct it")


def suggested_score(row: dict[str, Any]) -> float:
    """Returns the score that a suggestion has, in [0, 1]; NaN without one."""
    score = row.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return math.nan
    return float(score)


def rotation_degrees(row: dict[str, Any]) -> float:
    """Returns by how many degrees a tool such as CVAT has turned the box about its centre."""
    attributes = row.get("attributes")
    degrees = attributes.get("rotation") if isinstance(attributes, dict) else None
    return float(degrees) % 360 if isinstance(degrees, int | float) else 0.0


def has_bbox(row: dict[str, Any]) -> bool:
    """Whether an annotation has a box, not only an outline, with which tools leave it empty."""
    bbox = row.get("bbox")
    is_empty = bbox is None or (isinstance(bbox, list) and not any(bbox))
    return not (is_empty and row.get("segmentation"))


def box_edges(row: dict[str, Any], size_hw: tuple[int, int]) -> Edges:
    """Returns the edges of an annotation's box or, without one, those around its outline.

    Args:
        row: the annotation.
        size_hw: of its image, pixels.

    Raises:
        ValueError: they are not numbers; the message continues a sentence.
    """
    if not has_bbox(row):
        return _edges_around(row["segmentation"], size_hw)
    sides = _numbers(row.get("bbox"))
    if len(sides) != 4:
        raise ValueError(f"bbox {row.get('bbox')!r} is not four numbers; correct or remove it")
    x, y, width, height = sides
    return x, y, x + width, y + height


def _numbers(values: object) -> list[float]:
    """Returns the numbers in a list, also those written as text; none if it has anything else."""
    found: list[float] = []
    for value in values if isinstance(values, list) else []:
        if type(value) not in (int, float, str):
            return []
        try:
            found.append(float(value) if isinstance(value, str) else value)
        except ValueError:
            return []
    return found


def _edges_around(outline: object, size_hw: tuple[int, int]) -> Edges:
    """Returns the edges around polygons or a mask."""
    if isinstance(outline, dict):
        return _edges_of_mask(outline, size_hw)
    polygons = outline if isinstance(outline, list) else []
    if not all(isinstance(polygon, list) for polygon in polygons):
        polygons = [polygons]
    corners = [_numbers(polygon) for polygon in polygons if polygon]
    if not corners or not all(len(part) >= 6 and len(part) % 2 == 0 for part in corners):
        raise ValueError("no bbox, and a segmentation that is not polygons; correct or remove it")
    xs = [x for part in corners for x in part[::2]]
    ys = [y for part in corners for y in part[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def _edges_of_mask(mask: dict[str, Any], size_hw: tuple[int, int]) -> Edges:
    """Returns the edges around a mask: lengths of runs down its columns, of 0 and 1 in turn."""
    height, width = size_hw
    counts = mask.get("counts")
    if isinstance(counts, str):
        counts = _run_lengths(counts)
    lengths = counts if isinstance(counts, list) else []
    whole = all(type(length) is int and length >= 0 for length in lengths)
    if mask.get("size") != [height, width] or not whole or sum(lengths) != height * width:
        raise ValueError("no bbox, and a mask that is not one of its image; correct or remove it")
    runs = list(pairwise([0, *accumulate(lengths)]))[1::2]
    runs = [(start, end) for start, end in runs if end > start]
    if not runs:
        raise ValueError("no bbox, and an empty mask; remove it")
    left, right = runs[0][0] // height, (runs[-1][1] - 1) // height + 1
    if any(start // height < (end - 1) // height for start, end in runs):
        return left, 0, right, height
    rows = [(start % height, (end - 1) % height + 1) for start, end in runs]
    return left, min(top for top, _ in rows), right, max(bottom for _, bottom in rows)


def _run_lengths(text: str) -> list[int]:
    """Returns the lengths in the COCO tools' text: 5 bits a character, the lowest first.

    From the fourth on, it has the difference from the length two before.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths
