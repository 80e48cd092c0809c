import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from spotlet.commands.options import add_session_arguments, session_settings
from spotlet.commands.run_arguments import add_arguments, run_settings
from spotlet.detector import Detector
from spotlet.errors import ModelFileError
from spotlet.model.profile import DeviceProfile, device_key, write_profile
from spotlet.running import RunCallbacks, run
from spotlet.running.run import choose_session
from spotlet.session import SessionSettings

LIVE = SessionSettings(threads=2, spinning=True)
VIDEO = SessionSettings(optimisation="basic")


@pytest.fixture(autouse=True)
def _profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squares_model: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settings = {"live": LIVE, "video": VIDEO}
    write_profile(DeviceProfile(key=device_key(squares_model), settings=settings))


class _SeenError(Exception):
    """Enough was seen of a run."""


def _settings(*words: object) -> SessionSettings:
    """What `spotlet run` opens the model with for these words."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    used: list[SessionSettings] = []

    def stop(detector: Detector, why: str) -> None:
        used.append(detector.session.settings)
        raise _SeenError

    with pytest.raises(_SeenError):
        run(
            run_settings(parser.parse_args([str(word) for word in words])),
            RunCallbacks(on_model=stop),
        )
    return used[0]


def test_a_run_takes_the_profile_of_its_mode(squares_model: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    each_core = replace(VIDEO, threads=1)  # of what may be used; each worker has one
    assert _settings(squares_model, clip) == each_core
    assert _settings(squares_model, clip, "--mode", "live") == LIVE
    assert _settings(squares_model, "rtsp://127.0.0.1/1") == LIVE
    assert _settings(squares_model, "rtsp://127.0.0.1/1", clip) == each_core
    assert _settings(squares_model, "rtsp://127.0.0.1/1", "rtsp://127.0.0.1/2") == each_core
    assert _settings(squares_model, "rtsp://127.0.0.1/1", "--mode", "video") == each_core


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--threads", "1"], SessionSettings(threads=1)),
        (["--threads", "0"], SessionSettings()),
        (["--provider", "cpu"], SessionSettings(provider="cpu")),
        (["--no-profile"], SessionSettings()),
        (["--strict-provider"], SessionSettings(threads=2, spinning=True, strict_provider=True)),
    ],
)
def test_a_flag_puts_the_profile_aside(
    squares_model: Path, words: list[str], wanted: SessionSettings
) -> None:
    assert _settings(squares_model, "0", *words) == wanted


def test_a_model_without_a_profile_has_the_default_and_a_missing_one_is_an_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "other.onnx").write_text("another")
    chosen, why = choose_session(tmp_path / "other.onnx", "live", None, strict=False)
    assert (chosen, why) == (SessionSettings(), "no device profile for this model file")
    with pytest.raises(ModelFileError, match="no such file"):
        _settings(tmp_path / "none.onnx", "0")


def test_a_path_wins_and_debug_says_where_the_settings_are_from(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--debug", action="store_true")
    add_session_arguments(parser)
    assert session_settings(parser.parse_args([]), squares_model) == LIVE
    assert capsys.readouterr().err == ""
    assert session_settings(parser.parse_args(["--debug"]), squares_model) == LIVE
    assert capsys.readouterr().err.startswith("session settings: ")
