"""Finds the session settings that run a model fastest on this machine without changing results.

Candidates take turns with the default, round by round, and each round's ratio counts. The best one
then meets the default alone, in further rounds, because the best of many measurements is also the
luckiest. A candidate whose results differ from the default's, by the tolerances of `spotlet check`,
is refused.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spotlet.bench.turns import take_turns
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, GoldenTolerance
from spotlet.errors import SpotletError
from spotlet.model.opening import OPTIMISATIONS
from spotlet.model.providers import short_provider_name
from spotlet.session import SessionSettings

LEAST_GAIN = 0.03
"""A smaller gain keeps the default: it would go unnoticed, and defaults are tested most."""

ROUNDS = 9

DEFAULT = "default"
CONTROL = "default again"
"""Measured like a candidate: its apparent gain is the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Settings to try.

    Attributes:
        name: as shown.
        settings: of the session.
        path: of another model file; None for the tuned one.
        batch: frames that go through the network at once.
        tolerance: how far its results may differ from the default's; None if they are not compared.
        ask: how to request it, if no profile may choose it; else None.
    """

    name: str
    settings: SessionSettings
    path: Path | None = None
    batch: int = 1
    tolerance: GoldenTolerance | None = FP32_TOLERANCE
    ask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A candidate's result.

    Attributes:
        candidate: what was tried.
        milliseconds: per frame; None if it could not run.
        gain: its rate over the default's, less one.
        refused: why it cannot be chosen, in words; None if it can.
    """

    candidate: Candidate
    milliseconds: float | None = None
    gain: float = 0.0
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The result of tuning.

    Attributes:
        trials: of all candidates, the default first.
        best: the candidate to use; the default if nothing gained enough.
        gain: its rate over the default's less one, in the rounds of the two alone.
        noise: how much the default seemed to gain over itself.
    """

    trials: tuple[Trial, ...]
    best: Candidate
    gain: float
    noise: float


Timer = Callable[[], float]
"""Measures a candidate for one round: seconds per frame."""

OpenTimer = Callable[[Candidate], Timer]
"""Prepares a candidate; raises `SpotletError` if it cannot run here."""

Judge = Callable[[Candidate], str | None]
"""Returns how a candidate's results differ from the default's, in words; None if they do not."""


def tune(
    candidates: Sequence[Candidate], open_timer: OpenTimer, judge: Judge, rounds: int = ROUNDS
) -> Tuning:
    """Returns the best of the candidates.

    Args:
        candidates: the first is the default.
        open_timer: prepares each one.
        judge: compares their results; not called for the default.
        rounds: of all in turn, and again of the default and the best.
    """
    default = candidates[0]
    timers = {DEFAULT: open_timer(default), CONTROL: open_timer(replace(default, name=CONTROL))}
    refused: dict[str, str | None] = {}
    for candidate in candidates[1:]:
        try:
            timer = open_timer(candidate)
            refused[candidate.name] = judge(candidate)
            timers[candidate.name] = timer
        except SpotletError as error:
            refused[candidate.name] = str(error)
    seconds = take_turns(timers, rounds)
    noise = abs(_gain(seconds[DEFAULT], seconds[CONTROL]))
    trials = tuple(
        Trial(
            candidate=each,
            milliseconds=statistics.median(seconds[each.name]) * 1000,
            gain=_gain(seconds[DEFAULT], seconds[each.name]),
            refused=refused.get(each.name),
        )
        if each.name in seconds
        else Trial(candidate=each, refused=refused[each.name])
        for each in candidates
    )
    needed = max(LEAST_GAIN, noise)
    eligible = (
        trial
        for trial in trials
        if trial.refused is None and trial.candidate.ask is None and trial.gain >= needed
    )
    best = max(eligible, key=lambda trial: trial.gain, default=trials[0]).candidate
    gain = 0.0
    if best is not default:
        duel = take_turns({name: timers[name] for name in (DEFAULT, best.name)}, rounds)
        gain = _gain(duel[DEFAULT], duel[best.name])
        if gain < needed:
            best, gain = default, 0.0
    return Tuning(trials=trials, best=best, gain=gain, noise=noise)


def candidates_for(
    *,
    cores: int,
    providers: Sequence[str],
    one_at_a_time: bool,
    int8: Path | None = None,
    is_int8: bool = False,
    allow_reduced: bool = False,
    batches: Sequence[int] = (),
) -> list[Candidate]:
    """Returns what to try, the default first.

    Args:
        cores: that this process may use.
        providers: onnxruntime's names of the usable ones, without the CPU's.
        one_at_a_time: whether one inference has all cores; else threads are not varied.
        int8: the int8 file of the package, if the tuned file is another.
        is_int8: whether the tuned file computes in integers.
        allow_reduced: whether a profile may choose less than the file's precision.
        batches: sizes to try.
    """
    usual = INT8_TOLERANCE if is_int8 else FP32_TOLERANCE
    plain = SessionSettings()
    found = [Candidate(name=DEFAULT, settings=plain)]

    def add(name: str, settings: SessionSettings = plain, **more: Any) -> None:
        found.append(Candidate(name=name, settings=settings, **{"tolerance": usual} | more))

    if one_at_a_time:
        add("spinning", SessionSettings(spinning=True))
        for count in sorted({1, cores} | {2**n for n in range(1, 9) if 2**n < cores}):
            add(f"{count} thread{'s' * (count > 1)}", SessionSettings(threads=count))
            if count > 1:
                add(f"{count} threads, spinning", SessionSettings(threads=count, spinning=True))
    for level in OPTIMISATIONS:
        if level != plain.optimisation:
            add(f"optimisation {level}", SessionSettings(optimisation=level))
    for provider in map(short_provider_name, providers):
        strict = SessionSettings(provider=provider, strict_provider=True)
        reduced = INT8_TOLERANCE if allow_reduced else usual
        add(provider, strict)
        name = f"{provider}, reduced precision"
        add(name, replace(strict, reduced_precision=True), tolerance=reduced)
    if int8 is not None:
        add("int8", path=int8, tolerance=None, ask="--variant int8")
    for size in batches:
        ask = f"--batch {size} of several sources"
        add(f"batch of {size}", batch=size, tolerance=None, ask=ask)
    return found


def _gain(default: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(default, other, strict=True)) - 1
