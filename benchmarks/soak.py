"""Soak test: half an hour of four cameras, one of which is killed and revived every 20 s.

    PYTHONPATH=tests python benchmarks/soak.py [--minutes 30] [--model cards] [--folder DIR]

`spotlet run` watches four cameras on loopback (two of them over RTSP, if GStreamer is installed)
and writes NDJSON, a video of each and snapshots. The cameras are killed in turn; each time one is
away for half of the 20 s. Every second the program's memory, threads, open files and processor time
are read from `/proc`. The last line is everything as JSON.

Exit code 1 if memory in the last minute is over 1.05 times that in the third, threads or files
grew, a line of the NDJSON is invalid or miscounts, a video cannot be read, or the program
did not end cleanly within 2 s of SIGTERM.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from servers.mjpeg import MjpegServer
from servers.rtsp import RtspServer

from spotlet.streams import open_stream
from spotlet.text.terminal import table

PERIOD_SECONDS = 20.0
FPS = 10
MOST_GROWTH = 1.05
MOST_END_SECONDS = 2.0
PAGE_BYTES, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """The program's state in `/proc` at one moment, and how much it has written by then."""

    seconds: float
    megabytes: float
    threads: int
    files: int
    cpu_seconds: float


def main() -> int:
    """Prints a table of minutes and the findings; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--model", default="cards")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one by default")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        cameras = list(_cameras(stack))
        samples, faults = _watch(args.model, cameras, folder, args.minutes * 60)
    rows = _by_minute(samples)
    print(table([[*map(str, row)] for row in rows], ("minute", "MB", "threads", "files", "cores")))
    lines, statuses, wrong = _read_lines(folder / "soak.ndjson")
    faults += wrong + _videos(folder / "videos") + _growth(rows)
    kinds = ", ".join(type(camera).__name__ for camera in cameras)
    print(
        f"{len(cameras)} cameras ({kinds}), {platform.machine()}, python {sys.version.split()[0]}"
    )
    print(f"{sum(lines.values())} frames, per source: {', '.join(map(str, lines.values()))}")
    print(f"states reported: {', '.join(f'{state} {count}' for state, count in statuses.items())}")
    print("\n".join(f"FAULT {fault}" for fault in faults) or "no fault")
    print(json.dumps({"samples": [asdict(each) for each in samples[::10]], "faults": faults}))
    return 1 if faults else 0


def _cameras(stack: contextlib.ExitStack) -> Iterator[MjpegServer | RtspServer]:
    for _ in range(2):
        yield stack.enter_context(MjpegServer(fps=FPS, size_hw=(192, 320)))
    for _ in range(2):
        try:
            yield stack.enter_context(RtspServer(fps=FPS))
        except pytest.skip.Exception as skipped:
            print(f"no RTSP: {skipped}", file=sys.stderr)
            yield stack.enter_context(MjpegServer(fps=FPS, size_hw=(192, 320)))


def _watch(
    model: str, cameras: Sequence[MjpegServer | RtspServer], folder: Path, seconds: float
) -> tuple[list[Sample], list[str]]:
    """Runs the program during the faults; returns its samples and what went wrong."""
    outputs = ["--ndjson", "soak.ndjson", "--save", "videos", "--snapshots", "snapshots"]
    command = [sys.executable, "-m", "spotlet", "run", model, *(each.url for each in cameras)]
    samples: list[Sample] = []
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, *outputs, "--score", "0.1", "--threads", "1", "--stall-seconds", "4"],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        started, turns = time.monotonic(), 0
        while (now := time.monotonic() - started) < seconds and process.poll() is None:
            if now >= (turns + 1) * PERIOD_SECONDS / 2:
                _turn(cameras[turns // 2 % len(cameras)], alive=turns % 2 == 1)
                turns += 1
            with contextlib.suppress(OSError):
                samples.append(_sample(process.pid, now))
            time.sleep(1.0)
        faults = [] if process.poll() is None else ["the program ended by itself"]
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    ended = time.monotonic() - asked
    print(f"SIGTERM: ended after {ended:.2f} s with {code}")
    if code != 128 + signal.SIGTERM or ended > MOST_END_SECONDS:
        faults.append(f"SIGTERM: code {code} after {ended:.2f} s")
    return samples, faults


def _turn(camera: MjpegServer | RtspServer, *, alive: bool) -> None:
    """Revives a camera, or kills it."""
    if isinstance(camera, MjpegServer):
        camera.fault = None if alive else "refuse"
    elif alive:
        camera.revive(fps=FPS)
    else:
        camera.kill()


def _sample(pid: int, seconds: float) -> Sample:
    proc = Path("/proc") / str(pid)
    fields = proc.joinpath("stat").read_text().rsplit(")", 1)[1].split()
    return Sample(
        seconds=seconds,
        megabytes=int(proc.joinpath("statm").read_text().split()[1]) * PAGE_BYTES / 1e6,
        threads=int(fields[17]),
        files=len(list(proc.joinpath("fd").iterdir())),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
    )


def _by_minute(samples: Sequence[Sample]) -> list[tuple[int, float, int, int, float]]:
    """Returns a row for each minute: its number, median memory, most threads and files, cores."""
    rows = []
    for minute in range(1, int(samples[-1].seconds // 60 + 1.5)):
        of = [each for each in samples if minute - 1 <= each.seconds / 60 < minute]
        if len(of) < 2:
            continue
        cores = (of[-1].cpu_seconds - of[0].cpu_seconds) / (of[-1].seconds - of[0].seconds)
        megabytes = statistics.median(each.megabytes for each in of)
        threads, files = max(each.threads for each in of), max(each.files for each in of)
        rows.append((minute, round(megabytes, 1), threads, files, round(cores, 2)))
    return rows


def _growth(rows: Sequence[tuple[int, float, int, int, float]]) -> list[str]:
    """Returns what grew from the third minute to the last ones."""
    if len(rows) < 6:
        return []
    third, last = rows[2], rows[-1]
    faults = []
    if last[1] > MOST_GROWTH * third[1]:
        faults.append(f"memory grew from {third[1]} to {last[1]} MB")
    for place, what in ((2, "threads"), (3, "files")):
        early, late = (max(row[place] for row in part) for part in (rows[:3], rows[-3:]))
        if late > early:
            faults.append(f"{what} grew from {early} to {late}")
    return faults


def _read_lines(path: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """Returns frames by source, states reported, and errors in the lines."""
    frames: Counter[str] = Counter()
    states: Counter[str] = Counter()
    wrong: list[str] = []
    following: dict[str, int] = {}
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            line: dict[str, Any] = json.loads(text)
            source = line["source"]
            if line.get("event") == "status":
                states[line["state"]] += 1
                continue
            frames[source] += 1
            if line["frame"] != following.get(source, 0) + line["dropped"]:
                wrong.append(f"line {number}: frame {line['frame']} is miscounted")
            following[source] = line["frame"] + 1
        except (ValueError, KeyError) as error:
            wrong.append(f"line {number}: {error!r}")
    return frames, states, wrong[:10]


def _videos(folder: Path) -> list[str]:
    """Returns errors in the videos; prints how many frames they hold."""
    counts = {}
    for path in sorted(folder.rglob("*.mp4")):
        with open_stream(path, mode="video") as stream:
            counts[path.name] = sum(1 for _ in stream)
            if stream.ended_early is not None:
                return [f"{path.name}: {stream.ended_early}"]
    print(f"videos: {', '.join(f'{name} {count}' for name, count in counts.items())}")
    return [] if counts else ["no video was written"]


if __name__ == "__main__":
    sys.exit(main())
