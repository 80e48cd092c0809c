"""`spotlet run` on cameras: the command as a process of its own, as a service would call it."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, wait_until
from servers.mjpeg import MjpegServer

pytestmark = pytest.mark.live


def _start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spotlet", "run", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(path: Path, text: str, times: int = 1) -> None:
    def told() -> str:
        return path.read_text("utf-8") if path.exists() else "no file"

    wait_until(lambda: told().count(text) >= times, told)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_service_ends_with_whole_files_whatever_its_cameras_do(
    squares_model: Path, tmp_path: Path, end: signal.Signals
) -> None:
    with ExitStack() as stack:
        well, dead = (stack.enter_context(MjpegServer(fps=20)) for _ in range(2))
        dead.fault = "refuse"
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        urls = [well.url, dead.url, f"rtsp://admin:hunter2@127.0.0.1:{mute.getsockname()[1]}/x"]
        lines = tmp_path / "out.ndjson"
        videos = ("--save", tmp_path / "videos")
        # What does not answer is waited for far longer than this test has patience.
        words = ("--ndjson", lines, *videos, "--stall-seconds", "3600")
        process = _start(squares_model, *urls, *words)
        _wait_for(lines, '"detections"', 10)
        _wait_for(lines, '"lost"')
        process.send_signal(end)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == (143 if end == signal.SIGTERM else 130)
    records = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert {record.get("state") for record in records} >= {"connecting", "live", "lost", None}
    assert "hunter" not in out + err + lines.read_text("utf-8")
    assert all("hunter" not in path.name for path in tmp_path.rglob("*"))
    assert "Traceback" not in err
    told = [line for line in err.splitlines() if line.startswith("20")]
    assert all(" connecting" in line or ": l" in line or ": ended" in line for line in told)
    assert err.splitlines()[-1] in ("spotlet run: terminated", "spotlet run: interrupted")


def test_a_camera_that_never_was_there_is_given_up_after_its_retries(
    squares_model: Path, tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/door"
        process = _start(squares_model, url, "--retries", "1", "--ndjson", tmp_path / "a.ndjson")
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 4
    assert err.count(": lost: cannot be reached") == 2
    assert "no retries left (1 allowed)" in err.splitlines()[-1]


def test_lines_of_several_sources_say_which(squares_model: Path) -> None:
    with MjpegServer(fps=20) as one, MjpegServer(fps=20) as other:
        process = _start(squares_model, one.url, other.url, "--max-frames", "12")
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    ports = [url.rpartition(":")[2].partition("/")[0] for url in (one.url, other.url)]
    frames = [line for line in out.splitlines() if "/door?token=***: " in line]
    assert len(frames) == 12
    assert all(any(port in line for line in frames) for port in ports)
