"""Execution providers that come as packages of their own: plugins of onnxruntime.

`pip install onnxruntime-ep-openvino` brings one. Such a package holds a library that onnxruntime
loads when it is told to, and says what the providers in it are called. Nothing is loaded before
somebody asks for one of them.
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
"""How the modules of such packages are called, by onnxruntime's rules for packaging."""

OTHER_PLUGINS = ("onnxruntime_qnn",)
"""Modules of packages that are plugins too, and keep to the rest of those rules."""

OPENVINO, CUDA = "OpenVINOExecutionProvider", "CUDAExecutionProvider"

DEVICE_KEY = "ov_device"
"""Where OpenVINO's plugin says what it calls a device."""

_loaded: set[str] = set()
"""Libraries that onnxruntime has loaded into this process: it refuses to do so twice, and does not
tell which they are where they have no device."""


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
    """Returns the plugins that are installed, by their provider's name.

    A package that cannot be imported, or does not say what it holds, is one of `broken_plugins`.
    """
    return _survey()[0]


def broken_plugins() -> dict[str, str]:
    """Returns why installed plugins are of no use, by the name of their module."""
    return _survey()[1]


def plugin_devices(plugin: Plugin) -> tuple[list[Any], str | None]:
    """Loads a plugin's library, unless it was before.

    Args:
        plugin: one that is installed.

    Returns:
        onnxruntime's devices for it, and why there are none, in words; None where there are.
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
    """Makes a session take a plugin's provider first; the CPU does what it cannot.

    Args:
        options: of the session, changed in place unless there is a reason not to.
        plugin: its library is loaded unless it was before.
        threads: for one inference; 0 leaves it to the provider.
        reduced_precision: whether it may compute in less than the file's precision.

    Returns:
        Why it cannot be had, in words; None where it can.
    """
    devices, why = plugin_devices(plugin)
    if why is not None:
        return why
    device = devices[0]
    given = provider_options(
        plugin.provider,
        device.ep_metadata.get(DEVICE_KEY, "CPU"),
        threads=threads,
        reduced_precision=reduced_precision,
    )
    options.add_provider_for_devices([device], dict(given))
    return None


def provider_options(
    provider: str, device: str, *, threads: int, reduced_precision: bool
) -> Mapping[str, str]:
    """Returns what a provider is told, so that it computes in the file's own precision.

    OpenVINO takes bfloat16 by itself on processors that multiply it, which moves scores by 0.004:
    more than `spotlet check` allows a float32 network.

    Args:
        provider: onnxruntime's name of it.
        device: what the provider calls the device.
        threads: for one inference; 0 leaves it to the provider.
        reduced_precision: whether it may compute in less.

    Example:
        >>> provider_options(OPENVINO, "CPU", threads=2, reduced_precision=True)
        {'load_config': '{"CPU": {"INFERENCE_NUM_THREADS": "2"}}'}
    """
    if provider != OPENVINO:
        return {}
    told = {} if reduced_precision else {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        told["INFERENCE_NUM_THREADS"] = str(threads)
    return {"load_config": json.dumps({device: told})} if told else {}


def own_provider_options(
    provider: str, *, threads: int, reduced_precision: bool
) -> Mapping[str, str]:
    """Returns the same for a provider that onnxruntime has itself, without a plugin.

    CUDA rounds the factors of float32 convolutions to 10 bits of mantissa (TF32) unless it is told
    not to.

    Example:
        >>> own_provider_options("CUDAExecutionProvider", threads=0, reduced_precision=False)
        {'use_tf32': '0'}
    """
    if provider == CUDA:
        return {} if reduced_precision else {"use_tf32": "0"}
    return provider_options(provider, "CPU", threads=threads, reduced_precision=reduced_precision)


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
