"""Measures the gain of each optimisation alone, against the plain way, alternating in one run.

    python -m benchmarks.tricks [MODEL[:VARIANT]] [--rounds 9] [--calls 100] [--frames 400]

For those within a call: microseconds of each way, medians over the rounds. For those of the whole
program: frames a second of `spotlet run` on a 720p clip with each.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from benchmarks.clip import demo_frames, write_clip
from benchmarks.throughput import open_session

from spotlet import Detector
from spotlet.letterbox import Letterbox
from spotlet.model import locate_model
from spotlet.text.terminal import table

PROGRAM = "import sys; from spotlet.cli import main; sys.exit(main())"
NO_PROCESS_SETTINGS = "import spotlet.running.loop as loop; loop.prepare_process = lambda: None; "
CV_THREADS_ONLY = (
    "import cv2, spotlet.running.loop as loop; "
    "loop.prepare_process = lambda: cv2.setNumThreads(1); "
)

Way = Callable[[], object]


def ways_within(path: Path) -> dict[str, tuple[Way, Way]]:
    """Returns the optimisations within a call: the plain way and the other."""
    detector = Detector(path)
    height, width = size_hw = detector.manifest.input.size_hw
    frame = demo_frames(1)[0]
    letterbox = Letterbox((720, 1280), size_hw)
    canvas = letterbox.apply(frame)
    (inner_height, inner_width), (left, top) = letterbox.resized_hw, letterbox.offset_xy
    place = canvas[top : top + inner_height, left : left + inner_width]
    session = open_session(path, 1)
    feeds = {detector.manifest.input.name: canvas[np.newaxis]}
    names = [output.name for output in session.get_outputs()]
    binding = session.io_binding()
    binding.bind_cpu_input(detector.manifest.input.name, canvas[np.newaxis])
    for name, output in zip(names, session.run(names, feeds), strict=True):
        binding.bind_output(name, "cpu", 0, output.dtype, output.shape, output.ctypes.data)
        kept.append(output)

    def copied() -> None:
        place[:] = cv2.resize(frame, (inner_width, inner_height))

    def with_borders() -> None:
        letterbox.apply(frame, out=canvas)

    def without_borders() -> None:
        cv2.resize(frame, (inner_width, inner_height), dst=place)

    return {
        "resize straight into the canvas": (copied, without_borders),
        "borders of the canvas kept, not filled": (with_borders, without_borders),
        "canvas kept, not a new one": (
            lambda: np.empty((1, height, width, 3), np.uint8).fill(0),
            lambda: canvas.fill(0),
        ),
        "IO binding with our own outputs": (
            lambda: session.run(names, feeds),
            lambda: session.run_with_iobinding(binding),
        ),
    }


kept: list[object] = []
"""Arrays that a binding writes into: onnxruntime keeps no reference to them."""


def microseconds(way: Way, calls: int) -> float:
    """Returns the mean microseconds of a call."""
    started = time.perf_counter()
    for _ in range(calls):
        way()
    return (time.perf_counter() - started) / calls * 1e6


def frames_per_second(program: str, environment: dict[str, str], words: list[str]) -> float:
    """Returns the rate that `spotlet run` reports."""
    done = subprocess.run(
        [sys.executable, "-c", program, "run", *words],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    summary = re.search(r"([\d.]+) frames/s", done.stdout)
    assert summary is not None
    return float(summary[1])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="cards:int8")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--frames", type=int, default=400)
    args = parser.parse_args()
    name, _, variant = args.model.partition(":")
    within = ways_within(locate_model(name, variant or None))
    times: dict[str, list[tuple[float, float]]] = {trick: [] for trick in within}
    for _ in range(args.rounds):
        for trick, (plain, other) in within.items():
            times[trick].append((microseconds(plain, args.calls), microseconds(other, args.calls)))
    rows = [
        (trick, *(f"{statistics.median(way):.1f}" for way in zip(*pairs, strict=True)))
        for trick, pairs in times.items()
    ]
    print(table(rows, header=("microseconds", "plain", "optimised")))
    programs: dict[str, tuple[str, dict[str, str]]] = {
        "unchanged": (PROGRAM, {}),
        "memory given back to the system": (CV_THREADS_ONLY + PROGRAM, {}),
        "that, and OpenCV's own threads": (NO_PROCESS_SETTINGS + PROGRAM, {}),
        "decoding on one thread": (PROGRAM, {"OPENCV_FFMPEG_THREADS": "1"}),
    }
    rates: dict[str, list[float]] = {way: [] for way in programs}
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", args.frames)
        words = [name, str(clip), "--ndjson", str(Path(folder) / "out.ndjson")]
        words += ["--variant", variant] if variant else []
        for _ in range(args.rounds):
            for way, (program, environment) in programs.items():
                rates[way].append(frames_per_second(program, environment, words))
    base = rates["unchanged"]
    print()
    ratios = {
        way: statistics.median(b / a for a, b in zip(base, each, strict=True))
        for way, each in rates.items()
    }
    rows = [
        (way, f"{statistics.median(each):.0f}", f"{ratios[way]:.2f}") for way, each in rates.items()
    ]
    print(table(rows, header=("spotlet run", "frames/s", "ratio")))


if __name__ == "__main__":
    main()
