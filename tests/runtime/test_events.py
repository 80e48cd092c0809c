import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from live_frames import found, live_frame

from spotlet.counts import Counts, Crossing, LineCount, ZoneCount
from spotlet.detections import Detections
from spotlet.events import Event, encode_event, event_json_schema, frame_event, status_event
from spotlet.sinks import CallbackSink, NdjsonSink
from spotlet.streams import StatusEvent

LOST = StatusEvent(
    source="camera 0", state="lost", epoch=2, at=1.23456, reason="x", retry_seconds=1
)
COUNTS = Counts(
    lines=(LineCount(name="door", start_xy=(0, 0), end_xy=(9, 9), entered={"nut": 2}, left={}),),
    zones=(
        ZoneCount(
            name="desk", corners_xy=((0, 0), (9, 0), (9, 9)), inside={"nut": 1}, entered={"nut": 3}
        ),
    ),
    crossings=(Crossing(line="door", direction="in", track_id=7, class_id=1, name="nut"),),
)
TRACKED = Detections(
    np.array([[1.23456, 2, 30, 40], [0, 0, 5, 5]], np.float32),
    np.array([0.987654, 0.5], np.float32),
    np.array([1, 0]),
    ("bolt", "nut"),
    np.array([7, 0]),
    COUNTS,
)


def check(event: Event) -> None:
    jsonschema.validate(event, event_json_schema())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(event_json_schema())


def test_a_frame_has_the_fields_that_the_documentation_names() -> None:
    frame = live_frame(3)
    event = frame_event(frame, TRACKED, now_monotonic=frame.captured_monotonic + 0.01234)
    assert event == {
        "schema": 1,
        "source": frame.source,
        "frame": 3,
        "pts_s": frame.pts_seconds,
        "captured_at": round(frame.captured_at, 3),
        "age_ms": 12.3,
        "dropped": frame.dropped,
        "epoch": frame.epoch,
        "detections": [
            {
                "class": 1,
                "name": "nut",
                "score": 0.9877,
                "box": [1.23, 2.0, 30.0, 40.0],
                "track": 7,
            },
            {"class": 0, "name": "bolt", "score": 0.5, "box": [0, 0, 5, 5], "track": None},
        ],
        "counts": {
            "lines": {"door": {"in": {"nut": 2}, "out": {}}},
            "zones": {"desk": {"inside": {"nut": 1}, "entered": {"nut": 3}}},
        },
        "crossings": [{"line": "door", "direction": "in", "track": 7, "class": 1, "name": "nut"}],
    }
    check(event)


def test_where_nobody_tracks_or_counts_there_is_no_number_of_it() -> None:
    event = frame_event(live_frame(0), found(0))
    assert not {"counts", "crossings", "event"} & set(event)
    assert [each["track"] for each in event["detections"]] == [None]
    check(event)


def test_a_change_of_state_has_the_key_that_no_frame_has() -> None:
    event = status_event(LOST)
    assert event == {
        "schema": 1,
        "event": "status",
        "source": "camera 0",
        "state": "lost",
        "epoch": 2,
        "at": 1.235,
        "reason": "x",
        "retry_s": 1,
    }
    check(event)


def test_an_event_is_one_line_of_ascii() -> None:
    line = encode_event({"source": "t\u00fcr \udcff\nx"})
    assert line == b'{"source":"t\\u00fcr \\udcff\\nx"}'


@pytest.mark.parametrize(
    "change",
    [
        {"track": 3},
        {"schema": 2},
        {"frame": -1},
        {"pts_s": "0"},
        {"detections": [{"class": 0}]},
        {"counts": {"lines": {}, "zones": {}}},
        {"event": "status"},
        {"decoder": ""},
    ],
)
def test_the_schema_refuses_what_is_no_event(change: dict[str, Any]) -> None:
    event = frame_event(live_frame(0), found(0))
    check(event)
    with pytest.raises(jsonschema.ValidationError):
        check(event | change)


def test_ndjson_and_a_callback_tell_the_same(tmp_path: Path) -> None:
    told: list[Event] = []
    for sink in (NdjsonSink(tmp_path / "x.ndjson"), CallbackSink(told.append)):
        sink.write(live_frame(0), TRACKED)
        sink.write_status(LOST)
        sink.write(live_frame(1), found())
        sink.close()
        sink.write_status(LOST)
    written = [json.loads(line) for line in (tmp_path / "x.ndjson").read_bytes().splitlines()]
    for event in (*written, *told):
        check(event)
        event["age_ms"] = event["captured_at"] = 0
    assert written == told
    assert len(told) == 3
