import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_frames import found, live_frame, numbered_image, numbers_in
from patience import PATIENCE_SECONDS, NeverComes, wait_until

from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.mqtt.sender import HURRY_SECONDS, PART_SECONDS
from spotlet.running import RunCallbacks, RunSettings
from spotlet.running.outputs import EARLY_EVENTS, Outputs
from spotlet.sinks import QueuedSink, SinkGroup, queue
from spotlet.streams import Frame, StatusEvent, StreamGroup, open_streams
from spotlet.streams.capture import CLOSE_SECONDS

MODEL = Path("model.onnx")


QUIET = RunCallbacks(on_status=lambda event: None)


def _settings(**fields: Any) -> RunSettings:
    return RunSettings(model="m", sources=["s"], **fields)


def _event(number: int) -> StatusEvent:
    return StatusEvent(source="camera 0", state="lost", epoch=number, at=1.7e9)


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def cameras() -> Iterator[StreamGroup]:
    """Two that are not there."""
    urls = ["http://127.0.0.1:9/door", "http://127.0.0.1:9/yard"]
    with open_streams(urls, on_status=lambda event: None) as group:
        yield group


class _Hung:
    """A sink whose disk hangs, or fails when it is closed."""

    def __init__(self, close_error: Exception | None = None) -> None:
        self.may_write = threading.Event()
        self.count = 0
        self._close_error = close_error

    @property
    def written(self) -> str | None:
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        assert self.may_write.wait(PATIENCE_SECONDS)
        self.count += 1

    def close(self) -> None:
        if self._close_error is not None:
            raise self._close_error


def test_states_before_the_ndjson_are_in_it_and_without_one_none_is_kept(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    outputs, lines = Outputs(QUIET), tmp_path / "out.ndjson"
    outputs.take_status(_event(0))
    with outputs.open(_settings(ndjson=lines), cameras.streams, MODEL):
        outputs.take_status(_event(1))
        outputs.write(live_frame(7), found())
    outputs.take_status(_event(2))
    assert [each.get("epoch") for each in _records(lines)] == [0, 1, 0]
    assert _records(lines)[2]["frame"] == 7

    without = Outputs(QUIET)
    for number in range(EARLY_EVENTS + 500):
        without.take_status(_event(number))
    assert len(without._early) == EARLY_EVENTS
    with without.open(_settings(snapshots=tmp_path / "s"), cameras.streams, MODEL):
        for number in range(10):
            without.take_status(_event(number))
        assert len(without._early) == 0


def test_a_state_that_is_not_written_is_an_error_of_the_next_write_or_the_end(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    resource = pytest.importorskip("resource")

    def fill(outputs: Outputs) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        try:
            outputs.take_status(_event(0))
            outputs.take_status(_event(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    outputs, lines = Outputs(QUIET), tmp_path / "out.ndjson"
    with (
        pytest.raises(OutputError, match=r"out\.ndjson: cannot be written"),
        outputs.open(_settings(ndjson=lines), cameras.streams, MODEL),
    ):
        fill(outputs)
    with (again := Outputs(QUIET)).open(_settings(ndjson=lines), cameras.streams, MODEL):
        fill(again)
        with pytest.raises(OutputError, match=r"out\.ndjson: cannot be written"):
            again.write(live_frame(0), found())
        again.write(live_frame(1), found())
    assert [each["frame"] for each in _records(lines)] == [1]


def test_once_stopped_states_go_to_the_callback_alone(tmp_path: Path, cameras: StreamGroup) -> None:
    seen: list[StatusEvent] = []
    outputs, lines = Outputs(RunCallbacks(on_status=seen.append)), tmp_path / "out.ndjson"
    with outputs.open(_settings(ndjson=lines), cameras.streams, MODEL):
        outputs.take_status(_event(0))
        outputs.stop()
        outputs.stop()
        outputs.take_status(_event(1))
    assert len(_records(lines)) == 1
    assert seen == [_event(0), _event(1)]


def test_when_terminated_nothing_is_waited_for_long_and_that_remains_the_reason(
    cameras: StreamGroup,
) -> None:
    disks = [_Hung() for _ in range(3)]
    notices: list[str] = []

    def run() -> None:
        outputs = Outputs(RunCallbacks(on_notice=notices.append))
        with outputs.open(_settings(), cameras.streams, MODEL):
            outputs.sinks += [
                QueuedSink(disks[0], rule="block"),
                SinkGroup({live_frame(0).source: QueuedSink(disks[1])}),
                QueuedSink(disks[2], rule="block"),
            ]
            outputs.write(live_frame(0), found())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert ["not finished within 0.9 s" in notice for notice in notices] == [True] * 3
    for disk in disks:
        disk.may_write.set()


def test_a_run_that_is_terminated_ends_within_two_seconds_whatever_hangs(
    cameras: StreamGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(name)
    from spotlet.serve import server
    from spotlet.serve.address import Listener, ServeAddress
    from spotlet.serve.sink import ServeSink

    clock, disk = NeverComes(), _Hung()
    served = ServeSink(Listener(ServeAddress("127.0.0.1", 0)), cameras.streams, print)
    queued = QueuedSink(disk, rule="block")
    monkeypatch.setattr(server, "time", clock)
    monkeypatch.setattr(queue, "time", clock)
    for each in (served._server, queued):
        monkeypatch.setattr(each, "_ended", clock)
    outputs, started = Outputs(QUIET), clock.now

    def run() -> None:
        with outputs.open(_settings(), cameras.streams, MODEL):
            outputs.sinks += [queued, served]
            outputs.write(live_frame(0, source=cameras.streams[0].source), found(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    disk.may_write.set()
    longest = max(clock.now - started, HURRY_SECONDS + PART_SECONDS)
    assert longest == pytest.approx(0.9)
    assert CLOSE_SECONDS + longest < 2


def test_at_a_normal_end_what_must_be_whole_is_waited_for(cameras: StreamGroup) -> None:
    outputs, disk = Outputs(QUIET), _Hung()
    with outputs.open(_settings(), cameras.streams, MODEL):
        outputs.sinks.append(QueuedSink(disk, rule="block"))
        for number in range(4):
            outputs.write(live_frame(number), found())
        threading.Timer(1.2, disk.may_write.set).start()
    assert disk.count == 4


def test_of_several_errors_at_the_end_the_first_is_raised_and_the_others_are_notices(
    cameras: StreamGroup,
) -> None:
    notices: list[str] = []
    outputs = Outputs(RunCallbacks(on_notice=notices.append))
    with (
        pytest.raises(OutputError, match="first"),
        outputs.open(_settings(), cameras.streams, MODEL),
    ):
        outputs.sinks += [_Hung(OutputError("first")), _Hung(OutputError("second"))]
    assert notices == ["second"]


def test_a_live_output_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    videos, lines = tmp_path / "videos", tmp_path / "out.ndjson"
    settings = _settings(save=videos, snapshots=tmp_path / "shots", ndjson=lines)
    notices: list[str] = []
    outputs = Outputs(RunCallbacks(on_notice=notices.append))
    with outputs.open(settings, cameras.streams, MODEL):
        videos.rename(tmp_path / "gone")
        (tmp_path / "shots").rmdir()
        (tmp_path / "shots").touch()
        for number in range(20):
            source = cameras.streams[number % 2].source
            outputs.write(live_frame(number, number / 10, source=source), found(0))
            time.sleep(0.01)
    assert len(notices) == 3
    assert all("dropping frames and trying again every 30 s" in line for line in notices)
    assert [each["frame"] for each in _records(lines)] == list(range(20))
    assert [sink.written for sink in outputs.sinks[:2]] != [None, None]


def test_an_error_in_a_notice_ends_the_run_and_not_the_thread_that_gave_it(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    def fail(line: str) -> None:
        raise ArithmeticError(line)

    lines = tmp_path / "out.ndjson"
    outputs = Outputs(RunCallbacks(on_notice=fail))
    frame = live_frame(0, source=cameras.streams[0].source)

    def write_two() -> None:
        with outputs.open(_settings(ndjson=lines), cameras.streams, MODEL):
            outputs.write(frame, found(0))
            outputs.notify("the broker is away")  # as a sink does, in its own thread
            outputs.write(frame, found(0))

    with pytest.raises(ArithmeticError, match="the broker is away"):
        write_two()
    assert len(_records(lines)) == 1


def test_an_output_of_a_file_that_fails_is_an_error(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    clip = write_clip(tmp_path / "clip.avi", [numbered_image(0)] * 3)
    settings, outputs = _settings(snapshots=tmp_path / "s"), Outputs(QUIET)
    with (
        open_streams([str(clip)]) as group,
        outputs.open(settings, group.streams, MODEL),
    ):
        (tmp_path / "s").rmdir()
        (tmp_path / "s").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            outputs.write(live_frame(0), found(0))


def test_as_many_videos_remain_as_were_asked_for(tmp_path: Path, cameras: StreamGroup) -> None:
    stream = cameras.streams[0]
    for number in range(3):
        settings = _settings(save=tmp_path / "out.mp4", keep_videos=2)
        outputs = Outputs(QUIET)
        with outputs.open(settings, [stream], MODEL):
            outputs.write(live_frame(number, source=stream.source), found())
    assert {path.name: numbers_in(path) for path in tmp_path.iterdir()} == {
        "out-2.mp4": [1],
        "out-3.mp4": [2],
    }


STALLED = """
import contextlib, sys
from pathlib import Path
from live_frames import *
from spotlet.cli import _termination_as_exception
from spotlet.running import RunCallbacks, RunSettings
from spotlet.running.outputs import Outputs
from spotlet.streams import StatusEvent
outputs = Outputs(RunCallbacks())
event = StatusEvent(source="camera 0", state="ended", epoch=0, at=1.7e9)
settings = RunSettings(model="m", sources=["s"], ndjson="-")
with _termination_as_exception(), contextlib.suppress(KeyboardInterrupt):
    with outputs.open(settings, [], Path("model.onnx")):
        try:
            while True:
                outputs.write(live_frame(0), found(0))
                print("on", file=sys.stderr, flush=True)
        finally:
            outputs.take_status(event)  # as a source does that is closed
sys.exit(143)
"""


@pytest.mark.live
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_run_whose_reader_has_stalled_ends_when_it_is_terminated() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", STALLED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            _wait_until_stalled(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 143
            *whole, torn = process.stdout.read().split(b"\n")
        finally:
            process.kill()
    assert len(whole) > 100
    assert all(json.loads(line)["frame"] == 0 for line in whole)
    assert b"event" not in torn


def _wait_until_stalled(process: subprocess.Popen[bytes]) -> None:
    """Returns when nothing more can be written to the lines that nobody reads."""
    fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
    lines, words = process.stdout, process.stderr
    assert lines is not None
    assert words is not None

    def listen() -> None:
        while os.read(words.fileno(), 65536):
            pass

    def unread() -> int:
        return int.from_bytes(fcntl.ioctl(lines, termios.FIONREAD, bytes(4)), sys.byteorder)

    def is_stalled() -> bool:
        assert process.poll() is None
        before.append(unread())
        return before[-2] == before[-1] > 50_000

    threading.Thread(target=listen, daemon=True).start()
    before = [0]
    wait_until(is_stalled, lambda: before[-1], nap_seconds=0.5)


def test_a_worker_that_reports_a_state_writes_nothing_itself(tmp_path: Path) -> None:
    """It could not be interrupted in a full pipe; the thread of the run writes it when it can."""
    outputs, path = Outputs(QUIET), tmp_path / "out.ndjson"
    with outputs.open(_settings(ndjson=path), [], MODEL):
        worker = threading.Thread(target=outputs.take_status, args=[_event(0)])
        worker.start()
        worker.join()
        assert path.read_text("utf-8") == ""
        outputs.flush()
        assert path.read_text("utf-8").count('"event":"status"') == 1
