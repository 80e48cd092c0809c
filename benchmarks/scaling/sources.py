"""Measures `spotlet run` with several sources: files at full speed, cameras at their own rate."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from benchmarks.clip import demo_frames, write_clip
from benchmarks.peers.contender import ContenderError
from benchmarks.peers.runners import Runner
from benchmarks.peers.steady import Steady, alternate
from servers.mjpeg import MjpegServer

from spotlet.errors import UsageError

SHORT_FRAMES = 40
"""Of all files of a short run together; its time is subtracted from the long one's."""

WARM_UP_SECONDS = 4.0
PICTURES = 25
"""Distinct JPEGs that a camera sends repeatedly."""

END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """The cost of a number of cameras.

    Attributes:
        sources: cameras.
        sent_fps: pictures a second that all of them sent.
        frames_per_second: processed frames of all of them.
        dropped: frames skipped for newer ones.
        cores: processor seconds of the program per second.
        oldest_ms: age of the oldest result.
    """

    sources: int
    sent_fps: float
    frames_per_second: float
    dropped: int
    cores: float
    oldest_ms: float


class ClipCamera(MjpegServer):
    """A camera that sends the demo's frames as 720p JPEGs, made beforehand.

    Encoding them while sending would take processor time from the measured program.
    """

    def __init__(self, *, fps: float, jpegs: Sequence[bytes]) -> None:
        self._jpegs = itertools.cycle(jpegs)
        self.pictures = 0
        super().__init__(fps=fps)

    def _send(self, client: socket.socket, connection: int, place: int) -> bool:
        jpeg = next(self._jpegs)
        head = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        client.sendall(head + jpeg + b"\r\n")
        self.pictures += 1
        return True


def clip_jpegs() -> list[bytes]:
    """Returns the pictures of a camera."""
    encoded = [cv2.imencode(".jpg", frame)[1] for frame in demo_frames(PICTURES)]
    return [content.tobytes() for content in encoded]


def measure_files(
    model: Path, counts: Sequence[int], frames: int, rounds: int, threads: int, folder: Path
) -> dict[int, Steady]:
    """Returns the total figures for each number of files at once.

    Args:
        model: ONNX file.
        counts: of files.
        frames: of all files of a long run together.
        rounds: of all counts.
        threads: as `spotlet run --threads`.
        folder: for clips and logs.

    Raises:
        ContenderError: the program failed.
        UsageError: a count does not divide the frames.
    """
    for count in counts:
        if SHORT_FRAMES % count or frames % count:
            raise UsageError(f"{count} files of {SHORT_FRAMES} and {frames} frames: not whole")
    clips = (folder / f"clip-{SHORT_FRAMES}", folder / f"clip-{frames}")
    runners = []
    for count in counts:
        for clip, total in zip(clips, (SHORT_FRAMES, frames), strict=True):
            first = write_clip(clip.with_name(f"{clip.name}-of-{count}-0.mp4"), total // count)
            for number in range(1, count):
                shutil.copyfile(first, clip.with_name(f"{clip.name}-of-{count}-{number}.mp4"))
        runners.append(
            Runner(
                name=str(count),
                graph=model,
                command=_command(model, count, threads),
                first='"frame":0,',
                objects='"class":',
            )
        )
    trial = alternate(runners, clips, frames - SHORT_FRAMES, rounds, threads, folder, _say_nothing)
    for name, reason in trial.failures.items():
        raise ContenderError(f"{name} files: {reason}")
    return {int(name): trial.median(name) for name in trial.rounds}


def _say_nothing(_: str) -> None:
    pass


def _command(model: Path, count: int, threads: int) -> Callable[[Path], list[str | Path]]:
    def command(clip: Path) -> list[str | Path]:
        clips = [clip.with_name(f"{clip.name}-of-{count}-{number}.mp4") for number in range(count)]
        return [
            sys.executable, "-m", "spotlet", "run", model, *clips, "--ndjson", "-",
            "--threads", str(threads),
        ]  # fmt: skip

    return command


def measure_cameras(
    model: Path,
    count: int,
    fps: float,
    seconds: float,
    threads: int,
    folder: Path,
    options: Sequence[str] = (),
) -> LiveLoad:
    """Returns the cost of `count` cameras.

    Args:
        model: ONNX file.
        count: of cameras.
        fps: of each.
        seconds: to watch, after a warm-up.
        threads: as `spotlet run --threads`.
        folder: for the program's output.
        options: more of `spotlet run`.
    """
    jpegs = clip_jpegs()
    lines = folder / f"cameras-{count}.ndjson"
    with contextlib.ExitStack() as stack:
        cameras = [stack.enter_context(ClipCamera(fps=fps, jpegs=jpegs)) for _ in range(count)]
        command: list[str | Path] = [
            sys.executable, "-m", "spotlet", "run", model, *(camera.url for camera in cameras),
            "--ndjson", lines, "--threads", str(threads), *options,
        ]  # fmt: skip
        log = stack.enter_context((folder / f"cameras-{count}.log").open("w"))
        process = stack.enter_context(_running(command, log.fileno()))
        time.sleep(WARM_UP_SECONDS)
        before = _state(process.pid, cameras)
        time.sleep(seconds)
        after = _state(process.pid, cameras)
    watched = list(_lines_between(lines, before[0], after[0]))
    lasted = after[0] - before[0]
    return LiveLoad(
        sources=count,
        sent_fps=(after[2] - before[2]) / lasted,
        frames_per_second=len(watched) / lasted,
        dropped=sum(int(line["dropped"]) for line in watched),
        cores=(after[1] - before[1]) / lasted,
        oldest_ms=max((line["age_ms"] for line in watched), default=0.0),
    )


@contextlib.contextmanager
def _running(command: Sequence[str | Path], log: int) -> Iterator[subprocess.Popen[bytes]]:
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _state(pid: int, cameras: Sequence[ClipCamera]) -> tuple[float, float, int]:
    """Returns the time, the program's processor time and the pictures sent, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu_seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return time.time(), cpu_seconds, sum(camera.pictures for camera in cameras)


def _lines_between(path: Path, start: float, end: float) -> Iterator[dict[str, float]]:
    for text in path.read_text("utf-8").splitlines():
        line = json.loads(text)
        if line.get("event") is None and start <= line["captured_at"] < end:
            yield line
