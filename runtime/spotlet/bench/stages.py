"""What a detector costs on this machine, stage by stage, beside the bare session.

Everything is measured for a given time, the things to be compared in turn, so that what else the
machine does falls on all of them.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.bench.frames import Frames, SourceFrames, endless
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.pipeline import Workers, map_in_order
from spotlet.postprocess import detections_from_outputs
from spotlet.session import SessionSettings

STAGES = ("decode", "letterbox", "session", "postprocess", "whole")
"""In the order in which a frame goes through them; the whole is measured by itself."""

PERCENTILES = (50, 95, 99)

ROUNDS = 9
"""How often the detector and the bare session take turns."""

CAMERA_SECONDS = 1 / 30
"""Between two frames of a camera."""

WARM_UP = 5
"""Frames before anything is measured."""

HELD_FRAMES = 8
"""Decoded frames that are kept for what is measured without decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """Milliseconds of one stage, over all frames that were measured.

    Attributes:
        frames: how many.
        p50: the median.
        p95: what 95 of 100 frames stay under.
        p99: what 99 of 100 frames stay under.
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
    """What was measured.

    Attributes:
        size_hw: of the frames, pixels.
        stages: by name, those of `STAGES` that there were: frames that were generated are not
            decoded.
        rate: frames a second, one at a time, decoding included.
        bare_rate: calls a second of the bare session, on a canvas that is ready.
        ratio: median of each round's rate over its bare rate.
        crew_rate: frames a second with all cores on frames of their own.
        cpu_seconds: of a frame, over all threads of the process, one frame at a time.
        idle_cpu: CPU seconds a second that burn while nothing is to do between a camera's frames.
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
    crew: Workers,
    seconds: float,
    *,
    crew_settings: SessionSettings | None = None,
) -> Benchmark:
    """Returns what a detector costs.

    Args:
        detector: as it is to run.
        frames: of the source.
        crew: how `spotlet run` shares out the cores for a file.
        seconds: for each of the four things measured.
        crew_settings: of its sessions, but for their threads; None takes the detector's.

    Raises:
        SourceError: the source cannot be read.
        UsageError: there is no time to measure in.
    """
    if not 0 < seconds < float("inf"):
        raise UsageError(f"seconds {seconds:g}: must be over 0")
    stages = {name: list[float]() for name in STAGES}
    with contextlib.closing(endless(frames)) as images:
        held = list(itertools.islice(images, HELD_FRAMES))
        for image in held[:WARM_UP]:
            detector(image)
        rates, bare_rates, cpu_seconds = _take_turns(detector, images, stages, seconds)
        _time_stages(detector, images, stages, seconds)
    rate = float(np.median(rates))
    if not isinstance(frames, SourceFrames):
        del stages["decode"]
    return Benchmark(
        size_hw=(held[0].shape[0], held[0].shape[1]),
        stages={name: StageTimes.of(times) for name, times in stages.items()},
        rate=rate,
        bare_rate=float(np.median(bare_rates)),
        ratio=float(np.median(np.divide(rates, bare_rates))),
        crew_rate=_crew_rate(
            Detector(
                detector.session.path,
                session=replace(crew_settings or detector.session.settings, threads=crew.threads),
            ),
            frames,
            crew,
            max(round(rate * seconds), 2 * crew.ahead),
        ),
        cpu_seconds=cpu_seconds,
        idle_cpu=_idle_cpu(detector, held, seconds),
    )


def _take_turns(
    detector: Detector,
    images: Iterator[ImageArray],
    stages: dict[str, list[float]],
    seconds: float,
) -> tuple[list[float], list[float], float]:
    """Returns rates and bare rates by round, and the CPU seconds of a frame."""
    canvas = np.zeros((1, *detector.manifest.input.size_hw, 3), np.uint8)
    share = seconds / ROUNDS / 2
    rates, bare_rates, burnt, count = [], [], 0.0, 0

    def whole() -> None:
        started = time.perf_counter()
        image = next(images)
        decoded = time.perf_counter()
        detector(image)
        stages["whole"].append(time.perf_counter() - started)
        stages["decode"].append(decoded - started)

    for _ in range(ROUNDS):
        before, frames_before = time.process_time(), len(stages["whole"])
        rates.append(_rate(whole, share))
        burnt += time.process_time() - before
        count += len(stages["whole"]) - frames_before
        bare_rates.append(_rate(lambda: detector.session.run(canvas), share))
    return rates, bare_rates, burnt / count


def _rate(call: Callable[[], object], seconds: float) -> float:
    """Returns how often a second something can be done; it is done at least twice."""
    started = time.perf_counter()
    count = 0
    while count < 2 or time.perf_counter() - started < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - started)


def _time_stages(
    detector: Detector,
    images: Iterator[ImageArray],
    stages: dict[str, list[float]],
    seconds: float,
) -> None:
    canvases = np.empty((1, *detector.manifest.input.size_hw, 3), np.uint8)

    def one_frame() -> None:
        image = next(images)
        times = [time.perf_counter()]
        letterbox = detector.letterbox(image)
        letterbox.apply(image, out=canvases[0])
        times.append(time.perf_counter())
        boxes, scores = detector.session.run(canvases)
        times.append(time.perf_counter())
        detections_from_outputs(boxes[0], scores[0], letterbox, detector.class_names, detector.rule)
        times.append(time.perf_counter())
        for name, (start, end) in zip(STAGES[1:4], itertools.pairwise(times), strict=True):
            stages[name].append(end - start)

    _rate(one_frame, seconds)


def _crew_rate(mate: Detector, frames: Frames, crew: Workers, count: int) -> float:
    """Returns frames a second as `spotlet run` takes them from a file, without its outputs."""
    with contextlib.closing(endless(frames)) as images:
        mate(next(images))
        started = time.perf_counter()
        for _ in map_in_order(itertools.islice(images, count), mate, crew):
            pass
        return count / (time.perf_counter() - started)


def _idle_cpu(detector: Detector, held: Sequence[ImageArray], seconds: float) -> float:
    """Returns what burns in the pauses, after the work on each frame, CPU seconds a second."""
    burnt = slept = 0.0
    until = time.perf_counter() + seconds
    for image in itertools.cycle(held):
        due = time.perf_counter() + CAMERA_SECONDS
        detector(image)
        before, started = time.process_time(), time.perf_counter()
        time.sleep(max(due - started, CAMERA_SECONDS / 4))
        burnt += time.process_time() - before
        slept += time.perf_counter() - started
        if time.perf_counter() > until:
            break
    return burnt / slept
