"""Who went over which line, and who is in which zone."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace

from spotlet.counting.geometry import distance_to_sides, is_inside, offset, way_meets
from spotlet.counting.rules import Anchor, CountingRules
from spotlet.counts import Counts, Crossing, Direction, LineCount, PointXy, ZoneCount
from spotlet.detections import Detection, Detections
from spotlet.errors import UsageError

CLEAR_SHARE = 0.25
"""How far from a line, over its size, an object must be to be clear of it: a detector's box
trembles by a twentieth, so that an object standing on a line is not counted over and over."""


class ObjectCounter:
    """Counts the numbered objects of one source over lines and in zones.

    An object has crossed a line when it was clear of it on one side, is clear of it on the other,
    and went through between its ends in the meantime, however long it was out of sight. Clear is
    `CLEAR_SHARE` of the object's size. To touch a line and go back counts nothing; to go around its
    end neither.

    An object comes into a zone as soon as its anchor is in it, and has left when its anchor is
    clear of it, or it was out of sight for `lost_seconds`. One that is in a zone when it is first
    seen has come into it.

    Counts remain when the source comes back in a new epoch; who was there is then new.
    """

    def __init__(self, rules: CountingRules, lost_seconds: float = 3.0) -> None:
        """Begins at none.

        Args:
            rules: what is counted.
            lost_seconds: of the tracker.
        """
        self._rules = rules
        self._lost_seconds = lost_seconds
        self._size_hw: tuple[int, int] | None = None
        self._lines = [_Line(shape.name) for shape in rules.lines]
        self._zones = [_Zone(shape.name) for shape in rules.zones]
        self._seen_at: dict[int, float] = {}

    def update(
        self, detections: Detections, size_hw: tuple[int, int], at_seconds: float
    ) -> Detections:
        """Returns the objects with the counts as they stand after their frame.

        Args:
            detections: as `Tracker.update` gives them.
            size_hw: height and width of the frame, pixels.
            at_seconds: when it was taken, on the tracker's clock.

        Raises:
            UsageError: the objects have no numbers, or a line or a zone lies outside the frame.
        """
        if detections.track_ids is None:
            raise UsageError("objects without numbers: only what a Tracker gave can be counted")
        self._fit(size_hw)
        crossings: list[Crossing] = []
        for found in detections:
            if found.track_id is None:
                continue
            self._seen_at[found.track_id] = at_seconds
            at, clear = anchor_of(found.box_xyxy, self._rules.anchor), _clear_pixels(found)
            for line in self._lines:
                direction = line.step(found.track_id, at, clear)
                if direction is not None:
                    crossings.append(line.count(found, direction))
            for zone in self._zones:
                zone.step(found, at, clear)
        self._forget(at_seconds)
        counts = Counts(
            lines=tuple(line.total() for line in self._lines),
            zones=tuple(zone.total() for zone in self._zones),
            crossings=tuple(crossings),
        )
        return replace(detections, counts=counts)

    def _fit(self, size_hw: tuple[int, int]) -> None:
        """Lays lines and zones over frames of this size; where that changed, paths begin anew."""
        if size_hw == self._size_hw:
            return
        self._size_hw = size_hw
        for line, shape in zip(self._lines, self._rules.lines, strict=True):
            line.lay(shape.in_frame(size_hw))
        for zone, shape in zip(self._zones, self._rules.zones, strict=True):
            zone.lay(shape.in_frame(size_hw))

    def _forget(self, at_seconds: float) -> None:
        lost = [
            track for track, at in self._seen_at.items() if at_seconds - at > self._lost_seconds
        ]
        for track in lost:
            del self._seen_at[track]
            for line in self._lines:
                line.paths.pop(track, None)
            for zone in self._zones:
                zone.inside.pop(track, None)


def anchor_of(box_xyxy: tuple[float, float, float, float], anchor: Anchor) -> PointXy:
    """Returns the point of a box that counts, in its unit.

    Example:
        >>> anchor_of((0, 0, 4, 8), "bottom"), anchor_of((0, 0, 4, 8), "centre")
        ((2.0, 8), (2.0, 4.0))
    """
    left, top, right, bottom = box_xyxy
    return (left + right) / 2, bottom if anchor == "bottom" else (top + bottom) / 2


@dataclass(slots=True)
class _Path:
    """An object on its way over a line.

    Attributes:
        at: where it was last.
        side: of the line there, on the line itself that before; -1 is left, 0 not known.
        clear_side: where it was clear of the line last, 0 for nowhere yet.
        passages: how often it went through since then.
    """

    at: PointXy
    side: int = 0
    clear_side: int = 0
    passages: int = 0


@dataclass(slots=True)
class _Line:
    name: str
    ends: tuple[PointXy, ...] = ()
    entered: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    paths: dict[int, _Path] = field(default_factory=dict)

    def lay(self, ends: tuple[PointXy, ...]) -> None:
        self.ends = ends
        self.paths.clear()

    def step(self, track: int, to: PointXy, clear: float) -> Direction | None:
        """Moves an object; returns its direction if it has now crossed the line."""
        path = self.paths.setdefault(track, _Path(to))
        start, end = self.ends
        off = offset(start, end, to)
        side = (off > 0) - (off < 0) or path.side
        if side and path.side and side != path.side and way_meets(start, end, path.at, to):
            path.passages += 1
        path.at, path.side = to, side
        if abs(off) <= clear:
            return None
        before, through = path.clear_side, path.passages % 2 == 1
        path.clear_side, path.passages = side, 0
        if not through or before in (0, side):
            return None
        return "in" if before < 0 else "out"

    def count(self, found: Detection, direction: Direction) -> Crossing:
        (self.entered if direction == "in" else self.left)[found.name] += 1
        return Crossing(
            line=self.name,
            direction=direction,
            track_id=found.track_id or 0,
            class_id=found.class_id,
            name=found.name,
        )

    def total(self) -> LineCount:
        start, end = self.ends
        return LineCount(
            name=self.name,
            start_xy=start,
            end_xy=end,
            entered=dict(self.entered),
            left=dict(self.left),
        )


@dataclass(slots=True)
class _Zone:
    name: str
    corners: tuple[PointXy, ...] = ()
    entered: Counter[str] = field(default_factory=Counter)
    inside: dict[int, str] = field(default_factory=dict)

    def lay(self, corners: tuple[PointXy, ...]) -> None:
        self.corners = corners
        self.inside.clear()

    def step(self, found: Detection, at: PointXy, clear: float) -> None:
        """Moves an object."""
        track = found.track_id or 0
        if is_inside(self.corners, at):
            if track not in self.inside:
                self.entered[found.name] += 1
            self.inside[track] = found.name
        elif track in self.inside:
            self.inside[track] = found.name
            if distance_to_sides(self.corners, at) > clear:
                del self.inside[track]

    def total(self) -> ZoneCount:
        return ZoneCount(
            name=self.name,
            corners_xy=self.corners,
            inside=dict(Counter(self.inside.values())),
            entered=dict(self.entered),
        )


def _clear_pixels(found: Detection) -> float:
    left, top, right, bottom = found.box_xyxy
    return CLEAR_SHARE * math.sqrt((right - left) * (bottom - top))
