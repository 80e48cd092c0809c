"""Measures the cost of watching a run: four sources, alternating with and without three viewers.

    PYTHONPATH=tests python benchmarks/serve.py [--model garments] [--rounds 9] [--seconds 5]
        [--size 640x480] [--minute 60]

`spotlet run --serve` processes four videos at full speed, so that every core is busy. Each viewer
does what the page does: it reads the events, and requests the picture of each source once the
previous one has arrived, at most eight times a second. The viewers are a separate process on the
same machine, so their own cost counts too; it is reported. The rate is that of
`spotlet_frames_total`; on a shared machine it means little, and the processor time per frame of the
whole process means more. Then a page is opened in Chromium, if installed, while detection
continues; and memory is read while a viewer has stopped reading.

Exit code 1 if the rate, or the rate implied by the processor time, falls by 10 % or more, or the
first picture takes over 2 s.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import cv2

from spotlet.text.terminal import table

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime
import pytest
from servers.browser import Browser
from servers.watching import ask, call

SOURCES, VIEWERS = 4, 3
PICTURE_SECONDS = 0.125
MOST_LOSS, MOST_FIRST_SECONDS = 0.10, 2.0
CLIP = Path(__file__).parents[1] / "models" / "spotlet_models" / "demo" / "clip.mp4"
MOST_FPS = 400
"""Of all sources together, on any machine; faster ones need longer clips."""

WARM_FRAMES = 40
SETTLE_SECONDS = 0.5
PIECE_BYTES = 65536


def main() -> int:
    """Prints what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="garments")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each half of a round")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds with a stopped reader")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.avi"
        longest = max(args.rounds * 2.5 * args.seconds, args.minute + 10)
        _write_clip(clip, (width, height), round(longest * MOST_FPS / SOURCES))
        sources = [clip.with_name(f"{number}.avi") for number in range(SOURCES)]
        for source in sources:
            source.hardlink_to(clip)
        with _running(args.model, sources) as url:
            first = [_first_picture(url) for _ in range(3)]
        with _running(args.model, sources) as url:
            rounds = [_round(url, args.seconds) for _ in range(args.rounds)]
        with _running(args.model, sources) as url:
            before, after, dropped = _stopped_reader(url, args.minute)
    ratios = sorted(watched.rate / alone.rate for alone, watched, _ in rounds)
    ratio = statistics.median(ratios)
    cost = statistics.median(watched.frame_ms / alone.frame_ms for alone, watched, _ in rounds)
    seen = [seconds for seconds in first if seconds is not None]

    def middle(value: Callable[[_Round], float], digits: int = 1) -> str:
        return f"{statistics.median(map(value, rounds)):.{digits}f}"

    rows = [
        (f"frames/s of {SOURCES} sources, no viewer", middle(lambda each: each.alone.rate)),
        (f"frames/s, {VIEWERS} viewers", middle(lambda each: each.watched.rate)),
        ("ratio: median, least, most", f"{ratio:.3f} {ratios[0]:.3f} {ratios[-1]:.3f}"),
        ("processor time of a frame, no viewer", middle(lambda each: each.alone.frame_ms) + " ms"),
        ("processor time of a frame, viewers", middle(lambda each: each.watched.frame_ms) + " ms"),
        ("ratio of processor times, median", f"{cost:.3f}"),
        ("pictures/s of all sources", middle(lambda each: each.watched.pictures)),
        ("cores used by the viewers", middle(lambda each: each.cores, 2)),
        ("first picture in Chromium, s", " ".join(f"{each:.2f}" for each in seen) or "no Chromium"),
        (
            f"memory before and after {args.minute:g} s of a stopped reader",
            f"{before:.0f} {after:.0f} MB",
        ),
        ("events dropped for that reader", str(dropped)),
    ]
    print(table(rows, header=("what", "measured")))
    print(
        f"{args.model}, {args.size}, {args.rounds} rounds of twice {args.seconds:g} s, "
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"onnxruntime {onnxruntime.__version__}, OpenCV {cv2.__version__}"
    )
    slowest = min(ratio, 1 / cost)
    return int(slowest <= 1 - MOST_LOSS or max(seen, default=0.0) > MOST_FIRST_SECONDS)


def _write_clip(path: Path, size: tuple[int, int], count: int) -> None:
    """Writes the demo clip repeatedly, as frames that are quick to decode."""
    clip = cv2.VideoCapture(str(CLIP))
    frames = []
    while (read := clip.read())[0]:
        frames.append(cv2.resize(read[1], size))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for number in range(count):
        writer.write(frames[number % len(frames)])
    writer.release()


@contextlib.contextmanager
def _running(model: str, sources: list[Path]) -> Iterator[str]:
    """Runs, and yields the URL once every source has produced frames."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["run", model, *map(str, sources), "--ndjson", os.devnull, "--serve", place]
    process = subprocess.Popen([sys.executable, "-m", "spotlet", *words], stderr=subprocess.DEVNULL)
    url = f"http://{place}/"
    try:
        while True:
            with contextlib.suppress(OSError):
                if _sum(url, "spotlet_frames_total") > WARM_FRAMES:
                    break
            time.sleep(0.1)
        yield url
        assert process.poll() is None, "the clip was too short"
    finally:
        process.kill()
        process.wait()


def _sum(url: str, metric: str) -> float:
    lines = ask(url, "/metrics").text.splitlines()
    return sum(float(line.split(" ")[-1]) for line in lines if re.match(rf"{metric}\b", line))


class _Half(NamedTuple):
    """Half a round: frames and pictures a second, and processor time of a frame, milliseconds."""

    rate: float
    pictures: float
    frame_ms: float


class _Round(NamedTuple):
    """Without viewers, with them, and the cores used by the viewers."""

    alone: _Half
    watched: _Half
    cores: float


def _round(url: str, seconds: float) -> _Round:
    alone = _measure(url, seconds)
    end = multiprocessing.Event()
    viewers = multiprocessing.Process(target=_watch, args=(url, end))
    viewers.start()
    time.sleep(SETTLE_SECONDS)
    began, cpu = time.monotonic(), _cpu_seconds(viewers.pid)
    watched = _measure(url, seconds)
    cores = (_cpu_seconds(viewers.pid) - cpu) / (time.monotonic() - began)
    end.set()
    viewers.join()
    time.sleep(SETTLE_SECONDS)
    return _Round(alone, watched, cores)


def _measure(url: str, seconds: float) -> _Half:
    names = "spotlet_frames_total", "spotlet_serve_pictures_total", "process_cpu_seconds_total"
    began, before = time.monotonic(), [_sum(url, name) for name in names]
    time.sleep(seconds)
    frames, pictures, cpu = (_sum(url, name) - was for name, was in zip(names, before, strict=True))
    spent = time.monotonic() - began
    return _Half(frames / spent, pictures / spent, 1000 * cpu / frames)


def _cpu_seconds(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _watch(url: str, end: Event) -> None:
    """Acts as `VIEWERS` viewers, until the end."""
    for _ in range(VIEWERS):
        threading.Thread(target=_read_events, args=(url,), daemon=True).start()
        for number in range(SOURCES):
            threading.Thread(target=_look, args=(url, number), daemon=True).start()
    end.wait()
    os._exit(0)


def _read_events(url: str) -> None:
    with call(url, "/events") as client:
        while client.recv(PIECE_BYTES):
            pass


def _look(url: str, number: int) -> None:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
    while True:
        began = time.monotonic()
        connection.request("GET", f"/snapshot/{number}.jpg")
        assert connection.getresponse().read(2**24)[:2] == b"\xff\xd8"
        time.sleep(max(PICTURE_SECONDS - (time.monotonic() - began), 0.0))


def _first_picture(url: str) -> float | None:
    """Returns the seconds from opening the page until every picture is shown; None: no browser."""
    try:
        browser = Browser()
    except pytest.skip.Exception:
        return None
    with browser:
        began = time.monotonic()
        browser.open(url)
        browser.wait_for("document.querySelectorAll('.card img:not([hidden])').length > 0")
        return time.monotonic() - began


def _stopped_reader(url: str, seconds: float) -> tuple[float, float, int]:
    """Returns the memory before and after in MB, and the events dropped for a slow reader."""
    time.sleep(3)
    with call(url, "/events", receive_bytes=4096):
        time.sleep(2)
        before = _sum(url, "process_resident_memory_bytes") / 1e6
        time.sleep(seconds)
        after = _sum(url, "process_resident_memory_bytes") / 1e6
        return before, after, round(_sum(url, "spotlet_serve_events_dropped_total"))


if __name__ == "__main__":
    sys.exit(main())
