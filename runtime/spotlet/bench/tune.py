"""Tuning a model file on real frames: opens the candidates, times them, judges their results."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnxruntime as ort

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
from spotlet.detector import Detector
from spotlet.errors import SourceError
from spotlet.letterbox import ImageArray
from spotlet.model.device import DeviceKey, device_key
from spotlet.model.package import INT8_VARIANTS, VARIANTS
from spotlet.model.plugins import installed_plugins
from spotlet.model.profile import MODES, DeviceProfile
from spotlet.model.providers import PROVIDER_ENDING, usable_providers
from spotlet.pipeline import Crew, map_in_order, plan_crew, usable_cores

TUNING_FRAMES = 8
"""Frames of the source that are timed and judged."""

BATCHES = (2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTuning:
    """What was found of a model.

    Attributes:
        key: of model and machine.
        modes: by mode of a device profile.
        profile: to be written; None where nothing is better than the default.
    """

    key: DeviceKey
    modes: Mapping[str, Tuning]
    profile: DeviceProfile | None


def tune_model(
    path: Path,
    frames: Frames,
    seconds: float,
    *,
    allow_reduced: bool = False,
    rounds: int = ROUNDS,
) -> ModelTuning:
    """Returns the best settings for a model file, for each mode.

    Args:
        path: of the model file.
        frames: of the source; the first few are used.
        seconds: for each candidate and mode.
        allow_reduced: whether a profile may choose what computes in reduced precision.
        rounds: over which the seconds are spread.

    Raises:
        ModelFileError: the model cannot be used.
        SourceError: the source cannot be read.
    """
    held = list(itertools.islice(frames(), TUNING_FRAMES))
    if not held:
        raise SourceError("the source gave no frame")
    default = Detector(path)
    parity = default.manifest.parity.get("variant")
    is_int8 = parity in INT8_VARIANTS or path.name in [VARIANTS[name] for name in INT8_VARIANTS]
    int8 = path.with_name(VARIANTS["int8"])
    plugins = installed_plugins()
    providers = usable_providers(ort.get_available_providers(), list(plugins))
    judge = _remembering(judge_against(default, path, held))
    modes = {}
    for mode in MODES:
        live = mode == "live"
        candidates = candidates_for(
            cores=usable_cores(),
            providers=providers,
            one_at_a_time=live,
            int8=int8 if path.name == VARIANTS["fp32"] and int8.is_file() else None,
            is_int8=is_int8,
            allow_reduced=allow_reduced,
            batches=BATCHES if live else (),
        )
        modes[mode] = tune(candidates, _timers(path, held, seconds / rounds, mode), judge, rounds)
    chosen = {mode: tuning.best for mode, tuning in modes.items()}
    key = device_key(path)
    profile = DeviceProfile(
        key=key,
        settings=chosen,
        packages=tuple(
            plugin.package
            for name, plugin in plugins.items()
            if name.removesuffix(PROVIDER_ENDING) in {each.provider for each in chosen.values()}
        ),
    )
    better = any(tuning.gain > 0 for tuning in modes.values())
    return ModelTuning(key=key, modes=modes, profile=profile if better else None)


def judge_against(default: Detector, path: Path, frames: Sequence[ImageArray]) -> Judge:
    """Returns a judge that holds a candidate's results against the default's, on some frames.

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


def _remembering(judge: Judge) -> Judge:
    """Returns a judge that looks at the same settings once."""
    known: dict[Candidate, str | None] = {}

    def judge_once(candidate: Candidate) -> str | None:
        if candidate not in known:
            known[candidate] = judge(candidate)
        return known[candidate]

    return judge_once


def _timers(path: Path, held: Sequence[ImageArray], seconds: float, mode: str) -> OpenTimer:
    def open_timer(candidate: Candidate) -> Timer:
        settings = candidate.settings
        crew = Crew()
        if mode == "video" and settings.provider == "CPU":
            crew = plan_crew(settings.threads, sources=1, live=False)
            settings = replace(settings, threads=crew.threads)
        detector = Detector(candidate.path or path, session=settings)
        endless = itertools.cycle(held)
        batches = iter(lambda: list(itertools.islice(endless, candidate.batch)), [])

        def work(count: int) -> float:
            """Returns the seconds a frame of so many batches."""
            started = time.perf_counter()
            for _ in map_in_order(itertools.islice(batches, count), detector.detect, crew):
                pass
            return (time.perf_counter() - started) / count / candidate.batch

        work(2 * crew.ahead)
        estimate = work(2 * crew.ahead) * candidate.batch
        count = max(round(seconds / estimate), 2 * crew.ahead)
        return lambda: work(count)

    return open_timer
