"""`spotlet doctor`: what this installation and machine can do."""

import argparse
import importlib.util
import json
import platform
import tempfile
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from cv2 import videoio_registry

from spotlet import TELEMETRY_FAULT
from spotlet.cores import usable_cores
from spotlet.distributions import origin
from spotlet.errors import SpotletError
from spotlet.model.package import bundled_models
from spotlet.model.plugins import broken_plugins, installed_plugins, plugin_devices
from spotlet.model.providers import (
    REMOTE_PROVIDERS,
    library_fault,
    short_provider_name,
    usable_providers,
)
from spotlet.sinks import VideoSink
from spotlet.sinks.window import window_toolkit, windows_remedy
from spotlet.streams import open_stream
from spotlet.streams.hardware import find_devices, try_hardware
from spotlet.text.terminal import table

EXTRAS = {
    "evaluation": ("faster_coco_eval",),
    "training": ("torch", "safetensors", "yaml", "faster_coco_eval"),
    "export": ("torch", "onnx", "onnxscript"),
}
"""The modules that each extra installs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(args: argparse.Namespace) -> int:
    """Prints what was found. A missing part is not an error: most are optional."""
    found = {
        "spotlet": metadata.version("spotlet"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": usable_cores(),
        "numpy": np.__version__,
        "onnxruntime": ort.__version__,
        "onnxruntime from": origin("onnxruntime"),
        "onnxruntime telemetry": "off"
        if TELEMETRY_FAULT is None
        else f"may be on: {TELEMETRY_FAULT}",
        "providers": list(usable_providers()),
        **_providers(),
        "opencv": cv2.__version__,
        "opencv from": origin("cv2"),
        "video files": _backends(videoio_registry.getStreamBackends()),
        "cameras": _backends(videoio_registry.getCameraBackends()),
        "decodes in hardware": try_hardware(),
        "decoding devices": find_devices() or "none: no /dev/dri/renderD*, no V4L2 decoder",
        "windows (--show)": window_toolkit() or f"none; {windows_remedy()}",
        "writes .mp4": _writes_video(".mp4"),
        "writes .avi": _writes_video(".avi"),
        **{f"extra [{extra}]": _extra(extra) for extra in EXTRAS},
        "bundled models": list(bundled_models()) or "none",
    }
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print(table([(key, _plain(value)) for key, value in found.items()]))
    return 0


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _providers() -> dict[str, str]:
    """Returns where each provider comes from, and whether it can be used."""
    plugins = installed_plugins()
    found = {}
    for name, source in usable_providers().items():
        if name in plugins:
            devices, fault = plugin_devices(plugins[name])
            kinds = ", ".join(dict.fromkeys(str(each.device.type.name) for each in devices))
            state = f"; device {kinds}"
        else:
            fault, state = library_fault(name), ""
        state = state if fault is None else f"; cannot be used: {fault}"
        found[f"provider {short_provider_name(name)}"] = source + state
    for name in set(REMOTE_PROVIDERS) & set(ort.get_available_providers()):
        refused = f"onnxruntime {ort.__version__}; refused: computes on a server"
        found[f"provider {short_provider_name(name)}"] = refused
    broken = broken_plugins()
    return found | {f"plugin {module}": f"cannot be used: {why}" for module, why in broken.items()}


def _backends(backends: object) -> list[str]:
    assert isinstance(backends, list | tuple)
    # Some of the listed ones are plugins that are not installed.
    present = (backend for backend in backends if videoio_registry.hasBackend(backend))
    return list(dict.fromkeys(map(videoio_registry.getBackendName, present)))


def _writes_video(suffix: str) -> str:
    """Returns `yes` if a video written here can be read back."""
    frame_count = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"try{suffix}"
        try:
            sink = VideoSink(path)
            for _ in range(frame_count):
                sink.write_image(np.full((48, 64, 3), 128, np.uint8))
            sink.close()
            with open_stream(path) as stream:
                read_back = sum(1 for _ in stream)
        except SpotletError as error:
            return f"no: {error}"
    return (
        "yes" if read_back == frame_count else f"no: {read_back} of {frame_count} frames read back"
    )


def _extra(extra: str) -> str:
    missing = [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]
    if not missing:
        return "installed"
    return f'{", ".join(missing)} missing; pip install "spotlet[{extra}]"'
