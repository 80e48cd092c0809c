"""`spotlet run` with `--track`, `--line` and `--zone`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import pytest
from live_frames import live_frame

from spotlet.cli import main
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray
from spotlet.running import RunCallbacks, RunSettings, run
from spotlet.streams import Frame, SourceClock
from spotlet.tracking import TrackingSettings


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., list[ImageArray]]
) -> Path:
    """40 frames of 240 x 320 with a red square that moves."""
    return write_clip(tmp_path / "clip.avi", moving_square(40))


def events_of(lines: Path, *words: object) -> list[dict[str, Any]]:
    assert main(["run", *map(str, words), "--ndjson", str(lines)]) == 0
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    for event in events:
        jsonschema.validate(event, event_json_schema())
        del event["captured_at"], event["age_ms"]
    return events


@pytest.mark.parametrize("threads", [1, 3])
def test_an_object_keeps_its_number_and_is_counted_over_lines_and_in_zones(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int
) -> None:
    line, zone = "door=0.4,0,0.4,1", "all=0,0,1,0,1,1,0,1"
    events = events_of(
        tmp_path / "x.ndjson", squares_model, clip, "--threads", threads, "--line", line,
        "--zone", zone, "--anchor", "centre",
    )  # fmt: skip
    numbers = [each["track"] for event in events for each in event["detections"]]
    assert set(numbers) == {None, 1}
    assert numbers[-1] == 1
    assert events[-1]["counts"]["zones"]["all"]["entered"] == {"red": 1}
    crossed = [each["direction"] for event in events for each in event["crossings"]]
    counts = events[-1]["counts"]["lines"]["door"]
    assert [sum(counts[way].values()) for way in ("in", "out")] == [
        crossed.count("in"),
        crossed.count("out"),
    ]
    assert crossed


def test_tracking_leaves_what_is_found_as_it_is(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    plain = events_of(tmp_path / "x.ndjson", squares_model, clip)
    tracked = events_of(tmp_path / "x.ndjson", squares_model, clip, "--track")
    assert not {"counts", "crossings"} & set(tracked[-1])
    least = min(each["score"] for event in plain for each in event["detections"])
    for before, after in zip(plain, tracked, strict=True):
        sure = [each for each in after["detections"] if each["score"] >= least]
        assert [each["box"] for each in before["detections"]] == [each["box"] for each in sure]


def test_images_have_no_time_and_leave_what_was_written_before(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), live_frame(0).image)
    lines = tmp_path / "x.ndjson"
    lines.write_text("kept")
    words = ["run", str(squares_model), str(tmp_path / "a.png"), "--track", "--ndjson", str(lines)]
    assert main(words) == 2
    assert "images have no time" in capsys.readouterr().err
    assert lines.read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--line", "door"), "must be NAME="),
        (("--zone", "3:a=0,0,1,0,1,1"), "3:a: no such source"),
        (("--line", "a=0,0,1,1", "--line", "a=0,0,1,0"), "duplicate name"),
    ],
)
def test_what_is_no_line_or_zone_is_wrong_usage(
    clip: Path,
    squares_model: Path,
    words: tuple[str, ...],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", str(squares_model), str(clip), *words]) == 2
    assert reason in capsys.readouterr().err


def test_a_clock_goes_on_where_a_source_changes_how_it_tells_the_time() -> None:
    clock = SourceClock()
    told = [
        clock.seconds(replace(live_frame(0, at), pts_seconds=pts, epoch=epoch))
        for at, pts, epoch in (
            (5.0, 0.0, 0),
            (5.9, 0.1, 0),
            (6.0, None, 0),
            (6.2, None, 0),
            (6.3, 0.9, 0),
            (9.3, 0.0, 1),
            (9.0, 0.3, 1),
        )
    ]
    assert told == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 3.5, 3.8])


def test_with_tracking_the_detector_also_reports_less_sure_objects(
    clip: Path, squares_model: Path
) -> None:
    """They only continue a track: none begins, since nothing reaches the least score."""
    detectors: list[Detector] = []
    less_sure: list[int] = []

    def on_frame(frame: Frame, detections: Detections) -> None:
        assert len(detections) == 0
        less_sure.append(len(detectors[0](frame.image)))

    settings = RunSettings(
        model=squares_model, sources=[clip], score_threshold=0.95, tracking=TrackingSettings()
    )
    callbacks = RunCallbacks(
        on_model=lambda detector: detectors.append(detector), on_frame=on_frame
    )
    run(settings, callbacks)
    assert less_sure == [1] * 40
