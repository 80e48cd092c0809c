from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from spotlet.bench.trials import CONTROL, DEFAULT, Candidate, OpenTimer, Timer, candidates_for, tune
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.errors import ModelFileError
from spotlet.session import SessionSettings

PLAIN = SessionSettings()


def _candidate(name: str, threads: int, ask: str | None = None) -> Candidate:
    return Candidate(name=name, settings=SessionSettings(threads=threads), ask=ask)


def _open(seconds: Mapping[str, float | list[float]]) -> OpenTimer:
    """Timers that give, by the candidate's name, one time always or these in turn."""

    def open_timer(candidate: Candidate) -> Timer:
        given = seconds.get(candidate.name, 0.010)
        if isinstance(given, float):
            return lambda: given
        left = iter(given)
        return lambda: next(left)

    return open_timer


def _accept(candidate: Candidate) -> None:
    del candidate


CANDIDATES = [_candidate(DEFAULT, 0), _candidate("one", 1), _candidate("two", 2)]


def test_the_fastest_is_kept_and_its_gain_reported() -> None:
    tuning = tune(CANDIDATES, _open({"one": 0.009, "two": 0.005}), _accept)
    assert tuning.best == CANDIDATES[2]
    assert tuning.gain == pytest.approx(1.0)
    assert [trial.candidate.name for trial in tuning.trials] == [DEFAULT, "one", "two"]
    assert [trial.milliseconds for trial in tuning.trials] == pytest.approx([10, 9, 5])
    assert [trial.gain for trial in tuning.trials] == pytest.approx([0, 1 / 9, 1])


@pytest.mark.parametrize(("seconds", "name"), [(0.00972, DEFAULT), (0.00970, "one")])
def test_a_gain_under_three_percent_keeps_the_default(seconds: float, name: str) -> None:
    tuning = tune(CANDIDATES, _open({"one": seconds}), _accept)
    assert tuning.best.name == name
    assert (tuning.gain > 0) == (name != DEFAULT)
    assert (tuning.best.settings == PLAIN) == (name == DEFAULT)


@pytest.mark.parametrize("control", [0.008, 0.0125])
def test_a_gain_within_the_noise_keeps_the_default(control: float) -> None:
    tuning = tune(CANDIDATES, _open({"one": 0.009, CONTROL: control}), _accept)
    assert tuning.best.name == DEFAULT
    assert tuning.noise >= 0.2


def test_a_gain_that_the_duel_does_not_show_again_is_luck() -> None:
    rounds = 3
    lucky = [0.005] * rounds + [0.010] * rounds
    tuning = tune(CANDIDATES, _open({"one": lucky}), _accept, rounds)
    assert (tuning.best.name, tuning.gain) == (DEFAULT, 0.0)
    assert tuning.trials[1].gain == pytest.approx(1.0)


def test_a_round_in_which_the_machine_was_busy_falls_on_both() -> None:
    slow = [0.010, 0.030, 0.010, 0.010, 0.030, 0.010]
    faster = [each * 0.9 for each in slow]
    tuning = tune(CANDIDATES, _open({DEFAULT: slow, "one": faster}), _accept, 3)
    assert tuning.trials[1].gain == pytest.approx(1 / 9)


def test_what_finds_something_else_is_refused_and_reported_with_its_time() -> None:
    def judge(candidate: Candidate) -> str | None:
        return "not the default's results: a score" if candidate.name == "two" else None

    tuning = tune(CANDIDATES, _open({"one": 0.009, "two": 0.001}), judge)
    assert tuning.best.name == "one"
    refused = tuning.trials[2]
    assert refused.refused == "not the default's results: a score"
    assert refused.milliseconds == pytest.approx(1)


def test_what_cannot_run_is_refused_without_a_time() -> None:
    usual = _open({})

    def open_timer(candidate: Candidate) -> Timer:
        if candidate.name == "two":
            raise ModelFileError("m.onnx: onnxruntime cannot load it")
        return usual(candidate)

    def judge(candidate: Candidate) -> str | None:
        if candidate.name == "one":
            raise ModelFileError("m.onnx: onnxruntime cannot run it")
        return None

    trials = tune(CANDIDATES, open_timer, judge).trials
    assert [trial.milliseconds for trial in trials] == [pytest.approx(10), None, None]
    assert [trial.refused for trial in trials] == [
        None,
        "m.onnx: onnxruntime cannot run it",
        "m.onnx: onnxruntime cannot load it",
    ]


def test_what_must_be_asked_for_is_measured_and_never_kept() -> None:
    candidates = [*CANDIDATES, _candidate("int8", 0, ask="--variant int8")]
    tuning = tune(candidates, _open({"int8": 0.001}), _accept)
    assert tuning.best.name == DEFAULT
    assert tuning.trials[3].gain == pytest.approx(9)


def _names(**given: object) -> list[str]:
    usual = {"cores": 4, "providers": (), "one_at_a_time": True}
    return [each.name for each in candidates_for(**(usual | given))]  # type: ignore[arg-type]


def test_the_candidates_are_these() -> None:
    levels = ["optimisation none", "optimisation basic", "optimisation extended"]
    assert _names(cores=6) == [
        DEFAULT,
        "spinning",
        "1 thread",
        "2 threads",
        "2 threads, spinning",
        "4 threads",
        "4 threads, spinning",
        "6 threads",
        "6 threads, spinning",
        *levels,
    ]
    assert _names(cores=1) == [DEFAULT, "spinning", "1 thread", *levels]
    assert _names(one_at_a_time=False) == [DEFAULT, *levels]
    assert _names(
        one_at_a_time=False,
        providers=("XExecutionProvider",),
        int8=Path("model.int8.onnx"),
        batches=(2,),
    ) == [DEFAULT, *levels, "X", "X, reduced precision", "int8", "batch of 2"]


def test_int8_and_batches_must_be_asked_for_and_reduced_precision_must_agree_unless_allowed() -> (
    None
):
    given = {"cores": 2, "providers": ("XExecutionProvider",), "one_at_a_time": True}
    for allow_reduced, tolerance in ((False, FP32_TOLERANCE), (True, INT8_TOLERANCE)):
        candidates = {
            each.name: each
            for each in candidates_for(
                **given,  # type: ignore[arg-type]
                int8=Path("model.int8.onnx"),
                batches=(4,),
                allow_reduced=allow_reduced,
            )
        }
        reduced = candidates["X, reduced precision"]
        assert reduced.settings == replace(
            PLAIN, provider="X", strict_provider=True, reduced_precision=True
        )
        assert (reduced.tolerance, reduced.ask) == (tolerance, None)
        assert candidates["X"].tolerance == candidates["spinning"].tolerance == FP32_TOLERANCE
        assert candidates["int8"].ask == "--variant int8"
        assert candidates["batch of 4"].ask == "--batch 4 of several sources"
    assert candidates_for(**given, is_int8=True)[1].tolerance == INT8_TOLERANCE  # type: ignore[arg-type]
