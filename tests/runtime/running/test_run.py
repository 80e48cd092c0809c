"""A run as a call: it does what the command does, and ends as it is asked to."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from patience import PATIENCE_SECONDS
from servers.mjpeg import MjpegServer

from spotlet.cli import main
from spotlet.counting import CountingRules, parse_line
from spotlet.detections import Detections
from spotlet.errors import OutputError, SourceError, UsageError
from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet.model.package import bundled_models
from spotlet.running import RunCallbacks, RunSettings, RunSummary, run
from spotlet.session import SessionSettings
from spotlet.sinks import WindowClosed
from spotlet.sinks.window import _window_fault
from spotlet.streams import Frame, StatusEvent, open_stream
from spotlet.tiles import TileSettings

pytestmark = pytest.mark.live

Threads = pytest.mark.parametrize("threads", [1, 3])
QUIET: dict[str, Any] = {"on_status": lambda event: None}


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., list[ImageArray]]
) -> Path:
    """40 frames of 240 x 320 with a red square that moves."""
    return write_clip(tmp_path / "clip.avi", moving_square(40))


def records_of(lines: Path) -> list[dict[str, Any]]:
    """Returns the lines, each of them whole, without what a clock says."""
    text = lines.read_text("utf-8")
    assert text == "" or text.endswith("\n")
    records = [json.loads(line) for line in text.splitlines()]
    clocks = ("captured_at", "age_ms", "at")
    return [{k: v for k, v in each.items() if k not in clocks} for each in records]


def frames_in(video: Path) -> int:
    with open_stream(video) as stream:
        return sum(1 for _ in stream)


@pytest.mark.parametrize("source", ["models/spotlet_models/demo/clip.mp4", "docs/frame.jpg"])
def test_a_run_writes_what_the_command_writes(tmp_path: Path, source: str) -> None:
    if "garments" not in bundled_models():
        pytest.skip("the bundled model garments is not here")
    read = str(Path(__file__).parents[3] / source)
    ours, theirs = tmp_path / "ours.ndjson", tmp_path / "theirs.ndjson"
    settings = RunSettings(
        model="garments", sources=[read], score_threshold=0.6, max_frames=20, ndjson=ours
    )
    done = run(settings)
    words = ["run", "garments", read, "--score", "0.6", "--max-frames", "20"]
    assert main([*words, "--ndjson", str(theirs)]) == 0
    assert records_of(ours) == records_of(theirs)
    assert done.frames == len(records_of(ours)) == (20 if read.endswith(".mp4") else 1)
    assert all(each["detections"] for each in records_of(ours))


@Threads
def test_a_summary_says_what_was_found_counted_and_written(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int
) -> None:
    lines, video = tmp_path / "out.ndjson", tmp_path / "out.mp4"
    done = run(
        RunSettings(
            model=squares_model,
            sources=[clip],
            classes=["red"],
            counting=CountingRules(lines=(parse_line("door=0.4,0,0.4,1"),), anchor="centre"),
            session=SessionSettings(threads=threads),
            ndjson=lines,
            save=video,
        )
    )
    assert (done.frames, done.dropped, done.failures) == (40, 0, {})
    assert done.found == {"red": 40}
    assert done.frames_by_source == {str(clip): 40}
    assert done.oldest_seconds is None
    assert done.seconds > 0
    (line,) = done.counts[str(clip)].lines
    assert sum(line.entered.values()) + sum(line.left.values()) > 0
    assert done.written == (f"{video} (40 frames)", f"{lines} (40 lines)")
    assert records_of(lines)[-1]["counts"]["lines"]["door"] == {
        "in": dict(line.entered),
        "out": dict(line.left),
    }
    for part in ("40 frames in ", "red       40", "door", f"wrote {lines} (40 lines)"):
        assert part in str(done)


@Threads
def test_callbacks_come_in_order_and_the_outputs_before_the_frame(
    tmp_path: Path, squares_model: Path, threads: int
) -> None:
    lines = tmp_path / "out.ndjson"
    calls: list[str] = []
    ended: list[RunSummary] = []

    def on_frame(frame: Frame, detections: Detections) -> None:
        assert f'"frame":{frame.index},' in lines.read_text("utf-8").splitlines()[-1]
        calls.append("frame")

    def on_end(summary: RunSummary) -> None:
        ended.append(summary)
        calls.append("end")

    with MjpegServer(fps=40) as camera:
        done = run(
            RunSettings(
                model=squares_model,
                sources=[camera.url],
                max_frames=3,
                session=SessionSettings(threads=threads),
                ndjson=lines,
            ),
            RunCallbacks(
                on_model=lambda detector: calls.append(f"model {detector.manifest.name}"),
                on_status=lambda event: calls.append(event.state),
                on_open=lambda streams: calls.append(f"open {len(streams)}"),
                on_frame=on_frame,
                on_end=on_end,
            ),
        )
    assert calls[:2] == ["model squares", "connecting"]
    assert [each for each in calls if each not in ("connecting", "live", "ended")] == [
        "model squares",
        "open 1",
        *["frame"] * 3,
        "end",
    ]
    assert calls.index("live") < calls.index("frame")
    assert ended == [done]
    assert done.oldest_seconds is not None


@Threads
def test_a_stop_from_another_thread_ends_a_file_with_whole_outputs(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int
) -> None:
    lines, video, stop = tmp_path / "out.ndjson", tmp_path / "out.mp4", threading.Event()

    def on_frame(frame: Frame, detections: Detections) -> None:
        if frame.index == 3:
            threading.Thread(target=stop.set).start()

    done = run(
        RunSettings(
            model=squares_model,
            sources=[clip],
            max_fps=20,
            session=SessionSettings(threads=threads),
            ndjson=lines,
            save=video,
        ),
        RunCallbacks(on_frame=on_frame),
        stop=stop,
    )
    assert 4 <= done.frames < 40
    assert [each["frame"] for each in records_of(lines)] == list(range(done.frames))
    assert frames_in(video) == done.frames


@pytest.mark.parametrize("cameras", [1, 2])
def test_a_stop_ends_cameras_that_send_nothing(
    tmp_path: Path, squares_model: Path, cameras: int
) -> None:
    lines, stop = tmp_path / "out.ndjson", threading.Event()
    results: list[RunSummary] = []
    urls = [f"http://127.0.0.1:9/{number}" for number in range(cameras)]
    settings = RunSettings(model=squares_model, sources=urls, ndjson=lines)
    is_open = threading.Event()
    callbacks = RunCallbacks(**QUIET, on_open=lambda streams: is_open.set())
    runner = threading.Thread(
        target=lambda: results.append(run(settings, callbacks, stop=stop)), daemon=True
    )
    runner.start()
    assert is_open.wait(PATIENCE_SECONDS)
    stop.set()
    runner.join(PATIENCE_SECONDS)
    assert [each.frames for each in results] == [0]
    states = [each["state"] for each in records_of(lines)]
    assert states[0] == "connecting"
    assert states.count("ended") == cameras


def test_a_stop_that_was_set_before_ends_at_once(squares_model: Path, clip: Path) -> None:
    stop = threading.Event()
    stop.set()
    settings = RunSettings(model=squares_model, sources=[clip], max_fps=10)
    assert run(settings, stop=stop).frames < 40


@Threads
@pytest.mark.parametrize("at", ["on_open", "on_frame", "on_status"])
def test_an_error_in_a_callback_is_raised_and_leaves_whole_files(
    tmp_path: Path, clip: Path, squares_model: Path, threads: int, at: str
) -> None:
    lines, video = tmp_path / "out.ndjson", tmp_path / "out.mp4"
    ended: list[RunSummary] = []

    def fail(*values: Any) -> None:
        if not isinstance(values[0], Frame) or values[0].index == 5:
            raise ArithmeticError(at)

    with MjpegServer(fps=40) as camera:
        settings = RunSettings(
            model=squares_model,
            sources=[camera.url if at == "on_status" else clip],
            max_frames=100,
            session=SessionSettings(threads=threads),
            ndjson=lines,
            save=video,
        )
        with pytest.raises(ArithmeticError, match=at):
            run(settings, RunCallbacks(**{at: fail}, on_end=ended.append))
    frames = [each["frame"] for each in records_of(lines) if "event" not in each]
    assert frames == list(range(6 if at == "on_frame" else 0))
    if at == "on_frame":
        assert frames_in(video) == 6
        assert ended[0].written[1] == f"{lines} (6 lines)"
    assert not list(tmp_path.glob(".*"))
    assert not [each for each in threading.enumerate() if each.name == "spotlet-worker"]


def test_what_does_not_suit_the_model_or_a_source_is_refused_before_anything_is_written(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    lines = tmp_path / "out.ndjson"

    def refused(sources: Sequence[Path], **fields: Any) -> str:
        settings = RunSettings(model=squares_model, sources=sources, ndjson=lines, **fields)
        with pytest.raises((UsageError, SourceError)) as error:
            run(settings)
        return str(error.value)

    expected = "`classes`: unknown class 'cat'; this model has blue, green, red"
    assert refused([clip], classes=["red", "cat"]) == expected
    assert refused([tmp_path / "none.mp4"]).endswith("none.mp4: no such file or folder")
    assert "must be different paths" in refused([clip], save=lines)
    assert not lines.exists()


def test_a_source_that_ends_early_is_a_failure_of_the_summary(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    done = run(RunSettings(model=squares_model, sources=[cut]))
    assert 0 < done.frames < 40
    (why,) = done.failures.values()
    assert done.failures == {str(cut): why}
    assert why.startswith(f"ended after {done.frames} of 40 frames; ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_fails_ends_the_run(clip: Path, squares_model: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        run(RunSettings(model=squares_model, sources=[clip], ndjson="/dev/full"))


def test_a_run_leaves_the_process_as_it_is_unless_it_owns_it(
    squares_model: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []
    monkeypatch.setattr("spotlet.running.loop.prepare_process", lambda: settled.append(True))
    for own_process, threads in ((False, 3), (True, 1), (True, 3)):
        session = SessionSettings(threads=threads)
        run(
            RunSettings(
                model=squares_model,
                sources=[clip],
                max_frames=1,
                session=session,
                own_process=own_process,
            )
        )
    assert settled == [True]


def test_states_and_notices_go_to_the_log_without_a_callback(
    squares_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="spotlet")
    with MjpegServer(fps=40) as camera:
        run(RunSettings(model=squares_model, sources=[camera.url], max_frames=1))
    assert any(": live" in record.getMessage() for record in caplog.records)
    event = StatusEvent(source="a", state="lost", epoch=0, at=0.0)
    RunCallbacks().on_status(event)
    RunCallbacks().on_notice("a line")
    assert [record.getMessage() for record in caplog.records[-2:]] == ["a: lost", "a line"]


@pytest.mark.parametrize(
    ("display", "message"),
    [("", "there is no display; run it on a desktop"), (":99", "display :99 cannot be used")],
)
def test_without_a_display_no_output_is_touched(
    tmp_path: Path,
    squares_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    display: str,
    message: str,
) -> None:
    # An OpenCV with windows, which aborts its process without a display.
    monkeypatch.setattr("spotlet.sinks.window.window_toolkit", lambda: "QT5")
    monkeypatch.setattr("spotlet.sinks.window._TRY_A_WINDOW", "import os; os.abort()")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    _window_fault.cache_clear()
    lines = tmp_path / "out.ndjson"
    lines.write_text("of yesterday")
    settings = RunSettings(model=squares_model, sources=["a.mp4"], ndjson=lines, show=True)
    with pytest.raises(UsageError, match=f"--show: {message}.* or use --save"):
        run(settings, RunCallbacks(**QUIET))
    _window_fault.cache_clear()
    assert lines.read_text() == "of yesterday"


@pytest.mark.parametrize("cameras", [1, 2])
def test_a_window_that_is_closed_ends_the_run_with_the_last_states_of_its_cameras(
    tmp_path: Path, squares_model: Path, cameras: int
) -> None:
    lines = tmp_path / "out.ndjson"

    def close_window(frame: Frame, detections: Detections) -> None:
        raise WindowClosed

    with MjpegServer(fps=40) as first, MjpegServer(fps=40) as second:
        urls = [first.url, second.url][:cameras]
        settings = RunSettings(model=squares_model, sources=urls, ndjson=lines, max_frames=100)
        done = run(settings, RunCallbacks(**QUIET, on_frame=close_window))
    assert done.frames == 1
    assert [each.get("state") for each in records_of(lines)].count("ended") == cameras


@pytest.mark.parametrize("threads", [1, 3])
def test_a_run_with_tiles_says_what_they_cost_and_writes_it_into_each_line(
    tmp_path: Path, squares_model: Path, clip: Path, threads: int
) -> None:
    notices: list[str] = []
    out = tmp_path / "out.ndjson"
    settings = RunSettings(
        model=squares_model,
        sources=[clip],
        tiles=TileSettings(layout="2x2"),
        ndjson=out,
        session=SessionSettings(threads=threads),
    )
    run(settings, RunCallbacks(on_notice=notices.append, **QUIET))
    assert notices == [f"{clip}: tiles 2x2: 5 inferences a frame of 320x240"]
    records = records_of(out)
    assert len(records) == 40
    assert {(each["tiles"], each["inferences"]) for each in records} == {("2x2", 5)}
    assert {len(each["detections"]) for each in records} == {1}
    for record in records:
        jsonschema.validate(record | {"captured_at": 0, "age_ms": 0}, event_json_schema())


def test_the_models_own_tiles_are_used_unless_the_run_has_others(
    tmp_path: Path,
    save_squares_model: Callable[..., Path],
    squares_manifest: Manifest,
    clip: Path,
) -> None:
    tiled = replace(squares_manifest, tiles=TileSettings(layout="3x1"))
    model = save_squares_model(tmp_path / "model.onnx", tiled.to_json())
    for words, inferences in (([], 4), (["--tiles", "off"], None), (["--tiles", "1x2"], 3)):
        out = tmp_path / "out.ndjson"
        words = ["run", str(model), str(clip), "--max-frames", "2", "--ndjson", str(out), *words]
        assert main(words) == 0
        assert [each.get("inferences") for each in records_of(out)] == [inferences] * 2
    assert main(["run", str(model), str(clip), "--tiles", "2by2"]) == 2
