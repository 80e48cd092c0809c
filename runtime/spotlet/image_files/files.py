"""Which files are images; writes them, and silences OpenCV."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2

from spotlet.atomic import atomic_file
from spotlet.errors import OutputError
from spotlet.image_files.headers import (
    START_BYTES,
    image_format,
)
from spotlet.image_files.sequences import LOOKED_AT, is_video
from spotlet.letterbox import ImageArray

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread starts

IMAGE_SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Suffixes of image files, in lower case. Files of other suffixes are recognised by content."""

_MOTION_JPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})

RAW_SUFFIXES = frozenset({
    ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw",
})  # fmt: skip
"""Suffixes of a camera's raw files. Many are TIFFs, of which OpenCV would decode the preview."""

UNREADABLE_SUFFIXES = RAW_SUFFIXES | frozenset({
    ".dds", ".exr", ".hdr", ".ico", ".jxr", ".pcx", ".psd", ".qoi", ".sgi", ".tga", ".xcf",
})  # fmt: skip
"""Suffixes of pictures that OpenCV cannot decode, or not as they are shown, by any content."""

OTHER_SUFFIXES = RAW_SUFFIXES | _MOTION_JPEG_SUFFIXES | frozenset({
    ".avi", ".bak", ".cache", ".crdownload", ".csv", ".json", ".md", ".mkv",
    ".mov", ".mp4", ".ndjson", ".npy", ".orig", ".part", ".py", ".thm", ".tmp", ".txt", ".webm",
    ".wmv", ".xml", ".yaml", ".yml",
})  # fmt: skip
"""Suffixes of files that do not count as images of a folder, whatever their content."""

_SILENT = 0  # OpenCV's log level, which has no name in Python in 4.x

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


def is_image_file(path: Path) -> bool:
    """Whether a file is an image: by its suffix or, if that is not a usual one, by its content."""
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or (
        suffix not in OTHER_SUFFIXES and path.is_file() and content_kind(path) == "image"
    )


def is_unreadable_image(path: Path) -> bool:
    """Whether a file's suffix is that of a picture, and its content is not one that is read."""
    return path.suffix.lower() in UNREADABLE_SUFFIXES and not is_image_file(path)


def content_kind(path: Path) -> Literal["image", "video"] | None:
    """Returns what a file's first bytes show; None if they show neither, or cannot be read.

    A suffix of Motion JPEG always means a video, and one of JPEG a picture.
    """
    suffix = path.suffix.lower()
    if suffix in _MOTION_JPEG_SUFFIXES:
        return "video"
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
            kind = image_format(start)
            if kind in ("GIF", "PNG") or (kind == "JPEG" and suffix not in IMAGE_SUFFIXES):
                file.seek(0)
                return "video" if is_video(file.read(LOOKED_AT)) else "image"
    except OSError:
        return None
    if kind is not None:
        return None if suffix in RAW_SUFFIXES else "image"
    containers = start[4:8] == b"ftyp", start[8:12] == b"AVI ", start[:4] == b"\x1a\x45\xdf\xa3"
    return "video" if any(containers) else None


def write_image(path: Path, image_bgr: ImageArray, suffix: str | None = None) -> None:
    """Writes an image, (H, W, 3) uint8 BGR, atomically.

    Args:
        path: to write to.
        image_bgr: the image.
        suffix: of the format, one of `IMAGE_SUFFIXES`; None: that of `path`.

    Raises:
        OutputError: the image cannot be encoded or written.
    """
    encoded, content = cv2.imencode(suffix or path.suffix, image_bgr)
    if not encoded:
        raise OutputError(f"{path}: OpenCV cannot encode this image")
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.tobytes())


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV and its FFmpeg from writing to standard error inside the block, in all threads.

    Spotlet reports those failures itself. FFmpeg reads its variable once per process, at the first
    video; a value that the user has set is kept.
    """
    global _quiet_blocks, _level_before
    log: Any = getattr(cv2.utils, "logging", cv2)  # the module moved from 4.x to 5
    with _lock:
        if _quiet_blocks == 0:
            _level_before = log.getLogLevel()
            log.setLogLevel(_SILENT)
        _quiet_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _quiet_blocks -= 1
            if _quiet_blocks == 0:
                log.setLogLevel(_level_before)
