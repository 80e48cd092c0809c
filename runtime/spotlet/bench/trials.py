"""Finding the session settings that run a model fastest on this machine, and change nothing else.

Candidates take turns with the default, round by round, and each round's ratio counts: what else
the machine does falls on both. The best one then meets the default alone, in rounds of its own,
because the best of many measurements is also the luckiest. What computes otherwise than the
default, by the tolerances of `spotlet check`, is refused.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, GoldenTolerance
from spotlet.errors import SpotletError
from spotlet.model.opening import OPTIMISATIONS
from spotlet.model.providers import PROVIDER_ENDING
from spotlet.session import SessionSettings

LEAST_GAIN = 0.03
"""Below this the default is kept: fewer things to go wrong, for nothing that anybody would see."""

ROUNDS = 9

DEFAULT = "default"
CONTROL = "default again"
"""Measured as any candidate: what it seems to gain is the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something to try.

    Attributes:
        name: for people.
        settings: of the session.
        path: of another model file; None for the one that is tuned.
        batch: frames that go through the network at once.
        tolerance: what its results may differ from the default's by; None where they are known
            to be others, or the same.
        ask: how to have it, where no profile may choose it; None where one may.
    """

    name: str
    settings: SessionSettings
    path: Path | None = None
    batch: int = 1
    tolerance: GoldenTolerance | None = FP32_TOLERANCE
    ask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a candidate.

    Attributes:
        candidate: that was tried.
        milliseconds: a frame; None where it could not run, or was refused before.
        gain: its rate over the default's, less one.
        refused: why it cannot be chosen, in words; None where it can.
    """

    candidate: Candidate
    milliseconds: float | None = None
    gain: float = 0.0
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What was found.

    Attributes:
        trials: of all candidates, the default first.
        best: the settings to take; the default's where nothing gained enough.
        name: of them.
        gain: their rate over the default's less one, in the rounds of the two alone.
        noise: what the default seemed to gain over itself.
    """

    trials: tuple[Trial, ...]
    best: SessionSettings
    name: str
    gain: float
    noise: float


Timer = Callable[[], float]
"""Measures a candidate for one round: seconds a frame."""

OpenTimer = Callable[[Candidate], Timer]
"""Makes a candidate ready to be measured; a `SpotletError` says that it cannot run here."""

Judge = Callable[[Candidate], str | None]
"""Returns why a candidate's results are not the default's, in words; None where they are."""


def tune(
    candidates: Sequence[Candidate], open_timer: OpenTimer, judge: Judge, rounds: int = ROUNDS
) -> Tuning:
    """Returns the best of the candidates.

    Args:
        candidates: the first is the default.
        open_timer: makes one ready.
        judge: of its results; not asked about the default.
        rounds: of all in turn, and again of the default and the best.
    """
    default = candidates[0]
    control = replace(default, name=CONTROL)
    trials = {default.name: Trial(candidate=default)}
    timers = {default.name: open_timer(default), CONTROL: open_timer(control)}
    for candidate in candidates[1:]:
        why = None
        try:
            timers[candidate.name] = open_timer(candidate)
            why = judge(candidate)
        except SpotletError as error:
            timers.pop(candidate.name, None)
            why = str(error)
        trials[candidate.name] = Trial(candidate=candidate, refused=why)
    seconds = _take_turns(timers, rounds)
    gains = {name: _gain(seconds[DEFAULT], each) for name, each in seconds.items()}
    noise = abs(gains.pop(CONTROL))
    for name, gain in gains.items():
        milliseconds = statistics.median(seconds[name]) * 1000
        trials[name] = replace(trials[name], milliseconds=milliseconds, gain=gain)
    needed = max(LEAST_GAIN, noise)
    eligible = [
        trial
        for trial in trials.values()
        if trial.refused is None and trial.candidate.ask is None and trial.gain >= needed
    ]
    kept, gain = default, 0.0
    if eligible:
        best = max(eligible, key=lambda trial: trial.gain).candidate
        duel = _take_turns({each: timers[each] for each in (DEFAULT, best.name)}, rounds)
        gain = _gain(duel[DEFAULT], duel[best.name])
        if gain >= needed:
            kept = best
        else:
            gain = 0.0
    return Tuning(
        trials=tuple(trials.values()), best=kept.settings, name=kept.name, gain=gain, noise=noise
    )


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
        providers: onnxruntime's names of those that are at hand, without the CPU's.
        one_at_a_time: whether one inference has all cores; else the threads are the crew's.
        int8: the int8 file of the package, where the file that is tuned is another.
        is_int8: whether the file that is tuned computes in integers.
        allow_reduced: whether a profile may choose what computes in less than the file's
            precision.
        batches: sizes to try.
    """
    usual = INT8_TOLERANCE if is_int8 else FP32_TOLERANCE
    plain = SessionSettings()
    found = [Candidate(name=DEFAULT, settings=plain)]

    def add(name: str, **changes: object) -> None:
        settings = replace(plain, **changes)  # type: ignore[arg-type]
        found.append(Candidate(name=name, settings=settings, tolerance=usual))

    if one_at_a_time:
        counts = sorted({1, cores} | {2**n for n in range(1, 9) if 2**n < cores})
        add("spinning", spinning=True)
        for count in counts:
            add(f"{count} thread{'s' * (count > 1)}", threads=count)
            if count > 1:
                add(f"{count} threads, spinning", threads=count, spinning=True)
    for level in OPTIMISATIONS:
        if level != plain.optimisation:
            add(f"optimisation {level}", optimisation=level)
    for provider in providers:
        short = provider.removesuffix(PROVIDER_ENDING)
        add(short, provider=short, strict_provider=True)
        found.append(
            Candidate(
                name=f"{short}, reduced precision",
                settings=SessionSettings(
                    provider=short, strict_provider=True, reduced_precision=True
                ),
                tolerance=INT8_TOLERANCE if allow_reduced else usual,
            )
        )
    if int8 is not None:
        found.append(
            Candidate(name="int8", settings=plain, path=int8, tolerance=None, ask="--variant int8")
        )
    found += [
        Candidate(
            name=f"batch of {size}",
            settings=plain,
            batch=size,
            tolerance=None,
            ask=f"--batch {size} of several sources",
        )
        for size in batches
    ]
    return found


def _take_turns(timers: Mapping[str, Timer], rounds: int) -> dict[str, list[float]]:
    """Returns seconds a frame by round, for each of them."""
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for number in range(rounds):
        # Each second round backwards, so that none is always the one after the same other.
        for name in list(timers)[:: 1 if number % 2 == 0 else -1]:
            seconds[name].append(timers[name]())
    return seconds


def _gain(default: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(default, other, strict=True)) - 1
