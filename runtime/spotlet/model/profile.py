"""Device profiles: the session settings that `spotlet bench --tune` found best on this machine.

One small JSON file for each model file, in the user's cache folder, safe to delete at any time.
It holds for the very model file, onnxruntime and processor that it was measured with, and is left
aside otherwise: a profile makes a run faster, and never stops one.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import onnxruntime as ort

from spotlet.atomic import atomic_file
from spotlet.errors import OutputError, SpotletError, UsageError
from spotlet.model.device import DeviceKey, device_key
from spotlet.model.files import read_bounded
from spotlet.model.opening import SessionSettings
from spotlet.model.package import locate_model
from spotlet.model.plugins import installed_plugins
from spotlet.model.providers import full_provider_name
from spotlet.text.schema import read_record, require_keys

PROFILE_SCHEMA = 1
"""The one `schema` that this version reads and writes."""

MODES = ("live", "video")
"""`live`: one frame at a time, as soon as it can be; `video`: all cores on frames of their own."""

MOST_BYTES = 100_000
"""A file that is longer is no profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """What was found best, and for what.

    Attributes:
        key: of model and machine.
        settings: by mode, one of `MODES`.
        packages: of the plugins that the settings' providers come from, with their versions.
    """

    key: DeviceKey
    settings: Mapping[str, SessionSettings]
    packages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON can hold it."""
        return {
            "schema": PROFILE_SCHEMA,
            "key": asdict(self.key),
            "packages": list(self.packages),
            "settings": {mode: asdict(settings) for mode, settings in self.settings.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> "DeviceProfile":
        """Returns it as it was written.

        Raises:
            KeyError: a key is missing.
            TypeError: a value is of another type, or a key of the settings is unknown.
            ValueError: a value breaks its rule, or a key of `key` is missing or unknown.
        """
        key = DeviceKey(**require_keys(content["key"], DeviceKey, "key: "))
        settings = {}
        for mode in MODES:
            try:
                settings[mode] = SessionSettings(**content["settings"][mode])
            except UsageError as error:
                raise ValueError(str(error)) from error
            plain = SessionSettings()
            for each in fields(SessionSettings):
                value = getattr(settings[mode], each.name)
                if type(value) is not type(getattr(plain, each.name)):
                    raise TypeError(f"{each.name} {value!r}")
        return cls(key=key, settings=settings, packages=tuple(map(str, content["packages"])))


@dataclass(frozen=True, slots=True)
class ProfileSearch:
    """What came of looking for a profile.

    Attributes:
        profile: that holds here; None where there is none.
        reason: where it is, or why there is none, in words.
    """

    profile: DeviceProfile | None
    reason: str


def profile_folder() -> Path:
    """Returns the folder of the profiles, whether it is there or not.

    Raises:
        OutputError: this user has no home folder, and `XDG_CACHE_HOME` is not set.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if Path(cache).is_absolute():
        return Path(cache) / "spotlet" / "profiles"
    try:
        return Path.home() / ".cache" / "spotlet" / "profiles"
    except RuntimeError as error:
        raise OutputError("no home folder for profiles: set XDG_CACHE_HOME to a folder") from error


def write_profile(profile: DeviceProfile) -> Path:
    """Writes a profile, in the place of an earlier one of the model file, and returns its path.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    path = _profile_path(profile.key)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(profile.to_json(), indent=1) + "\n", encoding="utf-8")
    return path


def remove_profile(key: DeviceKey) -> None:
    """Removes the profile of a model file; does nothing where there is none.

    Raises:
        OutputError: it is there and cannot be removed.
    """
    path = _profile_path(key)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error


def find_profile(path: Path) -> ProfileSearch:
    """Returns the profile of a model file that holds here, if there is one.

    Raises nothing: whatever is wrong with a file in the folder, it is the reason that is returned.
    """
    try:
        folder = profile_folder()
        if not folder.is_dir():  # the usual case costs no checksum
            return ProfileSearch(None, "no device profile")
        key = device_key(path)
        file = _profile_path(key)
        if not file.is_file():
            return ProfileSearch(None, "no device profile of this model file")
        if file.stat().st_size > MOST_BYTES:
            return ProfileSearch(None, f"{file}: ignored, too long for a device profile")
        text = read_bounded(file, MOST_BYTES)
        remedy = "`spotlet bench --tune` again"
        profile = DeviceProfile.from_json(read_record(text, PROFILE_SCHEMA, file, remedy=remedy))
        misfit = _misfit(profile, key)
    except (OSError, SpotletError, ValueError, TypeError, KeyError, RecursionError) as error:
        detail = str(error).partition("\n")[0] or type(error).__name__
        return ProfileSearch(None, f"device profile ignored, cannot be used ({detail})")
    if misfit is not None:
        return ProfileSearch(None, f"{file}: ignored, {misfit}; `spotlet bench --tune` again")
    return ProfileSearch(profile, str(file))


def tuned_settings(
    model: str | Path, mode: str = "live", *, variant: str | None = None
) -> SessionSettings:
    """Returns the session settings of the device profile of a model; the default without one.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        mode: `live` for a program that detects in one frame at a time, `video` for one with as
            many detectors at work as there are cores.
        variant: which file of a package, one of `spotlet.model.VARIANTS`; `fp32` where None.

    Raises:
        ModelFileError: there is no such model.
        UsageError: there is no such mode, or there can be no such variant.

    Example:
        >>> from spotlet import Detector
        >>> detector = Detector("cards", session=tuned_settings("cards"))
    """
    if mode not in MODES:
        raise UsageError(f"mode {mode}: must be one of {', '.join(MODES)}")
    profile = find_profile(locate_model(model, variant)).profile
    return SessionSettings() if profile is None else profile.settings[mode]


def _misfit(profile: DeviceProfile, key: DeviceKey) -> str | None:
    """Returns why a profile does not hold here, in words; None where it does."""
    for each in fields(DeviceKey):
        then, now = getattr(profile.key, each.name), getattr(key, each.name)
        if then != now:
            return f"measured with {each.name} {then}, here it is {now}"
    plugins = {
        full_provider_name(settings.provider) for settings in profile.settings.values()
    } - set(ort.get_available_providers())
    if plugins or profile.packages:
        installed = installed_plugins()
        missing = plugins - set(installed)
        if missing:
            return f"{min(missing)} is not to be had here"
        strange = set(profile.packages) - {plugin.package for plugin in installed.values()}
        if strange:
            return f"measured with {min(strange)}, which is not installed"
    return None


def _profile_path(key: DeviceKey) -> Path:
    return profile_folder() / f"{key.model_sha256}.json"
