"""A record of each source of a run: the newest frame, the state, the numbers."""

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from spotlet.detections import Detections, ModelIdentity
from spotlet.events import ModelEvent
from spotlet.sinks.file_names import unique_names
from spotlet.streams import Frame, State, StatusEvent

RATE_SECONDS = 5.0
"""The period over which frames per second are measured."""

_MARKS = 10
_MARK_SECONDS = RATE_SECONDS / _MARKS


class Watched(Protocol):
    """The part of a stream that the board uses; in any thread."""

    @property
    def source(self) -> str:
        """Its name, without credentials."""

    @property
    def over(self) -> bool:
        """Whether no more frames will come."""


class Newest(NamedTuple):
    """The newest frame of a source, and its detections."""

    frame: Frame
    detections: Detections


@dataclass(slots=True)
class SourceRecord:
    """The record of a source. Only the board changes it, under its lock.

    Attributes:
        source: see `Frame.source`.
        slug: the source's name in URLs.
        state: of the newest status event; a file has none, its state follows its frames.
        status: that event; None before the first.
        newest: None before the first frame.
        frames: processed.
        still: of these, not inferred because nothing had moved.
        dropped: skipped before detection.
        found: objects by class name; with 0 for classes that were not seen.
        latency_seconds: from a frame's capture to its result, all frames together.
        rate: frames per second, over the last seconds.
        heard_monotonic: when its last frame or event arrived.
    """

    source: str
    slug: str
    state: State = "connecting"
    status: StatusEvent | None = None
    newest: Newest | None = None
    frames: int = 0
    still: int = 0
    dropped: int = 0
    found: Counter[str] = field(default_factory=Counter)
    latency_seconds: float = 0.0
    rate: float = 0.0
    heard_monotonic: float = field(default_factory=time.monotonic)
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MARKS + 1))

    @property
    def age_seconds(self) -> float | None:
        """How long ago the newest frame was read; None before the first."""
        if self.newest is None:
            return None
        return max(time.monotonic() - self.newest.frame.captured_monotonic, 0.0)

    def add(self, frame: Frame, detections: Detections) -> None:
        """Counts a frame."""
        now = time.monotonic()
        if self.newest is None:
            self.found.update(dict.fromkeys(detections.class_names, 0))
        if self.status is None:
            self.state = "live"
        self.newest = Newest(frame, detections)
        self.frames += 1
        self.still += detections.held is not None
        self.dropped += frame.dropped
        self.found.update(found.name for found in detections)
        self.latency_seconds += max(now - frame.captured_monotonic, 0.0)
        self.heard_monotonic = now
        if not self._marks or now - self._marks[-1][0] >= _MARK_SECONDS:
            self._marks.append((now, self.frames))

    def update_rate(self) -> None:
        """Updates `rate`."""
        now = time.monotonic()
        longest = RATE_SECONDS + _MARK_SECONDS
        since, count = next((mark for mark in self._marks if now - mark[0] <= longest), (now, 0))
        self.rate = (self.frames - count) / (now - since) if now > since else 0.0


class Board:
    """The records of a run's sources. Every method may be called in any thread.

    Attributes:
        sources: their names, in the order in which they were given.
        model: of the newest frame; None before the first.
        swaps: packages by what became of them: `loaded` or `refused`.
        refusal: the last refused package; None if there is none, or one was loaded after it.
    """

    def __init__(self, streams: Sequence[Watched], *, stale_seconds: float) -> None:
        """Starts a record of each; streams that share a name share a record.

        Args:
            streams: the sources.
            stale_seconds: after this long without a frame or event a live source counts as down.
        """
        self.sources = list(dict.fromkeys(stream.source for stream in streams))
        self.model: ModelIdentity | None = None
        self.swaps: Counter[str] = Counter(loaded=0, refused=0)
        self.refusal: ModelEvent | None = None
        self._streams = tuple(streams)
        self._stale_seconds = stale_seconds
        self._lock = threading.Lock()
        slugs = zip(self.sources, unique_names(self.sources), strict=True)
        self._records = {source: SourceRecord(source, slug) for source, slug in slugs}

    def add(self, frame: Frame, detections: Detections) -> None:
        """Takes a frame. Its picture is not copied, and kept until the next arrives."""
        with self._lock:
            self._records[frame.source].add(frame, detections)
            self.model = detections.present.model

    def note(self, event: StatusEvent) -> None:
        """Takes a change of state."""
        with self._lock:
            record = self._records[event.source]
            record.status, record.state = event, event.state
            record.heard_monotonic = time.monotonic()

    def note_model(self, event: ModelEvent) -> None:
        """Takes a loaded or refused package."""
        self.swaps[event.state] += 1
        self.refusal = event if event.state == "refused" else None

    def newest(self, source: str) -> Newest | None:
        """Returns the newest frame of a source; None before the first."""
        with self._lock:
            return self._records[source].newest

    def records(self) -> list[SourceRecord]:
        """Returns a copy of each record, up to date, in the order of `sources`."""
        over = {stream.source: stream.over for stream in self._streams}
        with self._lock:
            for source, record in self._records.items():
                record.update_rate()
                if record.status is None and over[source]:
                    record.state = "ended"
            records = self._records.values()
            return [replace(record, found=Counter(record.found)) for record in records]

    def is_up(self, record: SourceRecord) -> bool:
        """Returns whether a source is live, and its last frame or event is recent enough."""
        silent = time.monotonic() - record.heard_monotonic
        return record.state == "live" and silent < self._stale_seconds

    def find(self, name: str) -> str | None:
        """Returns the source that a slug, a full name or a number from 0 means, or None."""
        for source, record in self._records.items():
            if name in (record.slug, source):
                return source
        if name.isascii() and name.isdecimal() and int(name) < len(self.sources):
            return self.sources[int(name)]
        return None
