"""Track ids and counts of a run's objects, separate for each source."""

from collections.abc import Sequence
from dataclasses import replace

from spotlet.counting.counter import ObjectCounter
from spotlet.detections import Detections, ModelIdentity
from spotlet.detector import Detector
from spotlet.errors import SettingError
from spotlet.running.settings import RunSettings
from spotlet.streams import Frame, SourceClock, Stream, locate_source
from spotlet.tracking.tracker import Tracker, TrackingSettings

UNSURE_SHARE = 0.5
"""Detections from this share of the least score up still continue objects that have an id, and may
make a frame worth collecting."""


class RunTracking:
    """Tracks and counts a run's objects, if its settings ask for it."""

    def __init__(self, settings: RunSettings) -> None:
        """Checks the sources, before anything is opened.

        Raises:
            UsageError: a source is images, which have no time.
            SourceError: a source does not exist.
        """
        self._rules = settings.counting
        counts = self._rules.lines or self._rules.zones
        self._tracking = settings.tracking or (TrackingSettings() if counts else None)
        self._collects = settings.collect is not None
        self._least_scores: dict[ModelIdentity | None, float] = {}
        self._of: dict[Stream, tuple[SourceClock, Tracker, ObjectCounter | None]] = {}
        self._reported: dict[Stream, Detections] = {}
        for source in settings.sources if self._tracking else ():
            if (found := locate_source(source)).kind in ("image", "images"):
                raise SettingError(
                    f"{found.name}: images have no time, so their objects cannot be tracked or "
                    "counted; leave out `tracking` and `counting`, or give a video"
                )

    def prepare(self, detector: Detector) -> None:
        """Lowers a detector's threshold: unsure objects keep ids, and are worth collecting.

        Args:
            detector: its `rule` is replaced; the threshold before is the least that is reported.
        """
        least = self._least_scores[detector.identity] = detector.rule.score_threshold
        if self._tracking is None and not self._collects:
            return
        unsure = least * UNSURE_SHARE
        if detector.manifest.output.form == "detections":
            # The graph drops everything below this threshold.
            unsure = max(unsure, detector.manifest.detection.score_threshold)
        detector.rule = replace(detector.rule, score_threshold=unsure)

    def least_score(self, detections: Detections) -> float:
        """Returns the least score that is reported of the model that found these."""
        # Several models may be in progress while one replaces another.
        return self._least_scores[detections.model]

    def begin(self, streams: Sequence[Stream]) -> None:
        """Takes the streams, in the order of the sources."""
        if self._tracking is None:
            return
        for number, stream in enumerate(streams, 1):
            rules = self._rules.of_source(number)
            counts = rules.lines or rules.zones
            counter = ObjectCounter(rules, self._tracking.lost_seconds) if counts else None
            self._of[stream] = SourceClock(), Tracker(self._tracking), counter

    def update(self, stream: Stream, frame: Frame, detections: Detections | None) -> Detections:
        """Returns the objects of a stream's next frame, with track ids and counts if asked for.

        Args:
            stream: one of those taken.
            frame: its next.
            detections: all its objects; None if it was not inferred.

        Raises:
            UsageError: a line or a zone lies outside the frame.
        """
        if detections is None:
            return self._hold(stream, frame)
        least = self.least_score(detections)
        if stream not in self._of:
            found = detections.select(detections.scores >= least) if self._collects else detections
            self._reported[stream] = found
            return found
        clock, tracker, counter = self._of[stream]
        assert self._tracking is not None
        start = max(self._tracking.start_score, least)
        if tracker.settings.start_score != start:
            tracker.settings = replace(self._tracking, start_score=start)
        at_seconds = clock.seconds(frame)
        found = tracker.update(detections, at_seconds, frame.epoch, frame.size_hw)
        if counter is not None:
            found = counter.update(found, frame.size_hw, at_seconds)
        self._reported[stream] = found
        return found

    def _hold(self, stream: Stream, frame: Frame) -> Detections:
        """Returns no objects, with those of the last inferred frame as held."""
        last = self._reported[stream]
        none = Detections.none(last.class_names)
        if stream in self._of:
            clock, tracker, counter = self._of[stream]
            at_seconds = clock.seconds(frame)
            held = tracker.hold(at_seconds)
            if counter is not None:
                none = counter.hold(none, held.tolist(), at_seconds)
        return replace(none, held=replace(last, counts=none.counts))
