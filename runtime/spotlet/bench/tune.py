"""Tunes a model file on real frames: opens the candidates, times them, compares their results."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from spotlet.bench.frames import Frames
from spotlet.bench.trials import (
    ROUNDS,
    Candidate,
    Judge,
    OpenTimer,
    Timer,
    Tuning,
    candidates_for,
    tune,
)
from spotlet.check.records import record_frame
from spotlet.check.replay import compare
from spotlet.cores import usable_cores
from spotlet.detector import Detector
from spotlet.errors import SourceError
from spotlet.letterbox import ImageArray
from spotlet.model.package import INT8_VARIANTS, VARIANTS
from spotlet.model.profile import MODES
from spotlet.model.providers import CPU_PROVIDER, usable_providers
from spotlet.pipeline import Workers, map_in_order, plan_workers

TUNING_FRAMES = 8
"""Frames of the source that are timed and compared."""

BATCHES = (2, 4)


def tune_model(
    path: Path,
    frames: Frames,
    seconds: float,
    *,
    allow_reduced: bool = False,
    rounds: int = ROUNDS,
) -> dict[str, Tuning]:
    """Returns the best settings for a model file, by mode of a device profile.

    Args:
        path: of the model file.
        frames: of the source; the first `TUNING_FRAMES` are used.
        seconds: for each candidate and mode.
        allow_reduced: whether a profile may choose reduced precision.
        rounds: over which the seconds are spread.

    Raises:
        ModelFileError: the model cannot be used.
        SourceError: the source cannot be read, or has no frame.
    """
    held = list(itertools.islice(frames(), TUNING_FRAMES))
    if not held:
        raise SourceError("the source has no frames")
    default = Detector(path)
    variant = default.manifest.parity.get("variant")
    is_int8 = variant in INT8_VARIANTS or path.name in [VARIANTS[name] for name in INT8_VARIANTS]
    int8 = path.with_name(VARIANTS["int8"])
    judge = cache(judge_against(default, path, held))
    tunings = {}
    for mode in MODES:
        live = mode == "live"
        candidates = candidates_for(
            cores=usable_cores(),
            providers=[name for name in usable_providers() if name != CPU_PROVIDER],
            one_at_a_time=live,
            int8=int8 if path.name == VARIANTS["fp32"] and int8.is_file() else None,
            is_int8=is_int8,
            allow_reduced=allow_reduced,
            batches=BATCHES if live else (),
        )
        open_timer = _timers(path, held, seconds / rounds, live=live)
        tunings[mode] = tune(candidates, open_timer, judge, rounds)
    return tunings


def judge_against(default: Detector, path: Path, frames: Sequence[ImageArray]) -> Judge:
    """Returns a judge that compares a candidate's results with the default's on some frames.

    Args:
        default: with the default settings.
        path: of the model file.
        frames: (H, W, 3) uint8 BGR each.
    """
    recorded = [record_frame(default, frame, default.outputs(frame)) for frame in frames]

    def judge(candidate: Candidate) -> str | None:
        if candidate.tolerance is None:
            return None
        detector = Detector(path, session=candidate.settings)
        for number, (wanted, frame) in enumerate(zip(recorded, frames, strict=True)):
            result = compare(str(number), wanted, detector, frame, candidate.tolerance)
            if not result.passed:
                return f"not the default's results: {', '.join(result.faults)}"
        return None

    return judge


def _timers(path: Path, held: Sequence[ImageArray], seconds: float, *, live: bool) -> OpenTimer:
    def open_timer(candidate: Candidate) -> Timer:
        settings, workers = candidate.settings, Workers()
        if not live and settings.provider == "CPU":
            workers = plan_workers(settings.threads, sources=1, live=False)
            settings = replace(settings, threads=workers.threads)
        detector = Detector(candidate.path or path, session=settings)
        images = itertools.cycle(held)
        batches = iter(lambda: list(itertools.islice(images, candidate.batch)), [])

        def work(count: int) -> float:
            """Returns the seconds per frame over `count` batches."""
            started = time.perf_counter()
            for _ in map_in_order(itertools.islice(batches, count), detector.detect, workers):
                pass
            return (time.perf_counter() - started) / count / candidate.batch

        work(2 * workers.ahead)
        estimate = work(2 * workers.ahead) * candidate.batch
        count = max(round(seconds / estimate), 2 * workers.ahead)
        return lambda: work(count)

    return open_timer
