"""Spotlet's runtime: a frame in, detections out, without torch."""

from spotlet.detections import Detection, Detections
from spotlet.detector import Detector
from spotlet.errors import SpotletError
from spotlet.session import SessionSettings
from spotlet.streams import Frame, open_stream

__all__ = [
    "Detection",
    "Detections",
    "Detector",
    "Frame",
    "SessionSettings",
    "SpotletError",
    "open_stream",
]
