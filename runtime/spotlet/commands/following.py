"""Who is who in a run, and who is counted: `--track`, `--line`, `--zone`, `--anchor`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from spotlet.counting.counter import ObjectCounter
from spotlet.counting.rules import Anchor, CountingRules, parse_line, parse_zone
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.streams import Frame, SourceClock, Stream, locate_source
from spotlet.tracking.tracker import Tracker, TrackingSettings

UNSURE_SHARE = 0.5
"""What is found with so much of the least score still continues an object that has a number."""


def add_following_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--track`, `--line`, `--zone` and `--anchor`."""
    group = parser.add_argument_group("tracking and counting")
    group.add_argument(
        "--track", action="store_true", help="number the objects: one keeps its own across frames"
    )
    group.add_argument(
        "--line",
        action="append",
        metavar="NAME=X1,Y1,X2,Y2",
        help="count who goes over this line, in shares of the frame (0 to 1) or pixels; 2:NAME=... "
        "holds for the second source only; may be given several times",
    )
    group.add_argument(
        "--zone",
        action="append",
        metavar="NAME=X1,Y1,X2,Y2,X3,Y3,...",
        help="count who is in this polygon, and who came into it; likewise",
    )
    group.add_argument(
        "--anchor",
        choices=get_args(Anchor),
        default="bottom",
        help="the point of a box that counts: the middle of its lower side, or its centre "
        "[%(default)s]",
    )


class Following:
    """Numbers and counts the objects of a run, those of each source by themselves."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Reads the flags, before anything is opened.

        Raises:
            UsageError: a line or a zone breaks its rule, or a source is images, without time.
            SourceError: a source is not there.
        """
        self._rules = CountingRules(
            lines=tuple(parse_line(text) for text in args.line or ()),
            zones=tuple(parse_zone(text) for text in args.zone or ()),
            anchor=args.anchor,
        )
        _require_sources(self._rules, len(args.source))
        self._active = bool(args.track or self._rules.lines or self._rules.zones)
        for source in args.source if self._active else ():
            if locate_source(source).kind in ("image", "images"):
                raise UsageError(
                    f"{source}: images have no time, so their objects cannot be tracked or "
                    "counted; leave out --track, --line and --zone, or give a video"
                )
        self._settings = TrackingSettings()
        self._followers: dict[Stream, _Follower] = {}

    def prepare(self, detector: Detector) -> None:
        """Lets the detector give also what is less sure, for objects that have a number."""
        if not self._active:
            return
        rule = detector.rule
        self._settings = replace(self._settings, start_score=rule.score_threshold)
        unsure = rule.score_threshold * UNSURE_SHARE
        if detector.manifest.output.form == "detections":
            # Below the threshold of suppression in the graph there is nothing.
            unsure = max(unsure, detector.manifest.detection.score_threshold)
        detector.rule = replace(rule, score_threshold=unsure)

    def begin(self, streams: Sequence[Stream]) -> None:
        """Takes the streams whose objects are followed, in the order of the sources."""
        if self._active:
            self._followers = {
                stream: _Follower(self._settings, self._rules.of_source(number))
                for number, stream in enumerate(streams, 1)
            }

    def update(self, stream: Stream, frame: Frame, detections: Detections) -> Detections:
        """Returns the objects of a stream's next frame with numbers and counts, if asked for.

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


def _require_sources(rules: CountingRules, count: int) -> None:
    for shape in (*rules.lines, *rules.zones):
        if shape.source is not None and shape.source > count:
            raise UsageError(
                f"{shape.source}:{shape.name}: there is no such source; they are numbered from 1 "
                f"to {count}"
            )
