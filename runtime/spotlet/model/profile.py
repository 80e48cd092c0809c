"""Device profiles: the session settings that `spotlet bench --tune` found best on this machine.

One small JSON file for each model file, in the user's cache folder, safe to delete at any time.
It applies only to the model file, onnxruntime and processor that it was measured with, and is
ignored otherwise: a profile makes a run faster and never stops one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import onnxruntime as ort

from spotlet.atomic import atomic_file
from spotlet.cores import usable_cores
from spotlet.errors import OutputError, SpotletError, UsageError
from spotlet.model.files import MOST_MODEL_BYTES, read_bounded
from spotlet.model.opening import SessionSettings
from spotlet.model.package import locate_model
from spotlet.model.plugins import installed_plugins
from spotlet.model.processor import cpu_name
from spotlet.model.providers import full_provider_name
from spotlet.text.plain import first_line
from spotlet.text.schema import read_record, require_keys

PROFILE_SCHEMA = 1
"""The one `schema` that this version reads and writes."""

MODES = ("live", "video")
"""`live`: one frame at a time, as soon as it arrives; `video`: each core has its own frame."""

MOST_BYTES = 100_000
"""A longer file is not a profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """The model and machine that a profile applies to.

    Attributes:
        model_sha256: checksum of the model file, hexadecimal.
        onnxruntime: its version.
        cpu: the processor's name.
        cores: how many cores this process may use.
    """

    model_sha256: str
    onnxruntime: str
    cpu: str
    cores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """The fastest settings, and what they apply to.

    Attributes:
        key: of model and machine.
        settings: by mode, one of `MODES`.
        packages: the plugins that the settings' providers come from, with their versions.
    """

    key: DeviceKey
    settings: Mapping[str, SessionSettings]
    packages: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, settings: Mapping[str, SessionSettings]) -> "DeviceProfile":
        """Returns the profile of a model file with these settings, on this machine.

        Raises:
            ModelFileError: see `device_key`.
        """
        used = {full_provider_name(each.provider) for each in settings.values()}
        plugins = installed_plugins()
        packages = tuple(plugin.package for name, plugin in plugins.items() if name in used)
        return cls(key=device_key(path), settings=settings, packages=packages)

    def to_json(self) -> dict[str, Any]:
        """Returns the profile as a dict for JSON."""
        return {
            "schema": PROFILE_SCHEMA,
            "key": asdict(self.key),
            "packages": list(self.packages),
            "settings": {mode: asdict(settings) for mode, settings in self.settings.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> "DeviceProfile":
        """Returns the profile that `to_json` wrote.

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
            for name, usual in asdict(SessionSettings()).items():
                value = getattr(settings[mode], name)
                if type(value) is not type(usual):
                    raise TypeError(f"{name} {value!r}")
        return cls(key=key, settings=settings, packages=tuple(map(str, content["packages"])))


@dataclass(frozen=True, slots=True)
class ProfileSearch:
    """The result of looking for a profile.

    Attributes:
        profile: the one that applies here; None if there is none.
        reason: where it is, or why there is none, in words.
    """

    profile: DeviceProfile | None
    reason: str


def device_key(path: Path) -> DeviceKey:
    """Returns the key that a model file's profile must have on this machine.

    Raises:
        ModelFileError: the file cannot be read, or is larger than `MOST_MODEL_BYTES`.
    """
    return DeviceKey(
        model_sha256=hashlib.sha256(read_bounded(path, MOST_MODEL_BYTES)).hexdigest(),
        onnxruntime=str(ort.__version__),
        cpu=cpu_name(),
        cores=usable_cores(),
    )


def profile_folder() -> Path:
    """Returns the folder of the profiles, whether it exists or not.

    Raises:
        OutputError: this user has no home folder, and `XDG_CACHE_HOME` is not set.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = cache if cache.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise OutputError("no home folder for profiles: set XDG_CACHE_HOME to a folder") from error
    return folder / "spotlet" / "profiles"


def write_profile(profile: DeviceProfile) -> Path:
    """Writes a profile over an earlier one of the same model file; returns its path.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    path = _profile_path(profile.key)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(profile.to_json(), indent=1) + "\n", encoding="utf-8")
    return path


def remove_profile(path: Path) -> None:
    """Removes the profile of a model file, if there is one.

    Raises:
        ModelFileError: see `device_key`.
        OutputError: it cannot be removed.
    """
    file = _profile_path(device_key(path))
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be removed ({error.strerror})") from error


def find_profile(path: Path) -> ProfileSearch:
    """Returns the profile of a model file that applies here, if there is one.

    Never raises: a fault of a file in the folder is returned as the reason.
    """
    try:
        if not profile_folder().is_dir():  # the usual case, without a checksum
            return ProfileSearch(None, "no device profile")
        key = device_key(path)
        file = _profile_path(key)
        if not file.is_file():
            return ProfileSearch(None, "no device profile for this model file")
        if file.stat().st_size > MOST_BYTES:
            return ProfileSearch(None, f"{file}: ignored, too long for a device profile")
        text = read_bounded(file, MOST_BYTES)
        remedy = "`spotlet bench --tune` again"
        profile = DeviceProfile.from_json(read_record(text, PROFILE_SCHEMA, file, remedy=remedy))
        misfit = _misfit(profile, key)
    except (OSError, SpotletError, ValueError, TypeError, KeyError, RecursionError) as error:
        return ProfileSearch(None, f"device profile ignored, cannot be used ({first_line(error)})")
    if misfit is not None:
        return ProfileSearch(None, f"{file}: ignored, {misfit}; `spotlet bench --tune` again")
    return ProfileSearch(profile, str(file))


def tuned_settings(
    model: str | Path, mode: str = "live", *, variant: str | None = None
) -> SessionSettings:
    """Returns the session settings of a model's device profile; the defaults without one.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        mode: `live` for a program that detects in one frame at a time, `video` for one that runs
            as many detectors as there are cores.
        variant: which file of a package, one of `spotlet.model.VARIANTS`; None is `fp32`.

    Raises:
        ModelFileError: there is no such model.
        UsageError: the mode or the variant is unknown.

    Example:
        >>> from spotlet import Detector
        >>> detector = Detector("cards", session=tuned_settings("cards"))
    """
    if mode not in MODES:
        raise UsageError(f"mode {mode}: must be one of {', '.join(MODES)}")
    profile = find_profile(locate_model(model, variant)).profile
    return SessionSettings() if profile is None else profile.settings[mode]


def _misfit(profile: DeviceProfile, key: DeviceKey) -> str | None:
    """Returns why a profile does not apply here, in words; None if it does."""
    for each in fields(DeviceKey):
        then, now = getattr(profile.key, each.name), getattr(key, each.name)
        if then != now:
            return f"measured with {each.name} {then}, here it is {now}"
    used = {full_provider_name(each.provider) for each in profile.settings.values()}
    plugins = used - set(ort.get_available_providers())
    if plugins or profile.packages:
        installed = installed_plugins()
        if missing := plugins - set(installed):
            return f"{min(missing)} is not available here"
        if other := set(profile.packages) - {plugin.package for plugin in installed.values()}:
            return f"measured with {min(other)}, which is not installed"
    return None


def _profile_path(key: DeviceKey) -> Path:
    return profile_folder() / f"{key.model_sha256}.json"
