"""The numbers of a run for Prometheus, in its text format.

Source: Prometheus documentation, "Exposition formats" (text format 0.0.4) and "Metric and label
naming".
"""

import importlib.metadata
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from spotlet.serve.board import Board, SourceRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


def metrics_text(board: Board, *, viewers: int, left_out: int, encoded: int) -> str:
    """Returns all metrics.

    Args:
        board: of the run.
        viewers: who watch its events now.
        left_out: events that viewers were too slow for.
        encoded: pictures that were encoded.
    """
    records = board.records()

    def each(value: str) -> list[Sample]:
        return [({"source": record.source}, getattr(record, value)) for record in records]

    families = [
        _family(
            "spotlet_build_info",
            "gauge",
            "1, labelled with the version of spotlet.",
            [({"version": importlib.metadata.version("spotlet")}, 1)],
        ),
        _family(
            "spotlet_source_up",
            "gauge",
            "1 while the source is live, else 0.",
            [({"source": record.source}, board.is_up(record)) for record in records],
        ),
        _family(
            "spotlet_source_reconnections_total",
            "counter",
            "Connections of the source after its first.",
            [({"source": record.source}, _epoch(record)) for record in records],
        ),
        _family(
            "spotlet_frames_total",
            "counter",
            "Frames that were detected in.",
            each("frames"),
        ),
        _family(
            "spotlet_frames_dropped_total",
            "counter",
            "Frames that were read and left out, because a newer one was there.",
            each("dropped"),
        ),
        _family(
            "spotlet_frame_age_seconds",
            "gauge",
            "How long ago the newest frame that was detected in was read.",
            [
                ({"source": record.source}, record.age_seconds)
                for record in records
                if record.age_seconds is not None
            ],
        ),
        _latency(records),
        _family(
            "spotlet_detections_total",
            "counter",
            "Objects that were found, of all frames.",
            [
                ({"source": record.source, "class": name}, count)
                for record in records
                for name, count in record.found.items()
            ],
        ),
        *_counts(records),
        _family("spotlet_serve_viewers", "gauge", "Viewers of the events now.", [({}, viewers)]),
        _family(
            "spotlet_serve_events_dropped_total",
            "counter",
            "Events that viewers were too slow for, each viewer's.",
            [({}, left_out)],
        ),
        _family(
            "spotlet_serve_pictures_total",
            "counter",
            "Annotated pictures that were encoded.",
            [({}, encoded)],
        ),
        *_process(),
    ]
    return "".join(families)


def _latency(records: Iterable[SourceRecord]) -> str:
    name = "spotlet_frame_latency_seconds"
    lines = [
        _line(f"{name}_{part}", {"source": record.source}, value)
        for record in records
        for part, value in (("sum", record.latency_seconds), ("count", record.frames))
    ]
    return _head(name, "summary", "From when a frame was read to its result.") + "".join(lines)


def _counts(records: Iterable[SourceRecord]) -> list[str]:
    """Returns what lines and zones have counted; nothing where nobody counts."""
    crossings: list[Sample] = []
    inside: list[Sample] = []
    entries: list[Sample] = []
    for record in records:
        counts = None if record.newest is None else record.newest.detections.counts
        for line in () if counts is None else counts.lines:
            for direction, by_class in (("in", line.entered), ("out", line.left)):
                labels = {"source": record.source, "line": line.name, "direction": direction}
                crossings += [(labels | {"class": key}, n) for key, n in by_class.items()]
        for zone in () if counts is None else counts.zones:
            labels = {"source": record.source, "zone": zone.name}
            inside += [(labels | {"class": key}, n) for key, n in zone.inside.items()]
            entries += [(labels | {"class": key}, n) for key, n in zone.entered.items()]
    families = (
        ("spotlet_line_crossings_total", "counter", "Objects that crossed the line.", crossings),
        ("spotlet_zone_objects", "gauge", "Objects that are in the zone now.", inside),
        ("spotlet_zone_entries_total", "counter", "Objects that came into the zone.", entries),
    )
    return [_family(*family) for family in families if family[3]]


def _process() -> list[str]:
    """Returns what Prometheus' own clients tell of their process, as far as it is cheap to know."""
    families = [
        _family(
            "process_cpu_seconds_total",
            "counter",
            "User and system time of the process.",
            [({}, time.process_time())],
        )
    ]
    if sys.platform == "linux":
        import resource  # only where it exists

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        families.append(
            _family(
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory of the process.",
                [({}, pages * resource.getpagesize())],
            )
        )
    return families


def _epoch(record: SourceRecord) -> int:
    return 0 if record.newest is None else record.newest.frame.epoch


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    return _head(name, kind, text) + "".join(_line(name, *sample) for sample in samples)


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = int(value) if float(value).is_integer() else round(value, 6)
    return f"{name}{{{told}}} {number}\n" if told else f"{name} {number}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
