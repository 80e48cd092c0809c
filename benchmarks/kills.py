"""Checks what kill -9 leaves: a program that writes live results is killed at random moments.

    python benchmarks/kills.py [--kills 20] [--seed 0] [--folder DIR] [--busy]

A program writes rotating NDJSON, an annotated video and snapshots at 25 frames a second, is
killed, and is restarted next to the files that it left, like a service. After each kill everything
is read back. Exit code 1 if a line was lost, a file cannot be read, or a video ends over a second
before the last line. `--busy` writes at full speed, so that each kill hits something half
written; the frames' times are then synthetic.
"""

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spotlet.detections import Detections
from spotlet.errors import SpotletError
from spotlet.letterbox import ImageArray
from spotlet.sinks import NdjsonSink, QueuedSink, QueueRule, RecordingSink, SnapshotSink
from spotlet.streams import Frame, open_stream
from spotlet.text.terminal import table

FPS = 25.0
ROTATE_BYTES = 10_000
KEPT_FILES = 1000
MOST_SECONDS_BEHIND = 1.0
LINE_SECONDS = 120.0
NUMBER_BITS, CELL_PIXELS = 12, 40  # a frame's number is drawn into it, a square for each bit
SIZE_HW = (360, NUMBER_BITS * CELL_PIXELS)


@dataclass(frozen=True)
class Outcome:
    """The state after one kill.

    Attributes:
        ran_seconds: from the first line to the kill.
        lines: number of this run's lines.
        files: number of files that hold the lines of all runs.
        torn_bytes: bytes after the last whole line.
        pictures: readable pictures in this run's video.
        behind_seconds: from its last picture's frame to the last line's.
        before_kill_seconds: from that frame's capture to the kill.
        snapshots: number of this run's snapshots.
        fault: description of what is wrong; empty if nothing is.
    """

    ran_seconds: float
    lines: int
    files: int
    torn_bytes: int
    pictures: int
    behind_seconds: float
    before_kill_seconds: float
    snapshots: int
    fault: str


def main() -> int:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds of video before a kill")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one by default")
    parser.add_argument("--busy", action="store_true", help="write without a pause")
    parser.add_argument("--write", type=int, metavar="RUN", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write is not None:
        write_for_ever(args.folder, args.write, busy=args.busy)
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        outcomes = [
            kill_once(folder, run, chance.uniform(0.1, args.longest), busy=args.busy)
            for run in range(args.kills)
        ]
    header = ("kill", "after s", "lines", "files", "torn B", "pictures", "behind s", "to kill s")
    rows = [
        (
            number,
            f"{each.ran_seconds:.2f}",
            each.lines,
            each.files,
            each.torn_bytes,
            each.pictures,
            f"{each.behind_seconds:.2f}",
            f"{each.before_kill_seconds:.2f}",
            each.snapshots,
            each.fault or "none",
        )
        for number, each in enumerate(outcomes, 1)
    ]
    print(table(rows, (*header, "snapshots", "fault")))
    print(json.dumps([asdict(each) for each in outcomes]))
    return int(any(each.fault for each in outcomes))


def kill_once(folder: Path, run: int, seconds: float, *, busy: bool) -> Outcome:
    """Starts the program, kills it, and reads back its files."""
    before = set(folder.glob("out*.mp4"))
    command = [sys.executable, __file__, "--folder", str(folder), "--write", str(run)]
    command += ["--busy"] if busy else []
    environment = os.environ | {
        "TMPDIR": str(folder)
    }  # so that a killed encoder's files are removed with it
    with subprocess.Popen(command, env=environment) as process:
        try:
            _wait_for_line(folder, run, 0, process)
            first_line = time.time()
            _wait_for_line(folder, run, int(seconds * FPS), process)
            time.sleep(seconds % (1 / FPS))
        finally:
            process.kill()
    return _read_back(folder, run, first_line, time.time(), before)


def write_for_ever(folder: Path, run: int, *, busy: bool) -> None:
    """Writes frames in real time, until it is killed."""
    lines = NdjsonSink(folder / "found.ndjson", rotate_bytes=ROTATE_BYTES, keep=KEPT_FILES)
    rule: QueueRule = "block" if busy else "drop"
    video = QueuedSink(RecordingSink(folder / "out.mp4", FPS), rule=rule)
    snapshots = QueuedSink(SnapshotSink(folder / "snapshots", quiet_seconds=0.1), rule=rule)
    start, start_at = time.monotonic(), time.time()
    for index in range(2**NUMBER_BITS):
        due = start + index / FPS
        if not busy:
            time.sleep(max(due - time.monotonic(), 0))
        frame = Frame(
            image=_numbered(index),
            source=f"camera {run}",
            index=index,
            pts_seconds=None,
            captured_at=start_at + index / FPS,
            captured_monotonic=due,
        )
        seen = 1 if index % 5 == 0 else 0
        found = Detections(
            np.array([[200, 200, 260, 300]] * seen, np.float32).reshape(-1, 4),
            np.full(seen, 0.9, np.float32),
            np.zeros(seen, np.int64),
            ("bolt",),
        )
        for sink in (lines, video, snapshots):
            sink.write(frame, found)


def _wait_for_line(folder: Path, run: int, frame: int, process: subprocess.Popen[bytes]) -> None:
    line = re.compile(rf'"source":"camera {run}","frame":(\d+)')
    deadline = time.monotonic() + LINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # it is being rotated
            numbers = line.findall((folder / "found.ndjson").read_text("utf-8"))
            if numbers and int(numbers[-1]) >= frame:
                return
        time.sleep(0.005)
    raise SystemExit(f"the program wrote no line for frame {frame} within {LINE_SECONDS:g} s")


def _read_back(
    folder: Path, run: int, first_line: float, killed: float, before: set[Path]
) -> Outcome:
    current = folder / "found.ndjson"
    older = sorted(folder.glob("found.ndjson.*"), key=lambda path: -int(path.suffix[1:]))
    files = [*older, *([current] if current.exists() else [])]
    *whole, torn = b"".join(path.read_bytes() for path in files).split(b"\n")
    faults: list[str] = []
    records: list[dict[str, Any]] = []
    try:
        records = [json.loads(line) for line in whole]
    except ValueError:
        faults.append("a line is not valid JSON")
    for each in range(run + 1):
        numbers = [record["frame"] for record in records if record["source"] == f"camera {each}"]
        if numbers != list(range(len(numbers))) or not numbers:
            faults.append(f"lines of run {each} are missing")
    captured = [r["captured_at"] for r in records if r["source"] == f"camera {run}"]
    numbers = []
    for video in folder.glob("out*.mp4"):
        pictures = _numbers_in(video)
        if pictures is None or pictures != sorted(pictures):
            faults.append(f"{video.name} is damaged")
        elif video not in before:
            numbers = pictures
    last = numbers[-1] if numbers else 0
    seen = captured[min(last, len(captured) - 1)] if captured else 0.0
    behind = captured[-1] - seen if captured else float("inf")
    if behind > MOST_SECONDS_BEHIND:
        faults.append(f"the video ends {behind:.2f} s before the last line")
    snapshots = [each for each in (folder / "snapshots").glob("*.jpg") if each.name[0] != "."]
    if any(cv2.imread(str(path)) is None for path in snapshots):
        faults.append("a snapshot is damaged")
    return Outcome(
        ran_seconds=round(killed - first_line, 3),
        lines=len(captured),
        files=len(files),
        torn_bytes=len(torn),
        pictures=len(numbers),
        behind_seconds=round(behind, 3),
        before_kill_seconds=round(killed - seen, 3),
        snapshots=sum(f"-camera_{run}-" in path.name for path in snapshots),
        fault="; ".join(faults),
    )


def _numbers_in(video: Path) -> list[int] | None:
    """Returns the numbers drawn into the pictures of a video; None if it cannot be read whole."""
    if video.stat().st_size == 0:  # killed before the first picture was encoded
        return []
    try:
        with open_stream(video) as stream:
            numbers = [_number_in(frame.image) for frame in stream]
    except SpotletError:
        return None
    return numbers if stream.ended_early is None else None


def _numbered(number: int) -> ImageArray:
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    image[100:, :, 1] = np.arange(SIZE_HW[1]) // 2 + number % 50  # something to encode
    for bit in range(NUMBER_BITS):
        column = bit * CELL_PIXELS
        image[:CELL_PIXELS, column : column + CELL_PIXELS] = 255 * (number >> bit & 1)
    return image


def _number_in(image: ImageArray) -> int:
    middle = image[CELL_PIXELS // 2, CELL_PIXELS // 2 :: CELL_PIXELS, 0]
    return sum(1 << bit for bit, level in enumerate(middle[:NUMBER_BITS]) if level > 127)


if __name__ == "__main__":
    sys.exit(main())
