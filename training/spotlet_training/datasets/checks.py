"""Rules for the labels of every format, and a collector of their violations."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.errors import DatasetError
from spotlet.image_files import is_image_file
from spotlet_training.datasets.findings import Finding, first_few

SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid", "validation")}
"""The names of a split in files and folders, and its keys in descriptions, the usual one first."""

_SPLIT_OF = {"test": "test"} | {word: key for key, words in SPLIT_NAMES.items() for word in words}

ROUNDING_PIXELS = 2.0
"""How far a box may reach outside its image: rounding, and off-by-one conventions."""

ROUNDING_FRACTION = 0.01
"""The same as a share of the side, if that is more."""

ROTATED_NOTE = "rotated boxes, taken as the upright boxes around them: {}"


class Problems:
    """Gathers the errors in a set's labels, so that one message names the first few.

    Attributes:
        found: all of them, in order, with whole paths.
    """

    def __init__(self, root: Path) -> None:
        """Starts without problems in the set at `root`."""
        self._root = root
        self.found: list[Finding] = []

    def add(self, file: Path, message: str, line: int | None = None) -> None:
        """Notes a problem: the file, what is wrong, and the line from 1."""
        self.found.append(Finding("error", "labels", message, file, line))

    def raise_if_any(self) -> None:
        """Raises one error for all of them.

        Raises:
            DatasetError: there is a problem.
        """
        if self.found:
            shown = [
                replace(one, file=one.file and inside(self._root, one.file)) for one in self.found
            ]
            raise DatasetError(f"{self._root}: {first_few(shown)}")


def inside(root: Path, path: Path) -> Path:
    """Returns the path relative to the set's folder, or unchanged if it lies elsewhere."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def split_of(way: Path) -> str | None:
    """Returns the split, `test` included, that a part of a path is named after; None if none is.

    Example:
        >>> split_of(Path("set/train_images/2024"))
        'train'
    """
    words = (word for part in way.parts for word in re.split(r"[^a-z]+", part.casefold()))
    return next((_SPLIT_OF[word] for word in words if word in _SPLIT_OF), None)


def clip_box(
    box_xyxy: Sequence[float], size_wh: tuple[int, int] | None = None
) -> tuple[float, float, float, float]:
    """Returns a box clipped to its image.

    Args:
        box_xyxy: four edges, in pixels, or in fractions of the image.
        size_wh: the image's width and height in pixels; None for a box in fractions.

    Raises:
        ValueError: not finite, no area, or further outside than rounding explains. The message
            continues a sentence that starts with the box's place.
    """
    left, top, right, bottom = box_xyxy
    text = "(" + ", ".join(f"{edge:.6g}" for edge in box_xyxy) + ")"
    if not all(math.isfinite(edge) for edge in box_xyxy):
        raise ValueError(f"box {text} has an edge that is not a number; correct or remove it")
    if right <= left or bottom <= top:
        raise ValueError(f"box {text} has no area; correct or remove it")
    width, height = size_wh or (1, 1)
    slack = [
        ROUNDING_FRACTION if size_wh is None else max(ROUNDING_PIXELS, ROUNDING_FRACTION * side)
        for side in (width, height)
    ]
    clipped = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
    sticks_out = any(
        abs(edge - edge_clipped) > slack[axis % 2]
        for axis, (edge, edge_clipped) in enumerate(zip(box_xyxy, clipped, strict=True))
    )
    size = "(edges are fractions, 0 to 1)" if size_wh is None else f"of {width} x {height}"
    where = f"its image {size}; correct or remove it"
    if sticks_out:
        raise ValueError(f"box {text} is outside {where}")
    # Samples hold boxes as float32, in which an edge may round onto the opposite one.
    left, top, right, bottom = np.array(clipped, np.float32).tolist()
    if right <= left or bottom <= top:
        raise ValueError(f"box {text} has no area inside {where}")
    return clipped


def box_around_rotated(
    box_xyxy: Sequence[float], degrees: float, size_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Returns the upright box around one that is turned about its centre, inside its image.

    Args:
        box_xyxy: four edges before the turn, pixels.
        degrees: of the turn, either way.
        size_wh: the image's width and height, pixels.
    """
    left, top, right, bottom = box_xyxy
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    half_x = ((right - left) * cosine + (bottom - top) * sine) / 2
    half_y = ((right - left) * sine + (bottom - top) * cosine) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    # A corner may leave the image, though the object does not.
    return (
        max(x - half_x, min(left, 0.0)),
        max(y - half_y, min(top, 0.0)),
        min(x + half_x, max(right, float(size_wh[0]))),
        min(y + half_y, max(bottom, float(size_wh[1]))),
    )


def read_text(path: Path) -> str:
    """Returns the text of a label file: UTF-8, UTF-16 or UTF-32, with or without its mark.

    Raises:
        DatasetError: the file cannot be read, or is not text.
    """
    try:
        content = path.read_bytes()
        return content.decode(json.detect_encoding(content))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text; save it as UTF-8") from error


def without_path(error: DatasetError, path: Path) -> str:
    """Returns the message of an error about a file without the file's path at its start."""
    return str(error).removeprefix(f"{path}: ")


def is_image(path: Path) -> bool:
    """Whether the file is an image, and neither a hidden one nor a broken link."""
    return not path.name.startswith(".") and is_image_file(path) and path.is_file()
