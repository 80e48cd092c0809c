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

PLUGIN_PREFIX = "onnxruntime_ep_"
"""How the modules of such packages are called, by onnxruntime's rules for packaging."""

OPENVINO = "OpenVINOExecutionProvider"

DEVICE_KEY = "ov_device"
"""Where OpenVINO's plugin says what it calls a device."""


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

    A package that cannot be imported, or does not say what it holds, is left out.
    """
    if not hasattr(ort, "register_execution_provider_library"):  # before onnxruntime 1.23
        return {}
    found: dict[str, Plugin] = {}
    for info in pkgutil.iter_modules():
        if info.name.startswith(PLUGIN_PREFIX):
            try:
                module = importlib.import_module(info.name)
                provider, library = str(module.get_ep_name()), str(module.get_library_path())
            except Exception:  # whatever a foreign package raises, the others still work
                continue
            found[provider] = Plugin(provider, _distribution(info.name), library)
    return found


def add_plugin(
    options: ort.SessionOptions, plugin: Plugin, *, threads: int, reduced_precision: bool
) -> bool:
    """Makes a session take a plugin's provider first; the CPU does what it cannot.

    Args:
        options: of the session, changed in place.
        plugin: its library is loaded unless it was before.
        threads: for one inference; 0 leaves it to the provider.
        reduced_precision: whether it may compute in less than the file's precision.

    Returns:
        Whether there is a device for it here.
    """
    devices = _devices(plugin.provider)
    if not devices:
        try:
            ort.register_execution_provider_library(plugin.package, plugin.library)
        except Exception:  # onnxruntime's exceptions share no public base class
            return False
        devices = _devices(plugin.provider)
    if not devices:
        return False
    device = devices[0]
    given = provider_options(
        plugin.provider,
        device.ep_metadata.get(DEVICE_KEY, "CPU"),
        threads=threads,
        reduced_precision=reduced_precision,
    )
    options.add_provider_for_devices([device], dict(given))
    return True


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


def _devices(provider: str) -> list[Any]:
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]


def _distribution(module: str) -> str:
    name = module.replace("_", "-")
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name
