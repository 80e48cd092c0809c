"""Measures how close `spotlet run` comes to the machine's limit, in one run.

    python -m benchmarks.throughput [MODEL[:VARIANT] ...] [--frames 300] [--rounds 5] [--threads N]

In each round, one after the other: a bare onnxruntime session with one thread, with all cores, and
one such session called from a thread a core; decoding alone; one `cv2.resize` and border alone;
`spotlet run CLIP --ndjson FILE`, the program itself; and the frames in memory, through the same
pipeline. The program runs twice; the difference between the long and the short run, by its own
summary, is the time of the frames between, without start-up. Medians over the rounds; ratios
are medians of the rounds' ratios.

The limit is cores / (CPU seconds a frame of the session with one thread, its cheapest way, of
decoding and of resizing): no program that runs this session on every frame can be faster. A model
is as for `spotlet run`.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from spotlet import Detector

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort
from benchmarks.clip import demo_frames, write_clip

from spotlet.cores import usable_cores
from spotlet.letterbox import Letterbox
from spotlet.model import locate_model
from spotlet.pipeline import map_in_order, plan_workers
from spotlet.session import SessionSettings
from spotlet.text.terminal import table

MODELS = ("garments", "cards", "cards:int8", "pcb", "pcb:int8")
SHORT_RUN = 50
"""Frames of the short run, which is subtracted."""

IN_MEMORY = 50
"""Distinct frames: 138 MB, more than any cache holds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a frame.

    Attributes:
        wall: milliseconds.
        cpu: milliseconds of all threads together.
    """

    wall: float
    cpu: float


def cost(work: Callable[[], object], frames: int) -> Cost:
    """Returns the cost of a frame of `work`, which processes `frames`."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall / frames * 1e3, cpu / frames * 1e3)


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Returns a bare onnxruntime session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Measurement:
    """One model on one clip: each call of `round` measures everything once."""

    def __init__(self, model: str, clip: Path, frames: int, threads: int) -> None:
        name, _, variant = model.partition(":")
        self.words = [name, *(["--variant", variant] if variant else [])]
        self.clip, self.frames, self.cores = clip, frames, threads or usable_cores()
        path = locate_model(name, variant or None)
        self.workers = plan_workers(self.cores, sources=1, live=False)
        self.detector = Detector(path, session=SessionSettings(threads=self.workers.threads))
        self.size_hw = self.detector.manifest.input.size_hw
        self.feeds = {
            self.detector.manifest.input.name: np.random.default_rng(0).integers(
                0, 256, (1, *self.size_hw, 3), np.uint8
            )
        }
        self.single, self.multiple = open_session(path, 1), open_session(path, self.cores)
        self.images = demo_frames(IN_MEMORY)

    def round(self) -> dict[str, float]:
        """Returns milliseconds a frame and frames a second of everything."""
        one = cost(lambda: self._call(self.single, self.frames), self.frames)
        many = cost(lambda: self._call(self.multiple, self.frames), self.frames)
        side_by_side = cost(self._call_side_by_side, self.frames)
        decoding = cost(self._decode, SHORT_RUN + self.frames)
        resizing = cost(self._resize, self.frames)
        memory = cost(self._detect_in_memory, self.frames)
        rate = self._run_program()
        limit = self.cores * 1e3 / (one.cpu + decoding.cpu + resizing.cpu)
        return {
            "session_cpu_ms": one.cpu,
            "session_all_cores_cpu_ms": many.cpu,
            "session_all_cores_ms": many.wall,
            "session_a_core_ms": side_by_side.wall,
            "decode_cpu_ms": decoding.cpu,
            "resize_cpu_ms": resizing.cpu,
            "limit_fps": limit,
            "run_fps": rate,
            "run_over_limit": rate / limit,
            "memory_fps": 1e3 / memory.wall,
            "memory_over_session": many.wall / memory.wall,
            "memory_over_session_a_core": side_by_side.wall / memory.wall,
        }

    def _call(self, session: ort.InferenceSession, frames: int) -> None:
        for _ in range(frames):
            session.run(None, self.feeds)

    def _call_side_by_side(self) -> None:
        share = self.frames // self.cores
        threads = [
            threading.Thread(target=self._call, args=(self.single, share))
            for _ in range(self.cores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _decode(self) -> None:
        capture = cv2.VideoCapture(str(self.clip))
        while capture.read()[0]:
            pass
        capture.release()

    def _resize(self) -> None:
        letterbox = Letterbox((720, 1280), self.size_hw)
        (height, width), (left, top) = letterbox.resized_hw, letterbox.offset_xy
        below, right = self.size_hw[0] - top - height, self.size_hw[1] - left - width
        for _ in range(self.frames):
            small = cv2.resize(self.images[0], (width, height))
            cv2.copyMakeBorder(
                small, top, below, left, right, cv2.BORDER_CONSTANT, value=(114, 114, 114)
            )

    def _detect_in_memory(self) -> None:
        frames = islice(cycle(self.images), self.frames)
        for _ in map_in_order(frames, self.detector, self.workers):
            pass

    def _run_program(self) -> float:
        """Returns frames a second of the program, without start-up."""
        seconds = {count: self._seconds_of(count) for count in (SHORT_RUN, SHORT_RUN + self.frames)}
        short, long = seconds.values()
        return self.frames / (long - short)

    def _seconds_of(self, count: int) -> float:
        """Returns the program's own time from its first frame on, for `count` frames."""
        name, *variant = self.words
        with tempfile.TemporaryDirectory() as folder:
            out = str(Path(folder) / "out.ndjson")
            options = ["--ndjson", out, "--threads", str(self.cores), "--max-frames", str(count)]
            done = subprocess.run(
                [sys.executable, "-m", "spotlet", "run", name, self.clip, *variant, *options],
                check=True,
                capture_output=True,
                text=True,
            )
        summary = re.search(r"(\d+) frames in .*, ([\d.]+) frames/s", done.stdout)
        assert summary is not None
        assert int(summary[1]) == count
        return count / float(summary[2])


def main() -> None:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--frames", type=int, default=300, help="of the clip [%(default)s]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="cores; 0 is all")
    args = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", SHORT_RUN + args.frames)
        for model in args.models:
            measurement = Measurement(model, clip, args.frames, args.threads)
            measurement.round()  # warm-up
            rounds = [measurement.round() for _ in range(args.rounds)]
            result[model] = {
                name: round(statistics.median(each[name] for each in rounds), 3)
                for name in rounds[0]
            }
    names = list(next(iter(result.values())))
    rows = [(name, *(f"{seen[name]:.3f}" for seen in result.values())) for name in names]
    print(table(rows, header=("median", *result)))
    versions = {name: version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless")}
    about = {"python": platform.python_version(), "machine": platform.machine(), **versions}
    print(json.dumps(about | {"cores": args.threads or usable_cores(), "models": result}))


if __name__ == "__main__":
    main()
