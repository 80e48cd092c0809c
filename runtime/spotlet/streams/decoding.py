"""Which decoder turns a video into pictures: the CPU, or one in hardware where OpenCV has it."""

import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2

from spotlet.errors import SourceError
from spotlet.streams.frame import Reader
from spotlet.streams.part import PartCapture
from spotlet.streams.source import Source

logger = logging.getLogger("spotlet.streams")

Decoder = Literal["auto", "cpu", "hw"]
"""What is asked for: hardware where it pays, never, or wherever it can be had."""

CPU = "cpu"
OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
HARDWARE_CODEC = re.compile(
    r"(?:^|\|)video_codec;(\w+_(?:v4l2m2m|cuvid|qsv|mmal|rkmpp|mediacodec|omx|amf|nvmpi))(?=\||$)"
)
"""In that variable, a codec of FFmpeg, or of its builds for boards, that decodes in hardware."""

_KINDS = ("D3D11", "VAAPI", "MFX", "DRM")
_NAMES = {
    getattr(cv2, f"VIDEO_ACCELERATION_{kind}"): kind.lower()
    for kind in _KINDS
    if hasattr(cv2, f"VIDEO_ACCELERATION_{kind}")  # OpenCV 4.10 has no DRM
} | {1 << 11: "cuda"}  # which OpenCV returns without a name for it


class HardwareError(SourceError):
    """A decoder in hardware was opened, and decoded no picture."""


def allow_all_hardware() -> None:
    """Lets OpenCV try more than its own choice, which is Intel's newer driver alone on Linux.

    Without the variable OpenCV prefers TCP for RTSP, so with it that must be said. A value that the
    user has set is kept.
    """
    if sys.platform == "linux":
        kinds = ["vaapi", "cuda"] + ["drm"] * ("drm" in _NAMES.values())
        options = f"rtsp_flags;prefer_tcp|hw_decoders_any;{','.join(kinds)}"
        os.environ.setdefault(OPTIONS_VARIABLE, options)


def hardware_settings(hardware: bool) -> list[int]:
    """Returns OpenCV's settings to try hardware first, or none: then it does not try it."""
    return [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_ANY] if hardware else []


def decoder_of(capture: cv2.VideoCapture | PartCapture) -> str | None:
    """Returns the decoder of an open capture: `cpu`, or the hardware's, such as `vaapi`.

    If the user's variable names one of FFmpeg's codecs for hardware, such as `h264_v4l2m2m`, it is
    that one. None if FFmpeg does not decode, as for cameras.
    """
    if capture.get(cv2.CAP_PROP_BACKEND) != cv2.CAP_FFMPEG:
        return None
    kind = int(capture.get(cv2.CAP_PROP_HW_ACCELERATION))
    if kind > 0:
        return _NAMES.get(kind, f"hardware {kind}")
    named = HARDWARE_CODEC.search(os.environ.get(OPTIONS_VARIABLE, ""))
    return named[1] if named else CPU


class ReaderOpener:
    """Opens the reader of a source, once for each connection.

    If the hardware decodes no picture and the CPU does, the source stays with the CPU. That, and
    that there is no hardware for `hw`, is logged as a warning, once.
    """

    def __init__(
        self, source: Source, decoder: Decoder, open_with: Callable[[Decoder], Reader]
    ) -> None:
        """Prepares to open a source.

        Args:
            source: a file, a camera or a URL.
            decoder: `auto` is for live URLs only, see `open_stream`.
            open_with: opens it.
        """
        self._source = source
        self._asked: Decoder = decoder
        self._decoder: Decoder = decoder
        self._open_with = open_with

    def __call__(self) -> Reader:
        """Returns the open reader.

        Raises:
            SourceError: it cannot be opened, or its first frame cannot be decoded.
        """
        try:
            reader = self._open_with(self._decoder)
        except HardwareError as error:
            if Path(str(self._source.location)).is_fifo():  # it can be opened once
                raise
            reader = self._open_with("cpu")
            self._keep_to_cpu(str(error).removeprefix(f"{self._source.name}: "))
        if self._decoder == "hw" and reader.decoder in (CPU, None):
            self._keep_to_cpu(
                "no decoder in hardware takes it; `spotlet doctor` shows what is there"
            )
        return reader

    def _keep_to_cpu(self, reason: str) -> None:
        self._decoder = "cpu"
        logger.warning(
            "%s: decoder %s: %s; decoded on the CPU", self._source.name, self._asked, reason
        )
