"""What a run did: counted frame by frame, summarised at its end."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spotlet.counts import Counts, by_class
from spotlet.detections import Detections, ModelIdentity
from spotlet.sinks import Sink
from spotlet.streams import Frame, Stream
from spotlet.text.terminal import table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run did. `str` of it is the table that `spotlet run` prints.

    Attributes:
        frames: frames processed.
        still: of these, frames that were not inferred, because nothing had moved.
        dropped: frames skipped before those, in `live` mode.
        seconds: from the capture of the first frame to the last result.
        oldest_seconds: the greatest age of a live frame when its result was ready; None: no frame
            was live.
        frames_by_source: frames processed, by the names of the sources that had any.
        found: objects found in all frames, by class name, the most frequent first.
        counts: the final counts of lines and zones, by source.
        written: what was written where, a text for each output that wrote.
        frames_by_model: frames inferred, by the model's name and digest.
        failures: why sources ended that should not have, by their names.
    """

    frames: int
    dropped: int
    seconds: float
    oldest_seconds: float | None
    frames_by_source: Mapping[str, int]
    found: Mapping[str, int]
    counts: Mapping[str, Counts]
    written: tuple[str, ...]
    failures: Mapping[str, str]
    frames_by_model: Mapping[str, int] = field(default_factory=dict)
    still: int = 0

    def __str__(self) -> str:
        rate = self.frames / max(self.seconds, 1e-9)
        lines = [
            f"{self.frames} frame{'s' * (self.frames != 1)} in {self.seconds:.1f} s, "
            f"{rate:.1f} frames/s, {self.dropped} dropped"
        ]
        if self.still:
            lines[0] += f", {self.still} still ({self.still / self.frames:.0%}), not inferred"
        if self.oldest_seconds is not None:
            lines[0] += f", {self.oldest_seconds * 1000:.0f} ms old at most"
        if len(self.frames_by_source) > 1:
            lines.append(table([*self.frames_by_source.items()], header=("source", "frames")))
        if len(self.frames_by_model) > 1:
            lines.append(table([*self.frames_by_model.items()], header=("model", "frames")))
        found = [*self.found.items()]
        lines.append(table(found, header=("class", "found")) if found else "nothing found")
        if self.counts:
            header = ("source", "counted by", "", "")
            lines.append(table(_count_rows(self.counts), header=header))
        return "\n".join([*lines, *(f"wrote {each}" for each in self.written)])


def _count_rows(counts_of: Mapping[str, Counts]) -> list[tuple[str, str, str, str]]:
    rows = []
    for source, counts in counts_of.items():
        for line in counts.lines:
            ways = f"in {by_class(line.entered)}", f"out {by_class(line.left)}"
            rows.append((source, line.name, *ways))
        for zone in counts.zones:
            ways = f"inside {by_class(zone.inside)}", f"entered {by_class(zone.entered)}"
            rows.append((source, zone.name, *ways))
    return rows


class Totals:
    """Frames, drops, ages and objects of a run so far."""

    def __init__(self) -> None:
        self._dropped = self._still = 0
        self._oldest: float | None = None
        self._by_source: Counter[str] = Counter()
        self._by_model: Counter[ModelIdentity] = Counter()
        self._found: Counter[str] = Counter()
        self._counts: dict[str, Counts] = {}
        self._first = self._last = 0.0

    def add(self, stream: Stream, frame: Frame, detections: Detections) -> None:
        """Counts a frame whose result has just arrived."""
        self._last = time.monotonic()
        if not self._by_source:  # the time before was opening and loading
            self._first = frame.captured_monotonic
        self._dropped += frame.dropped
        self._still += detections.held is not None
        self._by_source[stream.source] += 1
        if detections.model is not None:
            self._by_model[detections.model] += 1
        self._found.update(found.name for found in detections)
        if detections.counts is not None:
            self._counts[stream.source] = detections.counts
        if stream.mode == "live":
            self._oldest = max(self._oldest or 0.0, self._last - frame.captured_monotonic)

    def summary(self, sinks: Sequence[Sink], failures: Mapping[str, str]) -> RunSummary:
        """Returns what the run did; call it when the sinks are closed."""
        return RunSummary(
            frames=self._by_source.total(),
            dropped=self._dropped,
            still=self._still,
            seconds=self._last - self._first,
            oldest_seconds=self._oldest,
            frames_by_source=dict(self._by_source),
            frames_by_model={str(model): count for model, count in self._by_model.items()},
            found=dict(self._found.most_common()),
            counts=self._counts,
            written=tuple(filter(None, (sink.written for sink in sinks))),
            failures=failures,
        )
