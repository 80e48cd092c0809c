"""Objects that cross lines, and objects in zones, counted."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from spotlet.counting.geometry import distance_to_sides, is_inside, offset, segments_cross
from spotlet.counting.rules import Anchor, CountingRules, Shape
from spotlet.counts import Counts, Crossing, LineCount, PointXy, ZoneCount
from spotlet.detections import Detection, Detections
from spotlet.errors import UsageError

CLEAR_SHARE = 0.25
"""How far from a line, over its own size, an object must be to be clear of it: boxes tremble by a
twentieth, and an object standing on a line must not be counted again and again."""


class ObjectCounter:
    """Counts the tracked objects of one source over lines and in zones.

    An object has crossed a line when it was clear of it on one side, is clear of it on the other,
    and passed between its ends on the way, however long it was out of sight. Clear means away by
    `CLEAR_SHARE` of the object's size. Touching a line and turning back does not count, nor does
    going around its end.

    An object enters a zone as soon as its anchor is inside, and has left when its anchor is clear
    of it, or after `lost_seconds` out of sight. One that is inside when it is first seen has
    entered.

    Counts continue when the source comes back in a new epoch; its objects are then new.
    """

    def __init__(self, rules: CountingRules, lost_seconds: float = 3.0) -> None:
        """Starts at 0.

        Args:
            rules: what is counted.
            lost_seconds: of the tracker.
        """
        self._anchor = rules.anchor
        self._lost_seconds = lost_seconds
        self._size_hw: tuple[int, int] | None = None
        self._lines = [_Line(shape) for shape in rules.lines]
        self._zones = [_Zone(shape) for shape in rules.zones]
        self._shapes: list[_Line | _Zone] = [*self._lines, *self._zones]
        self._seen_at: dict[int, float] = {}

    def update(
        self, detections: Detections, size_hw: tuple[int, int], at_seconds: float
    ) -> Detections:
        """Returns the detections with the counts after their frame.

        Args:
            detections: as `Tracker.update` returns them.
            size_hw: height and width of the frame, pixels.
            at_seconds: when it was taken, on the tracker's clock.

        Raises:
            UsageError: the detections have no track ids, or a line or zone lies outside the frame.
        """
        if detections.track_ids is None:
            raise UsageError("detections have no track ids; call Tracker.update first")
        if size_hw != self._size_hw:  # in frames of another size, objects are new
            for each in self._shapes:
                each.place(size_hw)
            self._size_hw = size_hw
        crossings: list[Crossing] = []
        for found in detections:
            if found.track_id is None:
                continue
            self._seen_at[found.track_id] = at_seconds
            at, clear = anchor_of(found.box_xyxy, self._anchor), _clear_pixels(found)
            for line in self._lines:
                if (crossing := line.step(found, found.track_id, at, clear)) is not None:
                    crossings.append(crossing)
            for zone in self._zones:
                zone.step(found, found.track_id, at, clear)
        return self._counted(detections, at_seconds, tuple(crossings))

    def hold(self, detections: Detections, held: Iterable[int], at_seconds: float) -> Detections:
        """Returns the detections with the counts after a frame in which nothing moved.

        Args:
            detections: of that frame: none.
            held: as `Tracker.hold` returns them: objects that are as good as seen.
            at_seconds: when it was taken.
        """
        for track in held:
            if track in self._seen_at:
                self._seen_at[track] = at_seconds
        return self._counted(detections, at_seconds, ())

    def _counted(
        self, detections: Detections, at_seconds: float, crossings: tuple[Crossing, ...]
    ) -> Detections:
        """Forgets what is out of sight for too long, and adds the counts."""
        for track in [
            track for track, at in self._seen_at.items() if at_seconds - at > self._lost_seconds
        ]:
            del self._seen_at[track]
            for each in self._shapes:
                each.tracks.pop(track, None)
        counts = Counts(
            lines=tuple(line.total() for line in self._lines),
            zones=tuple(zone.total() for zone in self._zones),
            crossings=crossings,
        )
        return replace(detections, counts=counts)


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
        at: where it was last seen.
        side: its side of the line then, or its last one if on the line; -1 is left, 0 unknown.
        clear_side: the side on which it was last clear of the line; 0 if it never was.
        passages: how often it passed through the line since then.
    """

    at: PointXy
    side: int = 0
    clear_side: int = 0
    passages: int = 0


@dataclass(slots=True)
class _Line:
    shape: Shape
    ends: tuple[PointXy, ...] = ()
    entered: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    tracks: dict[int, _Path] = field(default_factory=dict)

    def place(self, size_hw: tuple[int, int]) -> None:
        self.ends = self.shape.in_frame(size_hw)
        self.tracks.clear()

    def step(self, found: Detection, track: int, to: PointXy, clear: float) -> Crossing | None:
        """Moves an object; returns its crossing if it has now crossed the line."""
        path = self.tracks.setdefault(track, _Path(to))
        start, end = self.ends
        off = offset(start, end, to)
        side = (off > 0) - (off < 0) or path.side
        if side and path.side and side != path.side and segments_cross(start, end, path.at, to):
            path.passages += 1
        path.at, path.side = to, side
        if abs(off) <= clear:
            return None
        before, through = path.clear_side, path.passages % 2 == 1
        path.clear_side, path.passages = side, 0
        if not through or before in (0, side):
            return None
        (self.entered if before < 0 else self.left)[found.name] += 1
        return Crossing(
            line=self.shape.name,
            direction="in" if before < 0 else "out",
            track_id=track,
            class_id=found.class_id,
            name=found.name,
        )

    def total(self) -> LineCount:
        start, end = self.ends
        return LineCount(
            name=self.shape.name,
            start_xy=start,
            end_xy=end,
            entered=dict(self.entered),
            left=dict(self.left),
        )


@dataclass(slots=True)
class _Zone:
    shape: Shape
    corners: tuple[PointXy, ...] = ()
    entered: Counter[str] = field(default_factory=Counter)
    tracks: dict[int, str] = field(default_factory=dict)
    """The class of each object inside."""

    def place(self, size_hw: tuple[int, int]) -> None:
        self.corners = self.shape.in_frame(size_hw)
        self.tracks.clear()

    def step(self, found: Detection, track: int, at: PointXy, clear: float) -> None:
        """Moves an object."""
        if is_inside(self.corners, at):
            if track not in self.tracks:
                self.entered[found.name] += 1
            self.tracks[track] = found.name
        elif track in self.tracks:
            self.tracks[track] = found.name
            if distance_to_sides(self.corners, at) > clear:
                del self.tracks[track]

    def total(self) -> ZoneCount:
        return ZoneCount(
            name=self.shape.name,
            corners_xy=self.corners,
            inside=dict(Counter(self.tracks.values())),
            entered=dict(self.entered),
        )


def _clear_pixels(found: Detection) -> float:
    left, top, right, bottom = found.box_xyxy
    return CLEAR_SHARE * math.sqrt((right - left) * (bottom - top))
