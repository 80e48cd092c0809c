"""Packages swapped into whole runs: through the command, and seen by every output."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from patience import PATIENCE_SECONDS, wait_until
from servers.mjpeg import MjpegServer
from servers.watching import ask
from swap_packages import damage, write_package

from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.events import ModelEvent, event_json_schema
from spotlet.letterbox import ImageArray
from spotlet.running import RunCallbacks, RunSettings, RunSummary, run, swap
from spotlet.session import SessionSettings
from spotlet.streams import Frame
from spotlet.tracking import TrackingSettings

pytestmark = pytest.mark.live


def replace_by(package: Path, other: Path) -> None:
    """Swaps two folders' names as a link would: no moment has half of each."""
    staged = package.with_name(f".{package.name}")
    staged.symlink_to(other)
    staged.rename(package)


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A link to the first of two packages that differ in the score of red squares."""
    first, second = write_package(tmp_path / "v1"), write_package(tmp_path / "v2", red=0.6)
    (tmp_path / "current").symlink_to(first)
    return tmp_path / "current", first, second


@pytest.mark.parametrize("threads", [1, 3])
def test_no_frame_is_lost_or_mixed_and_tracks_go_on(
    tmp_path: Path,
    packages: tuple[Path, Path, Path],
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
) -> None:
    current, first, second = packages
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(swap, "SETTLE_SECONDS", 0.1)
    clip = write_clip(tmp_path / "clip.avi", moving_square(400))
    reload, swapped, events = threading.Event(), threading.Event(), list[ModelEvent]()
    stop, seen = threading.Event(), set[str]()

    def on_swap(event: ModelEvent) -> None:
        events.append(event)
        swapped.set()

    def on_frame(frame: Frame, detections: Detections) -> None:
        assert detections.model is not None
        seen.add(detections.model.digest)
        if frame.index == 55:
            replace_by(current, second)
            reload.set()
        if frame.index == 60:
            assert swapped.wait(PATIENCE_SECONDS)
        if frame.index == 200:
            stop.set()

    lines = tmp_path / "out.ndjson"
    done = run(
        RunSettings(
            model=current,
            sources=[clip],
            tracking=TrackingSettings(),
            classes=["red"],
            session=SessionSettings(threads=threads),
            ndjson=lines,
        ),
        RunCallbacks(on_swap=on_swap, on_frame=on_frame, on_notice=lambda line: None),
        stop=stop,
        reload=reload,
    )
    written = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    for event in written:
        jsonschema.validate(event, event_json_schema())
    frames = [event for event in written if "event" not in event]
    (loaded,) = [event for event in written if "event" in event]
    assert (loaded["state"], loaded["digest"]) == ("loaded", Detector(second).identity.digest)
    assert [each["frame"] for each in frames] == list(range(done.frames))
    score_of = {Detector(first).identity.digest: 0.9, Detector(second).identity.digest: 0.6}
    scores = [score for each in frames for score in _scores(each, score_of[each["digest"]])]
    assert set(scores) == {0.9, 0.6}
    digests = [each["digest"] for each in frames]
    assert digests == sorted(digests, key=list(score_of).index)
    assert {each["model"] for each in frames} == {"current"}
    # It jumps back in every 50th frame; between, both models saw it.
    tracks = {found["track"] for each in frames[60:99] for found in each["detections"]}
    assert len(tracks) == 1
    assert {each["digest"] for each in frames[55:99]} == set(score_of)
    assert sum(done.frames_by_model.values()) == done.frames
    assert f"current {loaded['digest']}" in str(done)
    assert [event.state for event in events] == ["loaded"]


def test_a_run_of_a_camera_watches_its_package_and_a_run_of_a_file_does_not(
    packages: tuple[Path, Path, Path],
    tmp_path: Path,
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    current, _, second = packages
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(swap, "SETTLE_SECONDS", 0.1)
    stop, states = threading.Event(), list[str]()

    def on_swap(event: ModelEvent) -> None:
        states.append(event.state)
        stop.set()

    def on_frame(frame: Frame, detections: Detections) -> None:
        if not current.samefile(second):  # not at a certain frame: it may be dropped
            replace_by(current, second)

    callbacks = RunCallbacks(
        on_swap=on_swap,
        on_frame=on_frame,
        on_notice=lambda line: None,
        on_status=lambda event: None,
    )
    with MjpegServer(fps=20) as camera:
        run(RunSettings(model=current, sources=[camera.url], max_frames=2000), callbacks, stop=stop)
    assert states == ["loaded"]
    clip = write_clip(tmp_path / "clip.avi", moving_square(40))
    replace_by(current, packages[1])
    run(RunSettings(model=current, sources=[clip], max_fps=30), callbacks)
    assert states == ["loaded"]


def _scores(event: dict[str, Any], expected: float) -> list[float]:
    scores = [found["score"] for found in event["detections"]]
    assert scores == [expected] * len(scores)
    return scores


@contextmanager
def command(*words: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The program, and what it has written on standard error so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spotlet", "run", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE_SECONDS)
        process.stderr.close()


def told(lines: Sequence[str], what: str) -> None:
    wait_until(lambda: any(what in line for line in lines), lambda: lines)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_sighup_loads_what_is_there_and_every_output_says_so(
    tmp_path: Path, packages: tuple[Path, Path, Path]
) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    pytest.importorskip("prometheus_client")
    current, first, second = packages
    ndjson = tmp_path / "out.ndjson"

    def frames_of(folder: Path) -> Callable[[], bool]:
        digest = Detector(folder).identity.digest
        return lambda: f'"digest":"{digest}"' in ndjson.read_text("utf-8").rpartition("\n{")[2]

    with (
        MjpegServer(fps=20) as camera,
        command(
            current, camera.url, "--ndjson", ndjson, "--serve", "0", start_new_session=True
        ) as (process, lines),
    ):
        told(lines, "serving at")
        url = next(line.split()[-1] for line in lines if "serving at" in line)
        wait_until(lambda: ndjson.exists() and frames_of(first)())
        replace_by(current, second)
        process.send_signal(signal.SIGHUP)
        told(lines, f"model current {Detector(second).identity.digest}: loaded")
        wait_until(frames_of(second))
        replace_by(current, damage(write_package(tmp_path / "v3", red=0.5), "golden"))
        process.send_signal(signal.SIGHUP)
        told(lines, ": refused: golden frames match the export: ")
        wait_until(lambda: json.loads(ask(url, "/healthz").body)["refused"])
        health = json.loads(ask(url, "/healthz").body)
        assert health["model"] == f"current {Detector(second).identity.digest}"
        assert "golden frames match the export" in health["refused"]["reason"]
        metrics = ask(url, "/metrics").body.decode()
        for result in ("loaded", "refused"):
            assert f'spotlet_model_swaps_total{{result="{result}"}} 1.0' in metrics
        digest = Detector(second).identity.digest
        assert f'spotlet_model_info{{digest="{digest}",model="current"}} 1.0' in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 143
    events = [json.loads(line) for line in ndjson.read_text("utf-8").splitlines()]
    for event in events:
        jsonschema.validate(event, event_json_schema())
    swaps = [event["state"] for event in events if event.get("event") == "model"]
    assert swaps == ["loaded", "refused"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_sighup_still_ends_a_run_of_a_file(
    tmp_path: Path,
    packages: tuple[Path, Path, Path],
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_square(40))
    ndjson = tmp_path / "out.ndjson"
    words = (packages[0], clip, "--max-fps", "1", "--ndjson", ndjson)
    with command(*words, start_new_session=True) as (process, _):
        wait_until(lambda: ndjson.exists() and ndjson.read_text("utf-8"))
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_SECONDS) == 143


@pytest.mark.skipif(not hasattr(os, "forkpty"), reason="this system has no terminals")
def test_a_terminal_that_is_closed_ends_the_run(
    tmp_path: Path, packages: tuple[Path, Path, Path]
) -> None:
    """SIGHUP means a reload only where nobody has hung up."""
    ndjson = tmp_path / "out.ndjson"
    script = (
        "import os, pty, subprocess, sys\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        "    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
        "print(pid, flush=True)\n"
        "sys.stdin.readline()\n"
        "os.close(terminal)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)\n"
    )
    with MjpegServer(fps=20) as camera:
        words = ["-m", "spotlet", "run", str(packages[0]), camera.url, "--ndjson", str(ndjson)]
        with subprocess.Popen(
            [sys.executable, "-c", script, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as terminal:
            assert terminal.stdin is not None
            assert terminal.stdout is not None
            pid = int(terminal.stdout.readline())
            wait_until(lambda: ndjson.exists() and '"frame":' in ndjson.read_text("utf-8"))
            os.kill(pid, signal.SIGHUP)  # the terminal is still there
            lines = len(ndjson.read_text("utf-8").splitlines())
            wait_until(lambda: len(ndjson.read_text("utf-8").splitlines()) > lines + 20)
            terminal.stdin.write("\n")
            terminal.stdin.close()
            assert terminal.stdout.readline()  # it has ended, whatever it could still say
    assert ndjson.read_text("utf-8").endswith("\n")


@pytest.mark.skipif(not hasattr(os, "forkpty"), reason="this system has no terminals")
def test_a_shell_that_ends_takes_its_background_run_with_it(
    tmp_path: Path, packages: tuple[Path, Path, Path]
) -> None:
    """It sends SIGHUP to its jobs while its terminal is still there."""
    ndjson = tmp_path / "out.ndjson"
    shell = (  # the first process of a terminal, with a job in the background
        "import os, signal, subprocess, sys, time\n"
        "run = subprocess.Popen([sys.executable, *sys.argv[2:]], process_group=0)\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    file.write(str(run.pid))\n"
        "sys.stdin.readline()\n"
        "run.send_signal(signal.SIGHUP)\n"
        "time.sleep(0.5)\n"
    )
    outer = (
        "import os, pty, sys\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        "    os.execv(sys.executable, [sys.executable, '-c', *sys.argv[1:]])\n"
        "sys.stdin.readline()\n"
        "os.write(terminal, b'exit\\n')\n"
        "os.waitpid(pid, 0)\n"
    )
    pid = tmp_path / "pid"
    with MjpegServer(fps=20) as camera:
        words = ["-m", "spotlet", "run", str(packages[0]), camera.url, "--ndjson", str(ndjson)]
        with subprocess.Popen(
            [sys.executable, "-c", outer, shell, str(pid), *words], stdin=subprocess.PIPE, text=True
        ) as terminal:
            wait_until(lambda: ndjson.exists() and '"frame":' in ndjson.read_text("utf-8"))
            terminal.communicate("\n")
        try:
            wait_until(lambda: not camera._clients)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text("utf-8")), signal.SIGKILL)
    assert ndjson.read_text("utf-8").endswith("\n")


def test_mqtt_keeps_the_model_and_the_last_refusal(packages: tuple[Path, Path, Path]) -> None:
    pytest.importorskip("paho.mqtt")
    from live_frames import live_frame

    from spotlet.mqtt import MqttSink

    detector = Detector(packages[1])
    digest = detector.identity.digest
    sink = MqttSink("mqtt://127.0.0.1:9/yard", on_failure=lambda line: None)
    try:
        frame = live_frame(0)
        sink.write(frame, detector(frame.image))
        kept = _retained(sink, "yard/model")
        assert (kept["state"], kept["model"], kept["digest"]) == ("loaded", "v1", digest)
        counts = _retained(sink, f"yard/{sink._topics.slug(frame.source)}/counts")
        assert counts["digest"] == digest
        refused = ModelEvent(
            state="refused", model="v1", digest=None, running=digest, at=1.7e9, reason="no file"
        )
        sink.write_model(refused)
        sink.write(frame, detector(frame.image))
        kept = _retained(sink, "yard/model")
        assert (kept["state"], kept["reason"], kept["running"]) == ("refused", "no file", digest)
        jsonschema.validate(kept, event_json_schema())
    finally:
        sink.close()


def test_a_package_refused_before_the_first_frame_stays_refused(
    packages: tuple[Path, Path, Path],
) -> None:
    pytest.importorskip("paho.mqtt")
    from live_frames import live_frame

    from spotlet.mqtt import MqttSink

    detector = Detector(packages[1])
    sink = MqttSink("mqtt://127.0.0.1:9/yard", on_failure=lambda line: None)
    try:
        running = detector.identity.digest
        refused = ModelEvent(
            state="refused", model="v1", digest=None, running=running, at=1.7e9, reason="no file"
        )
        sink.write_model(refused)
        frame = live_frame(0)
        sink.write(frame, detector(frame.image))
        assert _retained(sink, "yard/model")["state"] == "refused"
    finally:
        sink.close()


def _retained(sink: Any, topic: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(sink._outbox._retained[topic].payload)
    return payload


def test_a_summary_of_one_model_does_not_list_it(packages: tuple[Path, Path, Path]) -> None:
    summary = RunSummary(
        frames=1,
        dropped=0,
        seconds=1.0,
        oldest_seconds=None,
        frames_by_source={"a": 1},
        found={},
        counts={},
        written=(),
        failures={},
        frames_by_model={"current 0123": 1},
    )
    assert "current" not in str(summary)
