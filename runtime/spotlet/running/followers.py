"""Track ids and counts of the objects of a run, those of each source by themselves."""

from collections.abc import Sequence
from dataclasses import replace

from spotlet.counting.counter import ObjectCounter
from spotlet.counting.rules import CountingRules
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.running.settings import RunSettings
from spotlet.streams import Frame, SourceClock, Stream, locate_source
from spotlet.tracking.tracker import Tracker, TrackingSettings

UNSURE_SHARE = 0.5
"""Share of the least score from which a detection still continues an object that has an id."""


class Followers:
    """Tracks and counts the objects of a run, as far as its settings want it."""

    def __init__(self, settings: RunSettings) -> None:
        """Checks the sources, before anything is opened.

        Raises:
            UsageError: a source is images, without time.
            SourceError: there is no such source.
        """
        self._counting = settings.counting
        counts = self._counting.lines or self._counting.zones
        self._tracking = settings.tracking or (TrackingSettings() if counts else None)
        self._followers: dict[Stream, _Follower] = {}
        for source in settings.sources if self._tracking else ():
            if (found := locate_source(source)).kind in ("image", "images"):
                raise UsageError(
                    f"{found.name}: images have no time, so their objects cannot be tracked or "
                    "counted; leave out tracking, lines and zones, or give a video"
                )

    def prepare(self, detector: Detector) -> None:
        """Makes the detector also report less sure objects, to continue those that have an id."""
        if self._tracking is None:
            return
        least = detector.rule.score_threshold
        start = max(self._tracking.start_score, least)
        self._tracking = replace(self._tracking, start_score=start)
        unsure = least * UNSURE_SHARE
        if detector.manifest.output.form == "detections":
            # The graph has suppressed all below this threshold.
            unsure = max(unsure, detector.manifest.detection.score_threshold)
        detector.rule = replace(detector.rule, score_threshold=unsure)

    def begin(self, streams: Sequence[Stream]) -> None:
        """Takes the streams, in the order of the sources."""
        for number, stream in enumerate(streams, 1):
            if self._tracking is not None:
                rules = self._counting.of_source(number)
                self._followers[stream] = _Follower(self._tracking, rules)

    def update(self, stream: Stream, frame: Frame, detections: Detections) -> Detections:
        """Returns the objects of a stream's next frame, with track ids and counts if wanted.

        Raises:
            UsageError: a line or a zone lies outside the frame.
        """
        follower = self._followers.get(stream)
        return detections if follower is None else follower.update(frame, detections)


class _Follower:
    """One source's tracker and counter."""

    def __init__(self, settings: TrackingSettings, rules: CountingRules) -> None:
        self._tracker = Tracker(settings)
        counts = rules.lines or rules.zones
        self._counter = ObjectCounter(rules, settings.lost_seconds) if counts else None
        self._clock = SourceClock()

    def update(self, frame: Frame, detections: Detections) -> Detections:
        at_seconds = self._clock.seconds(frame)
        found = self._tracker.update(detections, at_seconds, frame.epoch, frame.size_hw)
        if self._counter is None:
            return found
        return self._counter.update(found, frame.size_hw, at_seconds)
