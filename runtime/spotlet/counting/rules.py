"""Lines and zones as a user writes them, and where they lie in a frame."""

import itertools
import math
import re
from dataclasses import dataclass
from typing import Literal

from spotlet.counts import PointXy
from spotlet.errors import UsageError

Anchor = Literal["bottom", "centre"]
"""The point of a box that counts: the middle of its lower side, where feet and wheels are, or its
centre."""

_WORDS = re.compile(r"(?:(?P<source>\d+):)?(?P<name>[^=:]+)=(?P<numbers>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A line or a zone, for frames of any size.

    Attributes:
        name: of its counts.
        points: x and y as given, shares of the frame's width and height, or pixels.
        in_pixels: which of the two.
        source: the number of the only source that it applies to, from 1; None for all.
    """

    name: str
    points: tuple[PointXy, ...]
    in_pixels: bool = False
    source: int | None = None

    def in_frame(self, size_hw: tuple[int, int]) -> tuple[PointXy, ...]:
        """Returns the points in pixels of a frame.

        Raises:
            UsageError: a point lies outside the frame.
        """
        height, width = size_hw
        if not self.in_pixels:
            return tuple((x * width, y * height) for x, y in self.points)
        for x, y in self.points:
            if x > width or y > height:
                raise UsageError(
                    f"{self.name}: the point {x:g},{y:g} lies outside a frame of {width}x{height} "
                    "pixels; shares of the frame, from 0 to 1, fit any size"
                )
        return self.points


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingRules:
    """The lines and zones at which objects are counted.

    Attributes:
        lines: of two points each.
        zones: of the corners of a polygon each.
        anchor: the point of a box that counts.
    """

    lines: tuple[Shape, ...] = ()
    zones: tuple[Shape, ...] = ()
    anchor: Anchor = "bottom"

    def __post_init__(self) -> None:
        """Checks that the names of lines, and of zones, differ in each source."""
        for kind, shapes in (("line", self.lines), ("zone", self.zones)):
            for one, other in itertools.combinations(shapes, 2):
                meet = None in (one.source, other.source) or one.source == other.source
                if meet and one.name == other.name:
                    raise UsageError(f"--{kind} {one.name}: duplicate name; change one")

    def of_source(self, number: int) -> "CountingRules":
        """Returns the rules that apply to a source, by its number from 1."""
        return CountingRules(
            lines=tuple(each for each in self.lines if each.source in (None, number)),
            zones=tuple(each for each in self.zones if each.source in (None, number)),
            anchor=self.anchor,
        )


def parse_line(text: str) -> Shape:
    """Returns the line that `NAME=x1,y1,x2,y2` describes.

    Values from 0 to 1 are shares of the frame; if one is over 1, all are pixels. `2:` before the
    name limits it to the second source.

    Raises:
        UsageError: the text has another form, or the line has no length.

    Example:
        >>> parse_line("door=0.1,0.5,0.9,0.5").in_frame((480, 640))
        ((64.0, 240.0), (576.0, 240.0))
    """
    shape = _parse("line", text, "NAME=x1,y1,x2,y2")
    if len(shape.points) != 2:
        raise UsageError(f"--line {text}: has {len(shape.points)} points; must have two")
    if shape.points[0] == shape.points[1]:
        raise UsageError(f"--line {text}: starts where it ends; give two different points")
    return shape


def parse_zone(text: str) -> Shape:
    """Returns the zone that `NAME=x1,y1,x2,y2,x3,y3,...` describes, see `parse_line`.

    Raises:
        UsageError: the text has another form, or the polygon has fewer than three corners or no
            area.
    """
    shape = _parse("zone", text, "NAME=x1,y1,x2,y2,x3,y3,...")
    corners = shape.points
    if len(corners) < 3:
        raise UsageError(f"--zone {text}: has {len(corners)} corners; must have three or more")
    twice = sum(
        x * next_y - next_x * y
        for (x, y), (next_x, next_y) in zip(corners, corners[1:] + corners[:1], strict=True)
    )
    if abs(twice) < 1e-12:
        raise UsageError(f"--zone {text}: has no area; its corners must enclose one")
    return shape


def _parse(kind: str, text: str, form: str) -> Shape:
    found = _WORDS.fullmatch(text)
    name = found["name"].strip() if found else ""
    if found is None or not name.isprintable() or not name:
        raise UsageError(f"--{kind} {text}: must be {form}, or 2:{form} for the second source")
    try:
        numbers = [float(word) for word in found["numbers"].split(",")]
    except ValueError:
        numbers = []
    if not numbers or len(numbers) % 2 or not all(math.isfinite(each) for each in numbers):
        raise UsageError(f"--{kind} {text}: must be {form}; an x and a y for each point")
    if min(numbers) < 0:
        raise UsageError(f"--{kind} {text}: {min(numbers):g} is negative; must be 0 or more")
    in_pixels = max(numbers) > 1
    if in_pixels and any(0 < each < 1 for each in numbers):
        raise UsageError(
            f"--{kind} {text}: mixes shares of the frame and pixels; all from 0 to 1, or all pixels"
        )
    source = None if found["source"] is None else int(found["source"])
    if source == 0:
        raise UsageError(f"--{kind} {text}: sources are numbered from 1")
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return Shape(name=name, points=points, in_pixels=in_pixels, source=source)
