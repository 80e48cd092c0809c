"""Collects frames of a run: what its loop calls for each frame."""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.collecting.choice import DOUBT_MARGIN, SourceHistory, doubt_in
from spotlet.collecting.settings import CollectSettings
from spotlet.collecting.sink import CollectSink
from spotlet.collecting.slots import Choice, Slots
from spotlet.detections import Detections
from spotlet.lifetime import Closing
from spotlet.postprocess import suppress
from spotlet.sinks.queue import QueuedSink
from spotlet.sinks.retry import RetriedSink
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Frame, SourceClock, Stream
from spotlet.tracking.tracker import Tracker, TrackingSettings

HOUR_SECONDS = 3600.0

SAME_OBJECT_IOU = 0.7
"""Boxes that overlap by more are around one object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is remembered of one source."""

    clock: SourceClock
    tracker: Tracker
    history: SourceHistory


class Collector(Closing):
    """Chooses frames worth labelling, and writes them in its own thread.

    Time is divided into slots, see `Slots`; of each, one frame is kept at most. The time is that
    of the capture if a source is live, else that of the videos. Images have no time: each is a
    slot, and only doubt and chance speak for it.

    Attributes:
        threshold: the least score that is reported of the frames to come.
    """

    def __init__(
        self,
        settings: CollectSettings,
        class_names: Sequence[str],
        streams: Sequence[Stream],
        *,
        threshold: float = 0.0,
        classes: Sequence[str] | None = None,
        on_failure: OnFailure,
        rng: random.Random | None = None,
    ) -> None:
        """Opens the folder, and starts the thread.

        Args:
            settings: where frames are kept, and how many.
            class_names: of the models whose detections will come.
            streams: of the run.
            threshold: see the attribute.
            classes: the only ones to suggest; None: all of the model's.
            on_failure: called with one line when writing fails, works again, or the folder is full.
            rng: draws frames; None: seeded by the system.

        Raises:
            UsageError: the folder holds something else, or lacks a class.
            OutputError: it cannot be written.
        """
        names = [name for name in class_names if classes is None or name in classes]
        self._names = tuple(names)
        self.threshold = threshold
        self._folder = CollectSink(settings, names, on_notice=on_failure)
        is_live = [stream.mode == "live" for stream in streams]
        self._uses_captures = any(is_live)
        self._has_time = any(stream.kind not in ("image", "images") for stream in streams)
        self._may_drop = all(is_live)
        self._sink = QueuedSink(
            RetriedSink(self._folder, on_failure), rule="drop" if self._may_drop else "block"
        )
        self._finishing = False
        seconds = HOUR_SECONDS / settings.per_hour if self._has_time else 0.0
        self._slots = Slots(seconds, settings.random_share, rng or random.Random())
        self._seen: dict[Hashable, _Seen] = {}
        self._started: float | None = None
        self._now = 0.0

    @property
    def written(self) -> str | None:
        """How many frames were kept, where and why; None without any."""
        return self._sink.written

    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes a frame of the source that it names, with all that is known of it."""
        self.take(frame.source, frame, detections, detections)

    def take(
        self,
        source: Hashable,
        frame: Frame,
        found: Detections,
        detections: Detections,
    ) -> None:
        """Takes a run's next frame; only boxes are looked at here, never the picture.

        Args:
            source: the same for all frames of one source; two may have one name.
            frame: the frame.
            found: all its objects, with those below the threshold.
            detections: as the run reports them; with ids if it tracks.

        Raises:
            UsageError: this collector is closed.
        """
        if source not in self._seen:
            self._seen[source] = _Seen(
                clock=SourceClock(),
                tracker=Tracker(TrackingSettings(start_score=self.threshold)),
                history=SourceHistory(self.threshold),
            )
        seen = self._seen[source]
        if seen.history.threshold != self.threshold:  # another model
            seen.history.threshold = self.threshold
            seen.tracker.settings = TrackingSettings(start_score=self.threshold)
        now = seen.clock.seconds(frame)
        self._write(self._slots.due(self._time(frame, now)))
        earlier = None
        if self._has_time:
            tracked = detections
            if tracked.track_ids is None and (len(found) or not seen.history.is_quiet(now)):
                tracked = seen.tracker.update(found, now, frame.epoch, frame.size_hw)
            findings, earlier = seen.history.update(frame, found, tracked, now)
        else:
            doubt = doubt_in(found, self.threshold)
            findings = [] if doubt is None else [doubt]
        self._slots.offer(frame, found, findings, source=source, earlier=earlier)

    def finish(self, *, hurry: bool = False) -> None:
        """Writes the last frame, and returns at once; see `BackgroundSink`."""
        if not self._finishing and (self._may_drop or not hurry):  # else it might wait
            self._write(self._slots.finish())
        self._finishing = True
        self._sink.finish(hurry=hurry)

    def close(self) -> None:
        """Waits until all is written.

        Raises:
            OutputError: it cannot be finished.
        """
        self.finish()
        self._sink.close()

    def _time(self, frame: Frame, source_seconds: float) -> float:
        if not self._has_time:
            return 0.0
        if self._uses_captures:
            if self._started is None:
                self._started = frame.captured_monotonic
            source_seconds = frame.captured_monotonic - self._started
        self._now = max(self._now, source_seconds)
        return self._now

    def _write(self, choice: Choice | None) -> None:
        if choice is not None:
            frame, found = choice
            self._sink.write(frame, self._suggestions(found))

    def _suggestions(self, found: Detections) -> Detections:
        """Returns the objects to suggest: those reported, and the doubtful ones below them.

        Their class ids are indices into the names that are collected. Of boxes of several classes
        around one object the best stays: a person corrects a class faster than two boxes.
        """
        sure = found.select(found.scores >= self.threshold - DOUBT_MARGIN).of_classes(self._names)
        one_class = np.zeros(len(sure), np.int64)
        sure = sure.select(suppress(sure.boxes_xyxy, sure.scores, one_class, SAME_OBJECT_IOU))
        place_of = np.full(len(found.class_names), -1, np.int64)
        for place, name in enumerate(self._names):
            place_of[found.class_names.index(name)] = place
        return replace(sure, class_ids=place_of[sure.class_ids], class_names=self._names)
