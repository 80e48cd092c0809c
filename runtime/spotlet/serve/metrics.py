"""The metrics of a run, as Prometheus' official client collects them.

Source: Prometheus documentation, "Metric and label naming".
"""

import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from spotlet.serve.board import Board, SourceRecord
from spotlet.serve.pictures import Pictures
from spotlet.serve.viewers import Viewers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = Iterable[tuple[Sequence[str], float]]
"""Numbers, each with the values of its labels."""


class RunMetrics(Collector):
    """Collects the metrics of a run and of its server; it is not in the global registry."""

    def __init__(self, board: Board, viewers: Viewers, pictures: Pictures) -> None:
        self._board = board
        self._viewers = viewers
        self._pictures = pictures
        self._version = importlib.metadata.version("spotlet")

    def collect(self) -> Iterator[Metric]:
        """Returns all metrics; counters end in `_total`, all else are gauges and a summary."""
        records = self._board.records()

        def each(name: str, text: str, value: Callable[[SourceRecord], float | None]) -> Metric:
            values = [((record.source,), value(record)) for record in records]
            return _family(name, text, [(at, n) for at, n in values if n is not None], "source")

        text = "1, labelled with the version."
        yield _family("spotlet_build_info", text, [((self._version,), 1)], "version")
        model = self._board.model
        text = "1, labelled with the model of the newest frame and the start of its SHA-256."
        of_model = [] if model is None else [((model.name, model.digest), 1)]
        yield _family("spotlet_model_info", text, of_model, "model", "digest")
        text = "New packages for the running model, by what became of them."
        swaps = [((result,), number) for result, number in self._board.swaps.items()]
        yield _family("spotlet_model_swaps_total", text, swaps, "result")
        yield each("spotlet_source_up", "1 while the source is live, else 0.", self._board.is_up)
        yield each("spotlet_source_reconnections_total", "Connections after the first.", _epoch)
        text = "1, labelled with what decoded the newest frame of a video: cpu, or the hardware."
        newest = [record.newest.frame for record in records if record.newest is not None]
        of_video = [((each.source, each.decoder), 1) for each in newest if each.decoder is not None]
        yield _family("spotlet_source_decoder_info", text, of_video, "source", "decoder")
        yield each("spotlet_frames_total", "Processed frames.", lambda record: record.frames)
        text = "Of these, frames that were not inferred, because nothing had moved."
        yield each("spotlet_frames_still_total", text, lambda record: record.still)
        text = "Frames that were read but skipped, because a newer one was available."
        yield each("spotlet_frames_dropped_total", text, lambda record: record.dropped)
        text = "Time since the newest processed frame was read."
        yield each("spotlet_frame_age_seconds", text, lambda record: record.age_seconds)
        text = "Time from reading a frame to its result."
        latency = SummaryMetricFamily("spotlet_frame_latency_seconds", text, labels=("source",))
        for record in records:
            latency.add_metric([_valid(record.source)], record.frames, record.latency_seconds)
        yield latency
        found = [sample for each in records for sample in _by_class(each.found, each.source)]
        text = "Detected objects, all frames together."
        yield _family("spotlet_detections_total", text, found, "source", "class")
        yield from _counts(records)
        text = "Viewers of the events now."
        yield _family("spotlet_serve_viewers", text, [((), len(self._viewers))])
        text = "Events dropped because a viewer was too slow, all viewers together."
        yield _family("spotlet_serve_events_dropped_total", text, [((), self._viewers.left_out)])
        text = "Annotated pictures that were encoded."
        yield _family("spotlet_serve_pictures_total", text, [((), self._pictures.encoded)])
        text = "User and system time of the process."
        yield _family("process_cpu_seconds_total", text, [((), time.process_time())])
        if sys.platform == "linux":
            import resource  # only where it exists

            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            text = "Resident memory of the process."
            memory = [((), pages * resource.getpagesize())]
            yield _family("process_resident_memory_bytes", text, memory)


def _counts(records: Iterable[SourceRecord]) -> Iterator[Metric]:
    """Yields the counts of lines and zones; nothing without any."""
    crossings, inside, entries = [], [], []
    for record in records:
        counts = None if record.newest is None else record.newest.detections.counts
        for line in () if counts is None else counts.lines:
            crossings += _by_class(line.entered, record.source, line.name, "in")
            crossings += _by_class(line.left, record.source, line.name, "out")
        for zone in () if counts is None else counts.zones:
            inside += _by_class(zone.inside, record.source, zone.name)
            entries += _by_class(zone.entered, record.source, zone.name)
    of_line, of_zone = ("source", "line", "direction", "class"), ("source", "zone", "class")
    for name, text, samples, labels in (
        ("spotlet_line_crossings_total", "Objects that crossed the line.", crossings, of_line),
        ("spotlet_zone_objects", "Objects that are in the zone now.", inside, of_zone),
        ("spotlet_zone_entries_total", "Objects that entered the zone.", entries, of_zone),
    ):
        if samples:
            yield _family(name, text, samples, *labels)


def _family(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(name, text, labels=labels)
    for values, number in samples:
        family.add_metric([_valid(value) for value in values], number)
    return family


def _by_class(numbers: Mapping[str, int], *labels: str) -> list[tuple[Sequence[str], float]]:
    return [((*labels, name), number) for name, number in numbers.items()]


def _epoch(record: SourceRecord) -> int:
    return 0 if record.newest is None else record.newest.frame.epoch


def _valid(text: str) -> str:
    """Returns the text in valid Unicode, which a file's name need not be."""
    return text.encode("utf-8", "replace").decode("utf-8")
