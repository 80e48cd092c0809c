"""Spotlet's runtime: a frame in, detections out, without torch.

A name is loaded when it is first used: `spotlet --help` needs neither numpy nor
onnxruntime, and a program that feeds its own frames needs no streams.

Importing spotlet does one thing: it turns off onnxruntime's telemetry, which is too late once
onnxruntime is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from spotlet.telemetry import turn_off_telemetry

if TYPE_CHECKING:
    from spotlet.detections import Detection, Detections
    from spotlet.detector import Detector
    from spotlet.errors import SpotletError
    from spotlet.session import SessionSettings
    from spotlet.streams import Frame, open_stream
    from spotlet.tiles import TileSettings
    from spotlet.tracking import Tracker

__all__ = [
    "Detection",
    "Detections",
    "Detector",
    "Frame",
    "SessionSettings",
    "SpotletError",
    "TileSettings",
    "Tracker",
    "open_stream",
]

_MODULES = {
    "Detection": "detections",
    "Detections": "detections",
    "Detector": "detector",
    "Frame": "streams",
    "SessionSettings": "session",
    "SpotletError": "errors",
    "TileSettings": "tiles",
    "Tracker": "tracking",
    "open_stream": "streams",
}

TELEMETRY_FAULT = turn_off_telemetry()
"""Why onnxruntime's telemetry may still be on, as text; None if it is off."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
