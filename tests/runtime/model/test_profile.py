import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from spotlet.errors import ModelFileError, OutputError, UsageError
from spotlet.model import tuned_settings
from spotlet.model.files import MOST_MODEL_BYTES
from spotlet.model.profile import (
    MODES,
    DeviceProfile,
    device_key,
    find_profile,
    profile_folder,
    remove_profile,
    write_profile,
)
from spotlet.session import SessionSettings

FAST = SessionSettings(threads=2, spinning=True, optimisation="extended")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def profile(squares_model: Path) -> DeviceProfile:
    """That holds here, with settings for `live` that are not those of `video`."""
    settings = {"live": FAST, "video": SessionSettings(optimisation="basic")}
    return DeviceProfile(key=device_key(squares_model), settings=settings)


def test_a_written_profile_is_found_and_removed(
    squares_model: Path, profile: DeviceProfile, cache: Path
) -> None:
    assert find_profile(squares_model).profile is None
    path = write_profile(profile)
    assert path.parent == profile_folder() == cache / "spotlet" / "profiles"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    found = find_profile(squares_model)
    assert (found.profile, found.reason) == (profile, str(path))
    remove_profile(squares_model)
    remove_profile(squares_model)
    assert find_profile(squares_model).profile is None


def test_each_mode_has_its_own_settings(squares_model: Path, profile: DeviceProfile) -> None:
    assert tuned_settings(squares_model) == SessionSettings()
    write_profile(profile)
    assert [tuned_settings(squares_model, mode) for mode in MODES] == [
        FAST,
        SessionSettings(optimisation="basic"),
    ]
    with pytest.raises(UsageError, match="mode fast: must be one of live, video"):
        tuned_settings(squares_model, "fast")


def test_a_model_file_that_was_changed_has_no_profile(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    model = save_squares_model(tmp_path / "m.onnx")
    key = device_key(model)
    write_profile(DeviceProfile(key=key, settings={"live": FAST, "video": FAST}))
    assert find_profile(model).profile is not None
    save_squares_model(model, batch=1)
    assert find_profile(model).reason == "no device profile for this model file"


def test_a_model_file_beyond_the_bound_is_not_read_for_its_checksum(
    tmp_path: Path, cache: Path
) -> None:
    (cache / "spotlet" / "profiles").mkdir(parents=True)
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(MOST_MODEL_BYTES + 1)
    with pytest.raises(ModelFileError, match="is larger than 512 MB"):
        device_key(huge)
    assert "is larger than 512 MB" in find_profile(huge).reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"onnxruntime": "1.0"}, "measured with onnxruntime 1.0, here it is"),
        ({"cpu": "Abacus"}, "measured with cpu Abacus, here it is"),
        ({"cores": 999}, "measured with cores 999, here it is"),
    ],
)
def test_a_profile_of_another_machine_is_left_aside_with_the_reason(
    squares_model: Path, profile: DeviceProfile, changes: dict[str, Any], reason: str
) -> None:
    write_profile(replace(profile, key=replace(profile.key, **changes)))
    found = find_profile(squares_model)
    assert found.profile is None
    assert reason in found.reason
    assert tuned_settings(squares_model) == SessionSettings()


def test_a_profile_whose_provider_or_package_is_not_there_is_left_aside(
    squares_model: Path, profile: DeviceProfile
) -> None:
    elsewhere = {mode: SessionSettings(provider="Rknpu") for mode in MODES}
    write_profile(replace(profile, settings=elsewhere))
    assert "RknpuExecutionProvider is not available here" in find_profile(squares_model).reason
    write_profile(replace(profile, packages=("onnxruntime-ep-abacus 1.0",)))
    assert "measured with onnxruntime-ep-abacus 1.0" in find_profile(squares_model).reason


def _content(profile: DeviceProfile, **changes: object) -> str:
    return json.dumps(profile.to_json() | changes)


def test_a_damaged_profile_is_none_and_stops_nothing(
    squares_model: Path, profile: DeviceProfile
) -> None:
    path = write_profile(profile)
    live = asdict(FAST)
    damaged = [
        "",
        "{",
        "[]",
        "null",
        "[" * 10_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        path.read_text()[:-40],
        _content(profile) + " " * 200_000,
        _content(profile, schema=2),
        _content(profile, key={}),
        _content(profile, key=None),
        _content(profile, packages=None),
        _content(profile, settings={"live": live}),
        _content(profile, settings={"live": live | {"threads": -1}, "video": live}),
        _content(profile, settings={"live": live | {"threads": "2"}, "video": live}),
        _content(profile, settings={"live": live | {"threads": True}, "video": live}),
        _content(profile, settings={"live": live | {"optimisation": "much"}, "video": live}),
        _content(profile, settings={"live": live | {"provider": "Abacus"}, "video": live}),
        _content(profile, settings={"live": live | {"provider": 7}, "video": live}),
        _content(profile, settings={"live": live | {"speed": 1}, "video": live}),
    ]
    for text in damaged:
        path.write_text(text, encoding="utf-8")
        found = find_profile(squares_model)
        assert found.profile is None, text[:100]
        assert "ignored" in found.reason
        assert "\n" not in found.reason
        assert tuned_settings(squares_model) == SessionSettings()
    path.write_bytes(b"\xff\xfe\x00")
    assert find_profile(squares_model).profile is None
    path.unlink()
    path.mkdir()
    assert find_profile(squares_model).profile is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_folder_that_cannot_be_written_is_an_error_and_one_that_cannot_be_read_is_none(
    squares_model: Path, profile: DeviceProfile
) -> None:
    path = write_profile(profile)
    path.chmod(0)
    assert "ignored" in find_profile(squares_model).reason
    path.parent.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be"):
        write_profile(profile)
    path.parent.chmod(0o700)


def test_a_cache_that_is_a_file_stops_nothing_and_cannot_be_written(
    squares_model: Path, profile: DeviceProfile, cache: Path
) -> None:
    cache.write_text("a file")
    assert find_profile(squares_model).profile is None
    with pytest.raises(OutputError, match="cannot be written"):
        write_profile(profile)


def test_without_a_home_there_is_no_profile(
    squares_model: Path, profile: DeviceProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", homeless)
    assert "no home folder" in find_profile(squares_model).reason
    with pytest.raises(OutputError, match="set XDG_CACHE_HOME"):
        write_profile(profile)
