"""What holds for the labels of every format, and how breaches of it are told."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotlet.errors import DatasetError
from spotlet.image_files import IMAGE_SUFFIXES

NAMED_PROBLEMS = 5
"""So many problems are named in a message, the rest is counted."""

ROUNDING_PIXELS = 2.0
"""A box may stick out of its image by this much: rounding, and off-by-one conventions."""

ROUNDING_FRACTION = 0.01
"""Or by this part of the side, where that is more."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A breach of a rule.

    Attributes:
        file: relative to the set's folder where it lies there.
        what: which rule is broken, and the remedy; in formats without lines also where in the
            file.
        line: from 1; None in formats without lines.
    """

    file: Path
    what: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}{'' if self.line is None else f':{self.line}'}: {self.what}"


class Problems:
    """Gathers what is wrong with a set, so that one message names the first few."""

    def __init__(self, root: Path) -> None:
        """Starts without a problem in the set at `root`."""
        self._root = root
        self._found: list[Problem] = []

    @property
    def found(self) -> tuple[Problem, ...]:
        """All of them, in the order in which they were noted."""
        return tuple(self._found)

    def add(self, where: Path, what: str, line: int | None = None) -> None:
        """Notes a problem: in which file, where in it, which rule it breaks."""
        self._found.append(Problem(inside(self._root, where), what, line))

    def raise_if_any(self) -> None:
        """Raises one error for all of them.

        Raises:
            DatasetError: something was noted.
        """
        if not self._found:
            return
        more = len(self._found) - NAMED_PROBLEMS
        named = "; ".join(map(str, self._found[:NAMED_PROBLEMS]))
        raise DatasetError(f"{self._root}: {named}{f'; and {more} more' if more > 0 else ''}")


def inside(root: Path, path: Path) -> Path:
    """Returns the path relative to the set's folder, or as it is where it lies elsewhere."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def settle_box(
    box_xyxy: Sequence[float], size_wh: tuple[int, int] | None = None
) -> tuple[float, float, float, float]:
    """Returns a box cut at the border of its image.

    Args:
        box_xyxy: four edges, in pixels, or in fractions of the image.
        size_wh: the image's width and height in pixels; None for a box in fractions.

    Raises:
        ValueError: not finite, no area, or sticking out by more than rounding explains. The
            message is the second half of a sentence that starts with the box's place.
    """
    left, top, right, bottom = box_xyxy
    text = "(" + ", ".join(f"{edge:.6g}" for edge in box_xyxy) + ")"
    if not all(math.isfinite(edge) for edge in box_xyxy):
        raise ValueError(f"box {text} is not made of numbers; correct or remove it")
    if right <= left or bottom <= top:
        raise ValueError(f"box {text} has no area; correct or remove it")
    width, height = size_wh or (1, 1)
    slack = [
        ROUNDING_FRACTION if size_wh is None else max(ROUNDING_PIXELS, ROUNDING_FRACTION * side)
        for side in (width, height)
    ]
    cut = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
    sticks_out = any(
        abs(edge - edge_cut) > slack[axis % 2]
        for axis, (edge, edge_cut) in enumerate(zip(box_xyxy, cut, strict=True))
    )
    size = "(in fractions of its sides)" if size_wh is None else f"of {width} x {height}"
    where = f"its image {size}; correct or remove it"
    if sticks_out:
        raise ValueError(f"box {text} is outside {where}")
    if not _has_area(cut):
        raise ValueError(f"box {text} has no area inside {where}")
    return cut


def _has_area(box_xyxy: Sequence[float]) -> bool:
    """Whether the box still has an area as float32, which is how samples hold it."""
    left, top, right, bottom = np.array(box_xyxy, np.float32)
    return bool(right > left and bottom > top)


def read_text(path: Path) -> str:
    """Returns the text of a label file, which is UTF-8 with or without a byte order mark.

    Raises:
        DatasetError: it cannot be read, or is not text.
    """
    try:
        return text_of(path)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error


def text_of(path: Path) -> str:
    """Returns the text of a label file, as `read_text` does.

    Raises:
        ValueError: it cannot be read, or is not text. The message is the second half of a
            sentence that starts with the file's name.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text; save it as UTF-8") from error


def is_image(path: Path) -> bool:
    """Whether the file's name is that of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
