"""Why a frame is worth labelling: what was found in it, and in the frames before."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np

from spotlet.detections import Detections
from spotlet.streams import Frame

Reason = Literal["doubt", "flicker", "class", "new", "random"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels of the frame."""

DOUBT_MARGIN = 0.15
"""A score this close to the threshold, on either side of it, is doubtful."""

NEW_SECONDS = 5.0
"""How long a place must have been free for an object there to be new."""

GRID = 16
"""Places along each axis of the frame."""

FLICKER_SECONDS = 1.5
"""An object out of sight for no longer has flickered; one for longer may have been away."""

SHORT_SECONDS = 0.5
"""An object with a shorter life has flickered too."""

STEADY_FRAMES = 3
"""In how many frames an object must have been seen before its absence counts."""

BORDER_SHARE = 0.02
"""An object within this share of the frame from its edge may simply have left."""

KNOWN_SECONDS = 3.0
"""How long an object that is out of sight is remembered; the tracker's default."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for a frame.

    Attributes:
        reason: see `docs/collecting.md`.
        interest: in [0, 1]; compared with other frames'.
        box_xyxy: the object that is the reason.
    """

    reason: Reason
    interest: float
    box_xyxy: Box


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChosenFrame(Frame):
    """A frame to keep.

    Attributes:
        reasons: why.
        focus_xyxy: the object that is the main reason, pixels; None if the frame was drawn.
    """

    reasons: tuple[Reason, ...]
    focus_xyxy: Box | None

    @classmethod
    def of(cls, frame: Frame, reasons: tuple[Reason, ...], focus: Box | None) -> Self:
        """Returns the frame with these reasons; the picture is shared."""
        own: dict[str, Any] = {each.name: getattr(frame, each.name) for each in fields(Frame)}
        return cls(**own, reasons=reasons, focus_xyxy=focus)


def doubt_in(found: Detections, threshold: float) -> Finding | None:
    """Returns the most doubtful object of a frame; None if all are clear.

    Args:
        found: with the objects below the threshold, as far down as they are known.
        threshold: the least score that is reported.
    """
    if len(found) == 0:
        return None
    margins = np.abs(found.scores - threshold)
    index = int(margins.argmin())
    interest = 1 - float(margins[index]) / DOUBT_MARGIN
    return Finding("doubt", interest, _box(found, index)) if interest > 0 else None


@dataclass(slots=True)
class _Known:
    """An object with an id: when it was first and last seen, in how many frames, and where."""

    first: float
    last: float
    frames: int
    box: Box


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A frame that becomes interesting if its object returns (`missing`), or does not."""

    frame: Frame
    found: Detections
    track: int
    box: Box
    at: float
    missing: bool


class SourceHistory:
    """What was seen in one source so far. Holds on to one frame of it at most.

    Attributes:
        threshold: the least score that is reported.
    """

    def __init__(self, threshold: float) -> None:
        """Starts with an empty history.

        Args:
            threshold: see the attribute.
        """
        self.threshold = threshold
        self._epoch: int | None = None
        self._known: dict[int, _Known] = {}
        self._suspect: _Suspect | None = None
        self._last = self._last_found = -math.inf
        self._seen_at = np.zeros((GRID, GRID))

    def is_quiet(self, at_seconds: float) -> bool:
        """Whether nothing was found for so long that the tracker has nothing to remember."""
        return not self._known and at_seconds - self._last_found > KNOWN_SECONDS

    def update(
        self, frame: Frame, found: Detections, tracked: Detections, at_seconds: float
    ) -> tuple[list[Finding], tuple[Frame, Detections, Finding] | None]:
        """Takes the next frame.

        Args:
            frame: newer than those before.
            found: all its objects, with those below the threshold.
            tracked: those of them that the tracker keeps, with ids.
            at_seconds: its time on the source's clock.

        Returns:
            What speaks for this frame, and an earlier one that turned out to be worth it.
        """
        if frame.epoch != self._epoch:
            self._epoch = frame.epoch
            self._known, self._suspect = {}, None
            self._seen_at[:] = at_seconds  # what was there before is not known
        if len(found):
            self._last_found = at_seconds
        findings = [each for each in [doubt_in(found, self.threshold)] if each is not None]
        raw_classes = {
            (score, *box): class_id
            for score, box, class_id in zip(
                found.scores.tolist(),
                found.boxes_xyxy.tolist(),
                found.class_ids.tolist(),
                strict=True,
            )
        }
        seen: dict[int, Box] = {}
        for each in tracked:
            if each.score < self.threshold:
                continue
            if each.track_id is not None:
                seen[each.track_id] = each.box_xyxy
                if raw_classes.get((each.score, *each.box_xyxy), each.class_id) != each.class_id:
                    findings.append(Finding("class", 1.0, each.box_xyxy))
            if each.track_id not in self._known and self._is_free(each.box_xyxy, frame, at_seconds):
                findings.append(Finding("new", each.score, each.box_xyxy))
        for box in found.boxes_xyxy.tolist():
            self._seen_at[_places(tuple(box), frame.size_hw)] = at_seconds
        earlier = self._flickered(seen, at_seconds)
        self._watch(frame, found, seen, at_seconds)
        self._remember(seen, at_seconds)
        return findings, earlier

    def _is_free(self, box: Box, frame: Frame, now: float) -> bool:
        return float(self._seen_at[_places(box, frame.size_hw)].max()) < now - NEW_SECONDS

    def _flickered(
        self, seen: dict[int, Box], now: float
    ) -> tuple[Frame, Detections, Finding] | None:
        """Returns the frame that was waiting if its object has flickered; forgets settled ones."""
        waiting = self._suspect
        if waiting is None:
            return None
        if waiting.missing:
            is_over = waiting.track in seen
            is_settled = now - waiting.at > FLICKER_SECONDS
        else:
            known = self._known.get(waiting.track)
            is_over = known is None or now - known.last > FLICKER_SECONDS
            is_settled = not is_over and now - waiting.at > SHORT_SECONDS and waiting.track in seen
        if is_over or is_settled:
            self._suspect = None
        if not is_over or is_settled:
            return None
        return waiting.frame, waiting.found, Finding("flicker", 1.0, waiting.box)

    def _watch(self, frame: Frame, found: Detections, seen: dict[int, Box], now: float) -> None:
        """Lets this frame wait if an object has just vanished, or has just got its id."""
        if self._suspect is not None and self._suspect.missing:
            return
        for track, known in self._known.items():
            steady = known.frames >= STEADY_FRAMES and known.last == self._last
            if track not in seen and steady and _is_inside(known.box, frame.size_hw):
                self._suspect = _Suspect(frame, found, track, known.box, now, missing=True)
                return
        if self._suspect is None:
            for track, box in seen.items():
                if track not in self._known and _is_inside(box, frame.size_hw):
                    self._suspect = _Suspect(frame, found, track, box, now, missing=False)
                    return

    def _remember(self, seen: dict[int, Box], now: float) -> None:
        for track, box in seen.items():
            known = self._known.setdefault(track, _Known(now, now, 0, box))
            known.last, known.box, known.frames = now, box, known.frames + 1
        gone = [track for track, one in self._known.items() if now - one.last > KNOWN_SECONDS]
        for track in gone:
            del self._known[track]
        self._last = now


def _box(found: Detections, index: int) -> Box:
    left, top, right, bottom = found.boxes_xyxy[index].tolist()
    return left, top, right, bottom


def _places(box: Box, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Returns the rows and columns of the grid that a box covers, at least one of each."""
    height, width = size_hw
    left, right = (min(int(x * GRID / width), GRID - 1) for x in (box[0], box[2]))
    top, bottom = (min(int(y * GRID / height), GRID - 1) for y in (box[1], box[3]))
    return slice(top, bottom + 1), slice(left, right + 1)


def _is_inside(box: Box, size_hw: tuple[int, int]) -> bool:
    height, width = size_hw
    x, y = width * BORDER_SHARE, height * BORDER_SHARE
    return box[0] > x and box[1] > y and box[2] < width - x and box[3] < height - y
