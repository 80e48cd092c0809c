"""Finds the objects of earlier frames again in the next frame."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.tracking.assignment import assign
from spotlet.tracking.motion import (
    Array,
    Motion,
    begin,
    leaving,
    match,
    observe,
    places_of,
    predict,
    turned,
)
from spotlet.tracking.settings import TrackingSettings

__all__ = ["Tracker", "TrackingSettings"]

HELD_MISSES = 4
"""A detector misses an object now and then: one missed in fewer frames in a row is still there."""

IndexArray = npt.NDArray[np.int64]


class Tracker:
    """Gives the objects of one source ids from 1, in the order in which they are confirmed.

    `motion.py` predicts where each known object was heading and, at a cost, where it may be if it
    turned. Observations are assigned for the best total fit: first the sure ones to objects with an
    id, then the less sure ones to these, then the remaining sure ones to objects without an id.
    Those still left start new objects. The class of an object with an id is the one with the
    highest sum of scores so far; `update` returns it.

    Source:
        Bewley 2016, "Simple online and realtime tracking", for the order of the steps; Zhang 2022,
        "ByteTrack", section 3, for less sure detections; Bar-Shalom and Fortmann 1988, "Tracking
        and data association", for likelihoods as costs; Blom and Bar-Shalom 1988, "The interacting
        multiple model algorithm", for two models of motion, the likelier of which is used here
        instead of their mixture. Cao 2023, "Observation-centric SORT", corrects how noise grows
        while an object is not seen: here a gap is one step of its length.

    Attributes:
        settings: may be replaced between two frames.

    Example:
        >>> import numpy as np
        >>> from spotlet import Detections, Tracker
        >>> tracker = Tracker()
        >>> for time in range(3):
        ...     box = np.array([[10 + 2 * time, 10, 50 + 2 * time, 90]], np.float32)
        ...     one = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), ("person",))
        ...     print(tracker.update(one, time / 10).track_ids)
        [0]
        [1]
        [1]
    """

    def __init__(self, settings: TrackingSettings = TrackingSettings()) -> None:  # noqa: B008
        self.settings = settings
        self._given = 0
        self._epoch = 0
        self._now = -math.inf
        self._motion = begin(np.zeros((0, 4)), 0.0)
        self._ids = np.zeros(0, np.int64)
        self._since = np.zeros(0)
        self._misses = np.zeros(0, np.int64)
        self._class_scores = np.zeros((0, 0))

    def update(
        self,
        detections: Detections,
        at_seconds: float,
        epoch: int = 0,
        size_hw: tuple[int, int] | None = None,
    ) -> Detections:
        """Returns the objects of the next frame with their ids, 0 for none yet.

        Their order does not matter and is kept. Those that do not continue an object are dropped
        if their score is below `start_score` or they repeat another object, see `repeat_iou`.

        Args:
            detections: of the frame.
            at_seconds: when the frame was taken, on any clock that never goes back.
            epoch: see `Frame.epoch`. In a new one all objects are new; ids are never reused.
            size_hw: height and width of the frame. With it, an object that was leaving the frame
                and is no longer visible is dropped; a newcomer there gets a new id.

        Raises:
            UsageError: the time is earlier than that of the frame before.
        """
        if not (math.isfinite(at_seconds) and at_seconds >= self._now):
            raise UsageError(
                f"a frame at {at_seconds} s after one at {self._now} s: must not be earlier"
            )
        if epoch != self._epoch:
            self._epoch = epoch
            self._keep(np.zeros(len(self._ids), np.bool_))
        steady, turn = self._expect(at_seconds, size_hw)
        self._now = at_seconds
        order = _canonical_order(detections)
        tracks = np.full(len(detections), -1, np.int64)
        tracks[order] = self._place(detections.select(order), steady, turn)
        # The last of each is for objects without a track, -1.
        ids = np.append(self._ids, 0)[tracks]
        classes = np.append(self._classes(), 0)[tracks]
        return replace(
            detections,
            class_ids=np.where(ids > 0, classes, detections.class_ids),
            track_ids=ids,
        ).select(tracks >= 0)

    def hold(self, at_seconds: float) -> IndexArray:
        """Lets time pass without a look: nothing has moved. Returns the ids (K,) of what is held.

        Objects seen in one of the last `HELD_MISSES` frames are as good as seen, where they were.
        """
        held = self._misses < HELD_MISSES
        seen_at = self._motion.at_seconds + held * max(at_seconds - self._now, 0.0)
        self._motion = Motion(self._motion.moments, seen_at)
        self._now = max(at_seconds, self._now)
        return self._ids[held]

    def _place(self, found: Detections, steady: Motion, turn: Motion) -> IndexArray:
        """Updates the tracks; returns the track of each object (M,), -1 for none."""
        places = places_of(found.boxes_xyxy)
        if self._class_scores.shape[1] != len(found.class_names):
            self._class_scores = np.zeros((len(self._ids), len(found.class_names)))
        costs, turns = _costs(steady, places), _costs(turn, places) + self.settings.turn_cost
        gains = self._gains(np.minimum(costs, turns), found.class_ids)
        sure = found.scores >= self.settings.start_score
        numbered = self._ids > 0
        free = np.ones(len(numbered), np.bool_)
        tracks = np.full(len(found), -1, np.int64)
        for known, wanted in ((numbered, sure), (numbered, ~sure), (~numbered, sure)):
            rows, columns = np.flatnonzero(known & free), np.flatnonzero(wanted & (tracks < 0))
            if len(rows) and len(columns):
                chosen, taken = assign(gains[np.ix_(rows, columns)])
                tracks[columns[taken]] = rows[chosen]
                free[rows[chosen]] = False
        at = np.flatnonzero(tracks >= 0)
        has_turned = tracks[at][turns[tracks[at], at] < costs[tracks[at], at]]
        expected = steady.replaced(has_turned, turn.select(has_turned))
        seen = observe(expected.select(tracks[at]), places[at])
        self._motion = self._motion.replaced(tracks[at], seen)
        self._misses += 1
        self._misses[tracks[at]] = 0
        fresh = _newcomers(found, tracks >= 0, self.settings.repeat_iou)
        fresh = fresh[sure[fresh]]
        if len(fresh):
            tracks[fresh] = self._begin(places[fresh])
        at = np.flatnonzero(tracks >= 0)
        self._class_scores[tracks[at], found.class_ids[at]] += found.scores[at]
        self._confirm()
        return tracks

    def _gains(self, costs: Array, class_ids: IndexArray) -> Array:
        """Returns how much better each pair of track and object is than a new object (N, M)."""
        flips = self._classes()[:, np.newaxis] != class_ids
        gains: Array = self.settings.most_cost - costs - self.settings.flip_cost * flips
        return gains

    def _begin(self, places: Array) -> IndexArray:
        """Adds tracks; returns their indices."""
        count = len(places)
        self._motion = self._motion.joined(begin(places, self._now))
        self._ids = np.concatenate([self._ids, np.zeros(count, np.int64)])
        self._since = np.concatenate([self._since, np.full(count, self._now)])
        self._misses = np.concatenate([self._misses, np.zeros(count, np.int64)])
        none = np.zeros((count, self._class_scores.shape[1]))
        self._class_scores = np.concatenate([self._class_scores, none])
        return np.arange(len(self._ids) - count, len(self._ids))

    def _confirm(self) -> None:
        known = self._motion.at_seconds - self._since
        # A source's clock has whole ticks: a tenth of a second may measure shorter.
        enough = (known > 0) & (known >= self.settings.confirm_seconds - 1e-3)
        ready = (self._ids == 0) & (self._motion.at_seconds == self._now) & enough
        count = int(ready.sum())
        self._ids[ready] = self._given + 1 + np.arange(count)
        self._given += count

    def _expect(self, at_seconds: float, size_hw: tuple[int, int] | None) -> tuple[Motion, Motion]:
        """Drops tracks that left; returns where the others may be by now, and if they turned."""
        steady = predict(self._motion, at_seconds)
        seen_at = self._motion.at_seconds
        kept = at_seconds - seen_at <= self.settings.lost_seconds
        # Only frames that did not show it count: a slow source has long gaps between two frames.
        kept &= (self._ids > 0) | (self._now - seen_at <= self.settings.confirm_seconds)
        if size_hw is not None:
            centres = steady.places[:, :2]
            is_out = ((centres < 0) | (centres > size_hw[::-1])).any(axis=1)
            kept &= ~is_out | (seen_at >= self._now)
        self._keep(kept)
        steady = steady.select(kept)
        turn = turned(steady, self._motion)
        if size_hw is not None:
            away = np.flatnonzero(leaving(self._motion, size_hw))
            turn = turn.replaced(away, steady.select(away))
        return steady, turn

    def _keep(self, kept: npt.NDArray[np.bool_]) -> None:
        self._motion = self._motion.select(kept)
        self._ids, self._since = self._ids[kept], self._since[kept]
        self._misses = self._misses[kept]
        self._class_scores = self._class_scores[kept]

    def _classes(self) -> IndexArray:
        """Returns each track's class (N,)."""
        if self._class_scores.size == 0:
            return np.zeros(len(self._ids), np.int64)
        classes: IndexArray = self._class_scores.argmax(axis=1)
        return classes


def _costs(expected: Motion, places: Array) -> Array:
    """Returns the cost of each pair of track and object (N, M), see `most_cost`."""
    fits = match(expected, places)
    return fits.distances + fits.spreads


def _canonical_order(found: Detections) -> IndexArray:
    """Returns the objects' order, best score first, in whatever order they came."""
    return np.lexsort([*found.boxes_xyxy.T, found.class_ids, -found.scores])


def _newcomers(found: Detections, known: npt.NDArray[np.bool_], iou: float) -> IndexArray:
    """Returns the objects that are neither known nor a known or better one under another class.

    Args:
        found: best score first.
        known: (M,) which ones continue a track.
        iou: see `repeat_iou`.
    """
    new = np.flatnonzero(~known)
    others = found.class_ids[new, np.newaxis] != found.class_ids
    repeats = (box_iou(found.boxes_xyxy[new], found.boxes_xyxy) > iou) & others
    real = known.copy()
    for place, repeated in zip(new, repeats, strict=True):
        real[place] = not (repeated & real).any()
    return new[real[new]]
