"""`spotlet run --skip-still`: what is written of frames that are not inferred."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from live_frames import found, live_frame

from spotlet.annotate.detections import draw_detections
from spotlet.cli import main
from spotlet.counting import CountingRules, parse_line, parse_zone
from spotlet.detections import Detections
from spotlet.errors import SettingError
from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray
from spotlet.running import RunCallbacks, RunSettings, run
from spotlet.running.stillness import StillScenes
from spotlet.session import SessionSettings
from spotlet.sinks import SnapshotSink
from spotlet.stillness import StillSettings
from spotlet.streams import Arrival, open_stream
from spotlet.tiles import TileSettings
from spotlet.tracking import Tracker

FPS = 10
STANDS, MOVES, STANDS_AGAIN, LEAVES, GONE = 20, 25, 55, 15, 45
ZONE = "all=0.3,0,1,0,1,1,0.3,1"


def left_of(number: int) -> int:
    """Where the square is in a frame, pixels: it stands, moves, stands, and leaves."""
    moved = min(max(number - STANDS, 0), MOVES)
    left = max(number - STANDS - MOVES - STANDS_AGAIN, 0)
    return 20 + 8 * moved + 8 * left


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], draw_squares: Callable[..., ImageArray]
) -> Path:
    """16 s of 240 x 320 with a red square; see `left_of`."""
    frames = [
        draw_squares((240, 320), red=(min(left, 320), 80, min(left + 60, 320), 140))
        for left in map(left_of, range(STANDS + MOVES + STANDS_AGAIN + LEAVES + GONE))
    ]
    return write_clip(tmp_path / "clip.avi", frames, fps=FPS)


def events_of(lines: Path, *words: object) -> list[dict[str, Any]]:
    assert main(["run", *map(str, words), "--ndjson", str(lines)]) == 0
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    for event in events:
        jsonschema.validate(event, event_json_schema())
        del event["captured_at"], event["age_ms"]
    return events


@pytest.mark.parametrize("threads", [1, 3])
def test_a_skipped_frame_says_so_and_the_others_are_as_without(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int
) -> None:
    words = (squares_model, clip, "--threads", threads)
    plain = events_of(tmp_path / "x.ndjson", *words)
    events = events_of(tmp_path / "x.ndjson", *words, "--skip-still", "--still-seconds", 3)
    skipped = [event["frame"] for event in events if event.get("inferred") is False]
    assert len(skipped) > len(events) // 3
    for before, event in zip(plain, events, strict=True):
        if event["frame"] in skipped:
            assert event["detections"] == []
            assert "model" not in event
        else:
            assert event == before
    moving = {*range(STANDS + 2, STANDS + MOVES)}
    assert not moving & {*skipped}
    # Between two inferred frames lie 3 s at most.
    inferred = sorted({event["frame"] for event in events} - {*skipped})
    assert max(np.diff(inferred)) <= 3 * FPS + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_counts_are_those_of_a_run_that_infers_every_frame(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int
) -> None:
    words = (
        *(squares_model, clip, "--threads", threads, "--anchor", "centre", "--zone", ZONE),
        *("--line", "door=0.5,1,0.5,0", "--line", "rest=0.78,0,0.78,1"),
    )
    plain = events_of(tmp_path / "x.ndjson", *words)
    events = events_of(tmp_path / "x.ndjson", *words, "--skip-still")
    assert [each["counts"] for each in events] == [each["counts"] for each in plain]
    assert [each["crossings"] for each in events] == [each["crossings"] for each in plain]
    inside = [each["counts"]["zones"]["all"]["inside"] for each in events]
    assert inside[-1] == {}  # it left, and was missed for long enough
    assert {"red": 1} in inside
    assert events[-1].get("inferred") is False


def test_a_track_is_held_for_longer_than_an_object_may_be_out_of_sight(
    tmp_path: Path,
    write_clip: Callable[..., Path],
    draw_squares: Callable[..., ImageArray],
    squares_model: Path,
) -> None:
    still = [draw_squares((240, 320), red=(100, 80, 160, 140))] * (20 * FPS)
    clip = write_clip(tmp_path / "still.avi", still, fps=FPS)
    events = events_of(
        tmp_path / "x.ndjson", squares_model, clip, "--track", "--skip-still", "--still-seconds", 8
    )
    tracks = [each["track"] for event in events for each in event["detections"]]
    assert {*tracks} == {None, 1}
    assert tracks[-1] == 1
    assert sum("inferred" not in event for event in events) == FPS + 2


def test_held_objects_are_drawn_and_what_is_inferred_is_not_called_held(
    clip: Path, squares_model: Path
) -> None:
    frames: list[Detections] = []
    settings = RunSettings(
        model=squares_model,
        sources=[clip],
        skip_still=StillSettings(),
        max_frames=2 * FPS,
        session=SessionSettings(threads=1),
    )
    done = run(settings, RunCallbacks(on_frame=lambda frame, found: frames.append(found)))
    assert [len(each.present) for each in frames] == [1] * (2 * FPS)
    assert [len(each) for each in frames] == [1] * FPS + [0] * FPS
    assert (done.frames, done.still, done.found) == (2 * FPS, FPS, {"red": FPS})
    assert f"{FPS} still (50%), not inferred" in str(done)
    assert sum(done.frames_by_model.values()) == FPS
    grey = np.full((240, 320, 3), 60, np.uint8)
    held, seen = (draw_detections(grey, frames[number]) for number in (-1, 0))
    assert 0 < np.count_nonzero(held != grey) < np.count_nonzero(seen != grey)


def test_sources_are_judged_separately_and_epochs_and_sizes_begin_anew(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    settings = RunSettings(
        model=squares_model, sources=[clip], skip_still=StillSettings(still_seconds=3)
    )
    rng = np.random.default_rng(0)
    grey = np.full((240, 320, 3), 99, np.uint8)
    with open_stream(clip) as quiet, open_stream(clip) as busy:
        scenes = StillScenes(settings, (160, 160))

        def judged(number: int, size: int = 320, epoch: int = 0) -> list[bool]:
            at = number / FPS
            frame = replace(live_frame(number, at), image=grey[:, :size], epoch=epoch)
            noisy = rng.integers(0, 255, grey.shape).astype(np.uint8)
            blocks = np.asarray(cv2.resize(noisy[::40, ::40], (320, 240)), np.uint8)
            other = replace(frame, image=blocks)
            arrivals = [Arrival(quiet, frame), Arrival(busy, other)]
            (batch,) = scenes.judge([arrivals])
            return [each.inferred for each in batch]

        assert [judged(number) for number in range(FPS)] == [[True, True]] * FPS
        assert [judged(number) for number in range(FPS, 2 * FPS)] == [[False, True]] * FPS
        assert judged(2 * FPS, epoch=1) == [True, True]
        assert judged(2 * FPS + 1, size=300, epoch=1) == [True, True]


def test_an_object_that_a_detector_misses_once_is_held_and_one_that_is_gone_is_not() -> None:
    tracker, nothing = Tracker(), Detections.none(found(0).class_names)
    for number in range(10):
        tracker.update(found(0), number / FPS)
    for second in range(1, 4):  # a frame is inferred every 10 s, and misses it
        assert tracker.hold(10 * second).tolist() == [1]
        tracker.update(nothing, 10 * second + 1 / FPS)
    assert tracker.hold(40).tolist() == [1]
    tracker.update(found(0), 40 + 1 / FPS)
    assert tracker.hold(50).tolist() == [1]
    for number in range(4):
        tracker.update(nothing, 50 + number / FPS)
    assert tracker.hold(60).tolist() == []
    again = tracker.update(found(0), 61).track_ids
    assert again is not None
    assert again.tolist() == [0]  # a new object


def test_a_still_object_appears_once_in_the_snapshots(tmp_path: Path) -> None:
    sink, seen = SnapshotSink(tmp_path, quiet_seconds=10), found(0)
    none = replace(Detections.none(seen.class_names), held=seen)
    for second in range(60):
        sink.write(live_frame(second, second), none if second % 15 else seen)
    assert sink.written == f"{tmp_path} (1 snapshots)"


def test_a_frame_that_was_not_inferred_is_still_on_the_terminal(
    clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(squares_model), str(clip), "--max-frames", "15", "--skip-still", "2"]
    assert main(["run", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("frame 0 at 0.00 s: red ")
    assert lines[14] == "frame 14 at 1.40 s: still"


def test_images_are_not_skipped(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), live_frame(0).image)
    assert main(["run", str(squares_model), str(tmp_path / "a.png"), "--skip-still"]) == 2
    assert "each image is a scene in itself; leave out --skip-still" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--still-seconds", "5"), "--still-seconds: needs --skip-still"),
     (("--skip-still", "0"), "--skip-still 0.0: must be from 0.1 to 10"),
     (("--skip-still", "--still-seconds", "0"), "--still-seconds 0.0: must be over 0, and finite")],
)  # fmt: skip
def test_values_that_break_a_rule_are_named_as_they_were_given(
    clip: Path,
    squares_model: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    assert main(["run", str(squares_model), str(clip), *words]) == 2
    assert message in capsys.readouterr().err


def test_settings_take_only_their_own_kind(squares_model: Path) -> None:
    with pytest.raises(SettingError, match="must be a StillSettings"):
        RunSettings(model=squares_model, sources=["x.mp4"], skip_still=1.0)  # type: ignore[arg-type]


def test_collected_frames_are_inferred_ones(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    events = events_of(
        tmp_path / "x.ndjson", squares_model, clip, "--skip-still", "--collect", tmp_path / "set",
        "--collect-per-hour", 36000,
    )  # fmt: skip
    skipped = {event["frame"] for event in events if event.get("inferred") is False}
    labels = json.loads((tmp_path / "set/annotations/instances_default.json").read_text())
    kept = {image["spotlet"]["frame"] for image in labels["images"]}
    assert kept
    assert not kept & skipped


def test_counting_rules_hold_with_several_sources(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    other = Path(shutil.copy(clip, tmp_path / "other.avi"))
    settings = RunSettings(
        model=squares_model,
        sources=[clip, other],
        counting=CountingRules(
            lines=(parse_line("2:door=0.5,1,0.5,0"),), zones=(parse_zone(ZONE),), anchor="centre"
        ),
        batch=2,
        skip_still=StillSettings(),
    )
    counts = run(settings).counts
    assert {*counts} == {str(clip), str(other)}
    assert counts == run(replace(settings, skip_still=None)).counts


def test_with_tiles_a_smaller_thing_is_noticed(clip: Path, squares_model: Path) -> None:
    settings = RunSettings(
        model=squares_model, sources=[clip], skip_still=StillSettings(still_seconds=100)
    )
    rng = np.random.default_rng(0)
    empty = np.full((480, 640, 3), 99, np.int16)
    moved = {}
    for layout in ("off", "4x4"):
        with open_stream(clip) as stream:
            scenes = StillScenes(settings, (160, 160), partial(TileSettings, layout=layout))
            for number in range(3 * FPS):
                image = empty + rng.integers(-2, 3, empty.shape)
                if number > 2 * FPS:
                    image[200:206, 300:306] = 160
                frame = replace(live_frame(number, number / FPS), image=image.astype(np.uint8))
                ((judged,),) = scenes.judge([[Arrival(stream, frame)]])
            moved[layout] = judged.inferred
    assert moved == {"off": False, "4x4": True}
