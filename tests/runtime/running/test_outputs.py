import argparse
import io
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

from spotlet.commands.outputs import EARLY_EVENTS, Outputs, add_output_arguments, open_outputs
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.mqtt.sender import HURRY_SECONDS, PART_SECONDS
from spotlet.sinks import NdjsonSink, QueuedSink, SinkGroup, queue
from spotlet.streams import Frame, StatusEvent, StreamGroup, open_streams
from spotlet.streams.capture import CLOSE_SECONDS

MODEL = Path("model.onnx")


def _args(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_output_arguments(parser)
    parser.add_argument("--max-fps", type=float)
    return parser.parse_args([str(word) for word in words])


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
    outputs, lines = Outputs(), tmp_path / "out.ndjson"
    outputs.tell(_event(0))
    with open_outputs(_args("--ndjson", lines), cameras.streams, MODEL, outputs):
        outputs.tell(_event(1))
        outputs.write(live_frame(7), found())
    outputs.tell(_event(2))
    assert [each.get("epoch") for each in _records(lines)] == [0, 1, 0]
    assert _records(lines)[2]["frame"] == 7

    without = Outputs()
    for number in range(EARLY_EVENTS + 500):
        without.tell(_event(number))
    assert len(without._early) == EARLY_EVENTS
    with open_outputs(_args("--snapshots", tmp_path / "s"), cameras.streams, MODEL, without):
        for number in range(10):
            without.tell(_event(number))
        assert len(without._early) == 0


def test_a_state_is_told_with_its_time_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Outputs().tell(_event(0))
    assert capsys.readouterr().err == "2023-11-14T22:13:20Z camera 0: lost\n"


@pytest.mark.parametrize("kind", ["full", "gone", "closed"])
def test_standard_error_may_be_gone(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left") if kind == "full" else BrokenPipeError

    stream = Gone()
    if kind == "closed":
        stream = io.StringIO()  # type: ignore[assignment]
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    Outputs().tell(_event(0))


def test_a_state_that_is_not_written_is_an_error_of_the_next_write_or_the_end(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    resource = pytest.importorskip("resource")

    def fill(outputs: Outputs) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        try:
            outputs.tell(_event(0))
            outputs.tell(_event(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    outputs, lines = Outputs(), tmp_path / "out.ndjson"
    with (
        pytest.raises(OutputError, match=r"out\.ndjson: cannot be written"),
        open_outputs(_args("--ndjson", lines), cameras.streams, MODEL, outputs),
    ):
        fill(outputs)
    with open_outputs(_args("--ndjson", lines), cameras.streams, MODEL, again := Outputs()):
        fill(again)
        with pytest.raises(OutputError, match=r"out\.ndjson: cannot be written"):
            again.write(live_frame(0), found())
        again.write(live_frame(1), found())
    assert [each["frame"] for each in _records(lines)] == [1]


def test_once_stopped_states_go_to_standard_error_alone(
    tmp_path: Path, cameras: StreamGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, lines = Outputs(), tmp_path / "out.ndjson"
    with open_outputs(_args("--ndjson", lines), cameras.streams, MODEL, outputs):
        outputs.tell(_event(0))
        outputs.stop()
        outputs.stop()
        outputs.tell(_event(1))
    assert len(_records(lines)) == 1
    assert capsys.readouterr().err.count("lost") == 2


def test_when_terminated_nothing_is_waited_for_long_and_that_remains_the_reason(
    cameras: StreamGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    disks = [_Hung() for _ in range(3)]

    def run() -> None:
        outputs = Outputs()
        with open_outputs(_args(), cameras.streams, MODEL, outputs):
            outputs.sinks += [
                QueuedSink(disks[0], rule="block"),
                SinkGroup({live_frame(0).source: QueuedSink(disks[1])}),
                QueuedSink(disks[2], rule="block"),
            ]
            outputs.write(live_frame(0), found())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert capsys.readouterr().err.count("not finished within 0.9 s") == 3
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
    outputs, started = Outputs(), clock.now

    def run() -> None:
        with open_outputs(_args(), cameras.streams, MODEL, outputs):
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
    outputs, disk = Outputs(), _Hung()
    with open_outputs(_args(), cameras.streams, MODEL, outputs):
        outputs.sinks.append(QueuedSink(disk, rule="block"))
        for number in range(4):
            outputs.write(live_frame(number), found())
        threading.Timer(1.2, disk.may_write.set).start()
    assert disk.count == 4


def test_of_several_errors_at_the_end_the_first_is_raised_and_the_others_told(
    cameras: StreamGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = Outputs()
    with (
        pytest.raises(OutputError, match="first"),
        open_outputs(_args(), cameras.streams, MODEL, outputs),
    ):
        outputs.sinks += [_Hung(OutputError("first")), _Hung(OutputError("second"))]
    assert "Z second\n" in capsys.readouterr().err


def test_a_live_output_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, cameras: StreamGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, lines = tmp_path / "videos", tmp_path / "out.ndjson"
    words = ("--save", videos, "--snapshots", tmp_path / "shots", "--ndjson", lines)
    outputs = Outputs()
    with open_outputs(_args(*words), cameras.streams, MODEL, outputs):
        videos.rename(tmp_path / "gone")
        (tmp_path / "shots").rmdir()
        (tmp_path / "shots").touch()
        for number in range(20):
            source = cameras.streams[number % 2].source
            outputs.write(live_frame(number, number / 10, source=source), found(0))
            time.sleep(0.01)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert all("dropping frames and trying again every 30 s" in line for line in told)
    assert [each["frame"] for each in _records(lines)] == list(range(20))
    assert [sink.written for sink in outputs.sinks[:2]] != [None, None]


def test_an_output_of_a_file_that_fails_is_an_error(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    clip = write_clip(tmp_path / "clip.avi", [numbered_image(0)] * 3)
    args, outputs = _args("--snapshots", tmp_path / "s"), Outputs()
    with (
        open_streams([str(clip)]) as group,
        open_outputs(args, group.streams, MODEL, outputs),
    ):
        (tmp_path / "s").rmdir()
        (tmp_path / "s").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            outputs.write(live_frame(0), found(0))


def test_as_many_videos_remain_as_were_asked_for(tmp_path: Path, cameras: StreamGroup) -> None:
    stream = cameras.streams[0]
    for number in range(3):
        words = ("--save", tmp_path / "out.mp4", "--keep-videos", 2)
        outputs = Outputs()
        with open_outputs(_args(*words), [stream], MODEL, outputs):
            outputs.write(live_frame(number, source=stream.source), found())
    assert {path.name: numbers_in(path) for path in tmp_path.iterdir()} == {
        "out-2.mp4": [1],
        "out-3.mp4": [2],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rotate-mb", "nan"), "--rotate-mb nan: must be at least 0.001024"),
        (("--rotate-mb", "inf"), "--rotate-mb inf: must be at least 0.001024"),
        (("--rotate-mb", "1e-5"), "--rotate-mb 1e-05: must be at least 0.001024"),
        (("--rotate-mb", "-1"), "--rotate-mb -1: must be at least 0.001024"),
        (("--ndjson", "-", "--rotate-mb", "1"), "--rotate-mb 1: needs --ndjson FILE"),
        (("--keep-videos", "0"), "--keep-videos 0: must be at least 1, with --save"),
        (("--keep-videos", "5"), "--keep-videos 5: must be at least 1, with --save"),
    ],
)
def test_a_number_that_cannot_be_is_refused_in_the_words_that_were_typed(
    tmp_path: Path, cameras: StreamGroup, words: tuple[str, ...], message: str
) -> None:
    args = _args("--ndjson", tmp_path / "out.ndjson", *words)
    with (
        pytest.raises(UsageError) as refused,
        open_outputs(args, cameras.streams, MODEL, Outputs()),
    ):
        pass
    assert str(refused.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


STALLED = """
import argparse, contextlib, sys
from pathlib import Path
from live_frames import *
from spotlet.cli import _termination_as_exception
from spotlet.commands.outputs import Outputs, add_output_arguments, open_outputs
from spotlet.streams import StatusEvent
parser = argparse.ArgumentParser()
add_output_arguments(parser)
args = parser.parse_args(["--ndjson", "-"])
outputs = Outputs()
event = StatusEvent(source="camera 0", state="ended", epoch=0, at=1.7e9)
with _termination_as_exception(), contextlib.suppress(KeyboardInterrupt):
    with open_outputs(args, [], Path("model.onnx"), outputs):
        try:
            while True:
                outputs.write(live_frame(0), found(0))
                print("on", file=sys.stderr, flush=True)
        finally:
            outputs.tell(event)  # as a source does that is closed
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


def test_a_worker_that_tells_of_a_state_writes_nothing_itself(tmp_path: Path) -> None:
    """It could not be interrupted in a full pipe; the thread of the run writes it when it can."""
    outputs, path = Outputs(), tmp_path / "out.ndjson"
    sink = NdjsonSink(path)
    outputs.sinks.append(sink)
    outputs.begin()
    worker = threading.Thread(target=outputs.tell, args=[_event(0)])
    worker.start()
    worker.join()
    assert path.read_text("utf-8") == ""
    outputs.flush()
    assert path.read_text("utf-8").count('"event":"status"') == 1
    sink.close()
