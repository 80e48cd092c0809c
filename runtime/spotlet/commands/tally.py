"""What a run did, counted as it goes, and told at its end."""

import time
from collections import Counter
from typing import TextIO

from spotlet.counts import Counts, by_class
from spotlet.detections import Detections
from spotlet.sinks import Sink
from spotlet.streams import Frame, Stream
from spotlet.text.terminal import table


class Tally:
    """Frames, drops, ages and objects of a run.

    Attributes:
        frames: frames detected in.
        sinks: the outputs, which say what they wrote.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.sinks: list[Sink] = []
        self._dropped = 0
        self._oldest = 0.0
        self._live = False
        self._by_source: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._counts: dict[str, Counts] = {}
        self._started = time.monotonic()
        self._last = self._started

    def add(self, stream: Stream, frame: Frame, detections: Detections) -> None:
        """Counts a frame of a stream, whose result is there now."""
        if self.frames == 0:  # its time counts, what came before was opening and loading
            self._started = frame.captured_monotonic
        self._last = time.monotonic()
        self.frames += 1
        self._dropped += frame.dropped
        self._by_source[stream.source] += 1
        self._found.update(found.name for found in detections)
        if detections.counts is not None:
            self._counts[stream.source] = detections.counts
        if stream.mode == "live":
            self._live = True
            self._oldest = max(self._oldest, self._last - frame.captured_monotonic)

    def report(self, file: TextIO) -> None:
        """Prints the summary; nothing when there was no frame."""
        if self.frames == 0:
            return
        seconds = max(self._last - self._started, 1e-9)
        frames = f"{self.frames} frame{'s' * (self.frames > 1)}"
        rate = self.frames / seconds
        age = f", {self._oldest * 1000:.0f} ms old at most" if self._live else ""
        print(
            f"{frames} in {seconds:.1f} s, {rate:.1f} frames/s, {self._dropped} dropped{age}",
            file=file,
        )
        if len(self._by_source) > 1:
            print(table([*self._by_source.items()], header=("source", "frames")), file=file)
        if self._found:
            print(table(self._found.most_common(), header=("class", "found")), file=file)
        else:
            print("nothing found", file=file)
        if self._counts:
            print(table(self._counted(), header=("source", "counted by", "", "")), file=file)
        for written in filter(None, (sink.written for sink in self.sinks)):
            print(f"wrote {written}", file=file)

    def _counted(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for source, counts in self._counts.items():
            for line in counts.lines:
                rows.append(
                    (
                        source,
                        line.name,
                        f"in {by_class(line.entered)}",
                        f"out {by_class(line.left)}",
                    )
                )
            for zone in counts.zones:
                rows.append(
                    (
                        source,
                        zone.name,
                        f"inside {by_class(zone.inside)}",
                        f"entered {by_class(zone.entered)}",
                    )
                )
        return rows
