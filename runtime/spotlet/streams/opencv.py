"""OpenCV's captures, with workarounds for live streams."""

import os
import re
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import SourceError
from spotlet.image_files.files import quiet_opencv
from spotlet.library_paths import path_for_library
from spotlet.streams.decoding import Decoder, hardware_settings
from spotlet.streams.part import PartCapture
from spotlet.streams.source import Source
from spotlet.streams.upright import Orientation, orientation_of_angle
from spotlet.text.credentials import needs_encoding

NOT_OPENED = {
    "video": "not a video that OpenCV can decode, or a damaged one",
    "camera": "no such camera, or another program uses it",
    "url": "cannot be reached, or no frame of it can be decoded",
}
"""Why a source cannot be opened, by its kind."""

ENCODE_HINT = "; in a user or password, write @ as %40, / as %2F, ? as %3F, # as %23, % as %25"

SMALL_PICTURE_PIXELS = 1280 * 720
"""Up to this size decoding costs a small share of a core next to any network; a 4K picture takes
several times as long as a small network, and decoding on one core would delay the others."""

_LONGEST_MS = 2**31 - 1  # OpenCV's settings are of 32 bits


def allow_opening_at_once() -> None:
    """Lets several URLs be opened at the same time; must be called before their threads start.

    Otherwise one URL that does not answer blocks the opening of all others in the process. The
    versions of FFmpeg that OpenCV is built with do not need that lock.
    """
    os.environ.setdefault("OPENCV_FFMPEG_IS_THREAD_SAFE", "1")


def open_capture(
    source: Source,
    open_seconds: float,
    read_seconds: float,
    *,
    live: bool = False,
    spare_cores: bool = True,
    hardware: bool = False,
) -> cv2.VideoCapture:
    """Returns the open capture.

    Args:
        source: a file, a camera or a URL.
        open_seconds: how long a URL may take to open.
        read_seconds: how long a frame of a URL may take.
        live: frames of a URL must not be delayed, so they are decoded on one core.
        spare_cores: if false, a file of small pictures is decoded on one core as well.
        hardware: try a decoder in hardware first; not for cameras.

    Raises:
        SourceError: it cannot be opened.
    """
    capture = cv2.VideoCapture()
    tried = hardware_settings(hardware)
    with quiet_opencv():
        if source.kind == "url":
            settings = {
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: _milliseconds(open_seconds),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC: _milliseconds(read_seconds),
            }
            if live:  # with N threads a frame is up to N - 1 frames late
                settings[cv2.CAP_PROP_N_THREADS] = 1
            pairs = [number for setting in settings.items() for number in setting] + tried
            opened = capture.open(str(source.location), cv2.CAP_FFMPEG, pairs)
        elif source.kind == "camera":
            index = _camera_index(source.location)
            opened = index is not None and capture.open(index)
        else:
            with path_for_library(str(source.location)) as path:
                if Path(path).is_fifo():  # it can be opened once
                    opened = capture.open(path, cv2.CAP_FFMPEG, tried)
                else:
                    on_one = source.kind == "video" and not spare_cores
                    opened = (
                        (on_one and _open_on_one_core(capture, path, tried))
                        or (hardware and capture.open(path, cv2.CAP_FFMPEG, tried))
                        or capture.open(path)
                    )
    if not opened:
        hint = ENCODE_HINT if needs_encoding(str(source.location)) else ""
        raise SourceError(f"{source.name}: {NOT_OPENED[source.kind]}{hint}")
    return capture


def _camera_index(location: str | int) -> int | None:
    """Returns a camera's index, of a device file or a link to one too; None if it is not there."""
    if isinstance(location, int):
        return location
    found = re.fullmatch(r"/dev/video(\d+)", str(Path(location).resolve()))
    return int(found[1]) if found and Path(location).exists() else None


def _open_on_one_core(capture: cv2.VideoCapture, path: str, settings: list[int]) -> bool:
    """Opens a file; returns False if that fails or its pictures are large."""
    if not capture.open(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *settings]):
        return False
    return _has_small_pictures(capture)


def part_settings(capture: cv2.VideoCapture, decoder: Decoder) -> list[int]:
    """Returns OpenCV's settings for the decoder of an open source's packets."""
    pays = decoder == "auto" and not _has_small_pictures(capture)
    return hardware_settings(decoder == "hw" or pays)


def _has_small_pictures(capture: cv2.VideoCapture) -> bool:
    sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
    return capture.get(sides[0]) * capture.get(sides[1]) <= SMALL_PICTURE_PIXELS


def _milliseconds(seconds: float) -> int:
    return round(min(max(seconds * 1000, 1), _LONGEST_MS))


def take_over_orientation(capture: cv2.VideoCapture) -> Orientation:
    """Keeps a capture from turning its pictures; returns how they become upright.

    OpenCV would turn pictures, but take mirrored ones for turned ones.
    """
    if not capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0):
        return Orientation()
    return orientation_of_angle(capture.get(cv2.CAP_PROP_ORIENTATION_META))


def read_pixel_aspect(capture: cv2.VideoCapture | PartCapture) -> float:
    """Returns a stored pixel's width by its height; 1 if the source does not say."""
    wide, high = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    return wide / high if wide > 0 and high > 0 else 1.0


def read_as_jpegs(source: Source, capture: cv2.VideoCapture) -> bool:
    """Switches a URL of an MJPEG stream to whole JPEG files; returns whether it could.

    FFmpeg would decode half a file into garbage, and scale a picture of another size to that of
    the first.
    """
    return (
        source.kind == "url"
        and int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        and capture.set(cv2.CAP_PROP_FORMAT, -1)
    )


def extradata_of(capture: cv2.VideoCapture) -> bytes:
    """Returns what a decoder needs before the packets that are read; empty if nothing."""
    there, extra = capture.retrieve(flag=int(capture.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
    return np.asarray(extra, np.uint8).tobytes() if there and extra is not None else b""


def fourcc_of(capture: cv2.VideoCapture) -> str:
    """Returns the codec as OpenCV names it."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFF_FFFF
    return code.to_bytes(4, "little").decode("latin-1")


def packet_capture(path: Path) -> cv2.VideoCapture | None:
    """Returns an open capture whose `grab` reads a packet and decodes nothing; None if it fails."""
    capture = cv2.VideoCapture()
    with quiet_opencv(), path_for_library(path) as name:
        opened = capture.open(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])  # none decodes
        if opened and capture.set(cv2.CAP_PROP_FORMAT, -1):
            return capture
    capture.release()
    return None
