"""Execution providers in separate packages: plugins of onnxruntime.

`pip install onnxruntime-ep-openvino` brings one. Such a package holds a library for onnxruntime,
and the name of its provider. The library is loaded only when that provider is asked for.
"""

import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import onnxruntime as ort

from spotlet.text.plain import first_line

PLUGIN_PREFIX = "onnxruntime_ep_"
"""The prefix of a plugin's module, by onnxruntime's rules for packaging."""

OTHER_PLUGINS = ("onnxruntime_qnn",)
"""Modules of plugins that follow all other rules."""

OPENVINO, CUDA = "OpenVINOExecutionProvider", "CUDAExecutionProvider"

DEVICE_KEY = "ov_device"
"""The key of OpenVINO's plugin for its name of a device."""

_loaded: set[str] = set()
"""Libraries that onnxruntime has loaded into this process: it refuses to load one twice, and does
not list those without a device."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed package with an execution provider.

    Attributes:
        provider: onnxruntime's name of it.
        package: its distribution and version.
        library: path of what onnxruntime loads.
    """

    provider: str
    package: str
    library: str


def installed_plugins() -> dict[str, Plugin]:
    """Returns the installed plugins, by their provider's name; see also `broken_plugins`."""
    return _survey()[0]


def broken_plugins() -> dict[str, str]:
    """Returns why installed plugins cannot be imported or lack their name, by module."""
    return _survey()[1]


def plugin_devices(plugin: Plugin) -> tuple[list[Any], str | None]:
    """Loads a plugin's library if it is not loaded yet, and returns its devices.

    Args:
        plugin: one that is installed.

    Returns:
        onnxruntime's devices for it, and why there are none, in words, or None.
    """
    devices = _devices(plugin.provider)
    if not devices and plugin.library not in _loaded:
        try:
            ort.register_execution_provider_library(plugin.package, plugin.library)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            return [], f"the library of {plugin.package} does not load ({first_line(error)})"
        _loaded.add(plugin.library)
        devices = _devices(plugin.provider)
    return devices, None if devices else f"{plugin.package} finds no device for it here"


def add_plugin(
    options: ort.SessionOptions, plugin: Plugin, *, threads: int, reduced_precision: bool
) -> str | None:
    """Makes a session prefer a plugin's provider; the CPU computes what it cannot.

    Args:
        options: of the session, changed in place if the provider can be used.
        plugin: its library is loaded if it is not yet.
        threads: see `provider_options`.
        reduced_precision: see `provider_options`.

    Returns:
        Why it cannot be used, in words; None if it can.
    """
    devices, why = plugin_devices(plugin)
    if why is None:
        name = devices[0].ep_metadata.get(DEVICE_KEY, "CPU")
        given = provider_options(
            plugin.provider, name, threads=threads, reduced_precision=reduced_precision
        )
        options.add_provider_for_devices(devices[:1], dict(given))
    return why


def provider_options(
    provider: str, device: str | None, *, threads: int, reduced_precision: bool
) -> Mapping[str, str]:
    """Returns the options with which a provider computes in the file's own precision.

    By default OpenVINO computes in bfloat16 on processors that multiply it, which moves scores by
    0.004, more than `spotlet check` allows a float32 network; and CUDA rounds the factors of
    float32 convolutions to 10 bits of mantissa (TF32).

    Args:
        provider: onnxruntime's name of it.
        device: the plugin's name of the device; None for a provider that onnxruntime has itself.
        threads: for one inference; 0 leaves it to the provider.
        reduced_precision: whether it may compute in less.

    Example:
        >>> provider_options(OPENVINO, "CPU", threads=2, reduced_precision=True)
        {'load_config': '{"CPU": {"INFERENCE_NUM_THREADS": "2"}}'}
        >>> provider_options(CUDA, None, threads=0, reduced_precision=False)
        {'use_tf32': '0'}
    """
    if provider == CUDA and device is None and not reduced_precision:
        return {"use_tf32": "0"}
    if provider != OPENVINO:
        return {}
    given = {} if reduced_precision else {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        given["INFERENCE_NUM_THREADS"] = str(threads)
    return {"load_config": json.dumps({device or "CPU": given})} if given else {}


def _survey() -> tuple[dict[str, Plugin], dict[str, str]]:
    if not hasattr(ort, "register_execution_provider_library"):  # before onnxruntime 1.23
        return {}, {}
    found: dict[str, Plugin] = {}
    broken: dict[str, str] = {}
    for info in pkgutil.iter_modules():
        if info.name.startswith(PLUGIN_PREFIX) or info.name in OTHER_PLUGINS:
            try:
                module = importlib.import_module(info.name)
                provider, library = str(module.get_ep_name()), str(module.get_library_path())
            except Exception as error:  # whatever a foreign package raises, the others still work
                broken[info.name] = f"{type(error).__name__}: {first_line(error)}"
                continue
            found[provider] = Plugin(provider, _distribution(info.name), library)
    return found, broken


def _devices(provider: str) -> list[Any]:
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]


def _distribution(module: str) -> str:
    name = module.replace("_", "-")
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name
