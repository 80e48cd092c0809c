"""The cost of a detector on this machine, stage by stage, compared with the bare session."""

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.bench.frames import Frames, endless, generated_frames
from spotlet.bench.turns import take_turns
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.pipeline import Workers, map_in_order
from spotlet.postprocess import detections_from_outputs

STAGES = ("decode", "letterbox", "session", "postprocess", "whole")
"""The stages in a frame's order; `whole` is measured separately."""

PERCENTILES = (50, 95, 99)

ROUNDS = 9
"""Rounds in which the detector and the bare session take turns."""

CAMERA_SECONDS = 1 / 30
"""The time between two frames of a camera."""

WARM_UP = 5
"""Frames before the first measurement."""

HELD_FRAMES = 8
"""Decoded frames that are kept for measurements without decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """Milliseconds of one stage: percentiles over the measured frames.

    Attributes:
        frames: how many were measured.
        p50: the median.
        p95: 95 of 100 frames take less.
        p99: 99 of 100 frames take less.
    """

    frames: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "StageTimes":
        """Returns the percentiles of measured seconds, at least one."""
        p50, p95, p99 = (float(each) * 1000 for each in np.percentile(seconds, PERCENTILES))
        return cls(frames=len(seconds), p50=p50, p95=p95, p99=p99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The cost of a detector.

    Attributes:
        size_hw: of the frames, pixels.
        stages: by name, those of `STAGES`; generated frames have no `decode`.
        rate: frames a second, one at a time, decoding included.
        bare_rate: calls a second of the bare session, on a ready canvas.
        ratio: median over the rounds of `rate` over `bare_rate`.
        crew_rate: frames a second while each core has its own frame.
        cpu_seconds: of one frame, over all threads of the process, one frame at a time.
        idle_cpu: CPU seconds a second used while waiting for a camera's next frame.
    """

    size_hw: tuple[int, int]
    stages: dict[str, StageTimes]
    rate: float
    bare_rate: float
    ratio: float
    crew_rate: float
    cpu_seconds: float
    idle_cpu: float


def measure(
    detector: Detector,
    frames: Frames,
    workers: Workers,
    seconds: float,
) -> Benchmark:
    """Returns the cost of a detector.

    Args:
        detector: with the settings to measure.
        frames: of the source, or `generated_frames`, which are not decoded.
        workers: how `spotlet run` shares out the cores for a file.
        seconds: for each of the four measurements.

    Raises:
        SourceError: the source cannot be read.
        UsageError: `seconds` is 0, negative or not finite.
    """
    if not 0 < seconds < float("inf"):
        raise UsageError(f"seconds {seconds:g}: must be over 0")
    stages = {name: list[float]() for name in STAGES}
    canvas = np.zeros((1, *detector.manifest.input.size_hw, 3), np.uint8)
    share = seconds / ROUNDS / 2
    cpu_seconds = 0.0

    def whole() -> None:
        started = time.perf_counter()
        image = next(images)
        decoded = time.perf_counter()
        detector(image)
        stages["whole"].append(time.perf_counter() - started)
        stages["decode"].append(decoded - started)

    def whole_rate() -> float:
        nonlocal cpu_seconds
        before = time.process_time()
        rate = _rate(whole, share)
        cpu_seconds += time.process_time() - before
        return rate

    def bare_rate() -> float:
        return _rate(lambda: detector.session.run(canvas), share)

    with contextlib.closing(endless(frames)) as images:
        held = list(itertools.islice(images, HELD_FRAMES))
        for image in held[:WARM_UP]:
            detector(image)
        rates = take_turns({"whole": whole_rate, "bare": bare_rate}, ROUNDS)
        _rate(lambda: _time_stages(detector, next(images), canvas, stages), seconds)
    rate = float(np.median(rates["whole"]))
    cpu_seconds /= len(stages["whole"])
    if frames is generated_frames:
        del stages["decode"]
    settings = replace(detector.session.settings, threads=workers.threads)
    return Benchmark(
        size_hw=(held[0].shape[0], held[0].shape[1]),
        stages={name: StageTimes.of(times) for name, times in stages.items()},
        rate=rate,
        bare_rate=float(np.median(rates["bare"])),
        ratio=float(np.median(np.divide(rates["whole"], rates["bare"]))),
        crew_rate=_workers_rate(
            Detector(detector.session.path, tiles=detector.tiles, session=settings),
            frames,
            workers,
            max(round(rate * seconds), 2 * workers.ahead),
        ),
        cpu_seconds=cpu_seconds,
        idle_cpu=_idle_cpu(detector, held, seconds),
    )


def _rate(call: Callable[[], object], seconds: float) -> float:
    """Returns calls a second, over at least two calls."""
    started = time.perf_counter()
    count = 0
    while count < 2 or time.perf_counter() - started < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - started)


def _time_stages(
    detector: Detector, image: ImageArray, canvas: ImageArray, stages: dict[str, list[float]]
) -> None:
    """Adds the seconds of each stage of one frame."""
    times = [time.perf_counter()]
    letterbox = detector.letterbox(image)
    letterbox.apply(image, out=canvas[0])
    times.append(time.perf_counter())
    boxes, scores = detector.session.run(canvas)
    times.append(time.perf_counter())
    detections_from_outputs(boxes[0], scores[0], letterbox, detector.class_names, detector.rule)
    times.append(time.perf_counter())
    for name, (start, end) in zip(STAGES[1:4], itertools.pairwise(times), strict=True):
        stages[name].append(end - start)


def _workers_rate(detector: Detector, frames: Frames, workers: Workers, count: int) -> float:
    """Returns frames a second as `spotlet run` reads them from a file, without its outputs."""
    with contextlib.closing(endless(frames)) as images:
        detector(next(images))
        started = time.perf_counter()
        for _ in map_in_order(itertools.islice(images, count), detector, workers):
            pass
        return count / (time.perf_counter() - started)


def _idle_cpu(detector: Detector, held: Sequence[ImageArray], seconds: float) -> float:
    """Returns the CPU used while waiting for a camera's next frame, CPU seconds a second."""
    used = slept = 0.0
    until = time.perf_counter() + seconds
    for image in itertools.cycle(held):
        due = time.perf_counter() + CAMERA_SECONDS
        detector(image)
        before, started = time.process_time(), time.perf_counter()
        time.sleep(max(due - started, CAMERA_SECONDS / 4))
        used += time.process_time() - before
        slept += time.perf_counter() - started
        if time.perf_counter() > until:
            break
    return used / slept
