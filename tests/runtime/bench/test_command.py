import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlet.bench.frames import generated_frames
from spotlet.bench.trials import Candidate, Trial, Tuning
from spotlet.bench.tune import judge_against, tune_model
from spotlet.check.tolerances import FP32_TOLERANCE
from spotlet.commands import bench
from spotlet.detector import Detector
from spotlet.errors import OutputError, UsageError
from spotlet.model.profile import DeviceProfile, device_key, find_profile, write_profile
from spotlet.session import SessionSettings

pytestmark = pytest.mark.live

SHORT = ("--seconds", "0.05")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., Any]
) -> Path:
    return write_clip(tmp_path / "clip.avi", moving_square(6))


def _bench(*words: object) -> int:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args([str(word) for word in words]))


def test_the_table_names_every_stage(
    squares_model: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _bench(squares_model, clip, *SHORT) == 0
    printed = capsys.readouterr().out
    for part in (
        "320 x 240 frames, CPUExecutionProvider",
        *("decode ", "letterbox ", "session ", "postprocess ", "whole ", "p50", "p95", "p99"),
        *("one frame at a time", "bare session", "as run does", "of a core"),
        *("start to first detection", "peak memory then"),
    ):
        assert part in printed


def test_the_json_is_one_object_and_all_there_is_on_standard_output(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _bench(squares_model, *SHORT, "--json", "--tune") == 0
    output = capsys.readouterr()
    content = json.loads(output.out)
    assert set(content) == {
        *("schema", "model", "source", "machine", "tuning", "provider", "settings", "workers"),
        *("size_hw", "stages", "rate", "bare_rate", "ratio", "crew_rate", "cpu_seconds"),
        *(
            "idle_cpu",
            "cold_start",
            "int8_gain",
            "provider_asked",
            "provider_nodes",
            "provider_fallback",
        ),
    }
    assert set(content["tuning"]["modes"]) == {"live", "video"}
    for mode in content["tuning"]["modes"].values():
        assert mode["trials"][0]["name"] == "default"
        assert mode["best"] in {trial["name"] for trial in mode["trials"]}
        assert all(trial["ms"] > 0 for trial in mode["trials"] if trial["refused"] is None)
    assert "one frame at a time" in output.err


def test_the_profile_is_what_bench_measures_with_unless_a_flag_puts_it_aside(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SessionSettings(optimisation="basic")
    modes = {"live": settings, "video": SessionSettings()}
    write_profile(DeviceProfile(key=device_key(squares_model), settings=modes))
    for words, optimisation in (((), "basic"), (("--no-profile",), "all")):
        assert _bench(squares_model, *SHORT, "--json", *words) == 0
        assert (
            json.loads(capsys.readouterr().out)["settings"]["live"]["optimisation"] == optimisation
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seconds", "0"), "--seconds 0: must be over 0"),
        (("--seconds", "nan"), "must be over 0"),
        (("--tune", "--threads", "1"), "chooses threads and provider itself"),
        (("--tune", "--provider", "CPU"), "chooses threads and provider itself"),
        (("--tune", "--no-profile"), "drop --threads, --provider and --no-profile"),
        (("--allow", "reduced"), "needs --tune"),
        (("0",), "delivers frames at its own pace"),
    ],
)
def test_words_that_do_not_go_together_are_refused_before_any_work(
    squares_model: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _bench(squares_model, *words)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, squares_model: Path) -> Callable[[float], None]:
    """Lets the tuning find that `spinning` gains so much."""

    def find(gain: float) -> None:
        default = Candidate(name="default", settings=SessionSettings())
        fast = Candidate(name="spinning", settings=SessionSettings(spinning=True))
        trials = (
            Trial(candidate=default, milliseconds=2),
            Trial(candidate=fast, milliseconds=1, gain=gain),
        )
        best = fast if gain else default
        tuning = Tuning(trials=trials, best=best, gain=gain, noise=0.01)
        monkeypatch.setattr("spotlet.bench.tune.tune", lambda *_: tuning)

    return find


def test_what_gains_is_written_and_what_does_not_removes_an_old_profile(
    squares_model: Path, found: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    found(0.25)
    assert _bench(squares_model, *SHORT, "--tune") == 0
    printed = capsys.readouterr().out
    assert "noise 1.0%; spinning: +25.0% over the default" in printed
    profile = find_profile(squares_model).profile
    assert profile is not None
    assert set(profile.settings.values()) == {SessionSettings(spinning=True)}
    found(0.0)
    assert _bench(squares_model, *SHORT, "--tune") == 0
    printed = capsys.readouterr().out
    assert "nothing gained more than 3.0%: default kept" in printed
    assert "without a device profile" in printed
    assert find_profile(squares_model).profile is None


def test_a_profile_that_cannot_be_written_is_an_error_after_the_table(
    squares_model: Path,
    cache: Path,
    found: Callable[[float], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache.write_text("a file")
    found(0.25)
    with pytest.raises(OutputError, match="cannot be written"):
        _bench(squares_model, *SHORT, "--tune")
    assert "spinning: +25.0%" in capsys.readouterr().out


def test_the_judge_accepts_the_same_results_and_names_what_differs(
    tmp_path: Path, squares_model: Path, save_squares_model: Callable[..., Path]
) -> None:
    frames = list(generated_frames())[:2]
    same = Candidate(name="one", settings=SessionSettings(threads=1), tolerance=FP32_TOLERANCE)
    default = Detector(squares_model)
    assert judge_against(default, squares_model, frames)(same) is None
    other = Path(shutil.copy(squares_model, tmp_path / "other.onnx"))
    _raise_scores(other)
    message = judge_against(default, other, frames)(same)
    assert message is not None
    assert message.startswith("not the default's results: tensors differ by 0.")


def _raise_scores(path: Path) -> None:
    """Makes a model's scores greater by 0.001, as one that computes in less precision might."""
    import numpy as np
    import onnx

    model = onnx.load(path)
    scores = next(each for each in model.graph.initializer if each.name == "score_of_class")
    values = onnx.numpy_helper.to_array(scores) + np.float32(0.001)
    scores.CopyFrom(onnx.numpy_helper.from_array(values, scores.name))
    onnx.save(model, path)


def test_a_package_with_int8_has_it_reported_and_not_chosen(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    fp32 = save_squares_model(tmp_path / "model.onnx")
    int8 = save_squares_model(tmp_path / "model.int8.onnx")
    tuned = tune_model(fp32, generated_frames, 0.01, rounds=1)
    for mode, tuning in tuned.items():
        (trial,) = [each for each in tuning.trials if each.candidate.name == "int8"]
        assert trial.candidate.path == int8
        assert trial.candidate.ask == "--variant int8"
        assert trial.milliseconds is not None
        assert tuning.best.name != "int8"
        batches = [each for each in tuning.trials if each.candidate.batch > 1]
        assert len(batches) == (2 if mode == "live" else 0)
    names = [
        each.candidate.name
        for each in tune_model(int8, generated_frames, 0.01, rounds=1)["live"].trials
    ]
    assert "int8" not in names


def test_the_provider_that_was_asked_for_is_reported_beside_the_one_that_was_got(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (squares_model, *SHORT, "--provider", "Rknpu")
    assert _bench(*words) == 0
    assert "\nprovider: Rknpu requested, CPU used: not in this onnx" in capsys.readouterr().out
    assert _bench(*words, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["provider_asked"] == "RknpuExecutionProvider"
    assert content["provider"] == "CPUExecutionProvider"
    assert content["provider_nodes"] is None
    assert content["provider_fallback"].startswith("not in this onnxruntime")
