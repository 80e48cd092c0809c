"""The counts of lines and zones after a frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["in", "out"]

PointXy = tuple[float, float]
"""A point in a frame, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One object crossing a line.

    Attributes:
        line: the line's name.
        direction: `in` from the left of the line, seen in the picture from its start towards its
            end; else `out`.
        track_id: of the object.
        class_id: the index of its class.
        name: its class.
    """

    line: str
    direction: Direction
    track_id: int
    class_id: int
    name: str

    def to_json(self) -> dict[str, Any]:
        """Returns the crossing as a dict for JSON."""
        return {
            "line": self.line,
            "direction": self.direction,
            "track": self.track_id,
            "class": self.class_id,
            "name": self.name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCount:
    """How many objects have crossed a line since the run started.

    Attributes:
        name: of the line.
        start_xy: where it starts, pixels of the frame.
        end_xy: where it ends.
        entered: objects that went `in`, by class name, see `Crossing`.
        left: objects that went `out`, by class name.
    """

    name: str
    start_xy: PointXy
    end_xy: PointXy
    entered: Mapping[str, int]
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneCount:
    """How many objects are in a zone, and have entered it.

    Attributes:
        name: of the zone.
        corners_xy: of its polygon, pixels of the frame.
        inside: objects that are in it now, by class name.
        entered: objects that entered it since the run started, or were first seen in it, by class
            name.
    """

    name: str
    corners_xy: tuple[PointXy, ...]
    inside: Mapping[str, int]
    entered: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The counts of a source's lines and zones.

    Attributes:
        lines: in the order given.
        zones: in the order given.
        crossings: of this frame.
    """

    lines: tuple[LineCount, ...] = ()
    zones: tuple[ZoneCount, ...] = ()
    crossings: tuple[Crossing, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the counts as a dict for JSON, without the crossings of this frame."""
        return {
            "lines": {
                line.name: {"in": dict(line.entered), "out": dict(line.left)} for line in self.lines
            },
            "zones": {
                zone.name: {"inside": dict(zone.inside), "entered": dict(zone.entered)}
                for zone in self.zones
            },
        }


def by_class(numbers: Mapping[str, int]) -> str:
    """Returns counts by class as text.

    Example:
        >>> by_class({"person": 3, "car": 1}), by_class({})
        ('3 person, 1 car', '0')
    """
    return ", ".join(f"{count} {name}" for name, count in numbers.items()) or "0"
