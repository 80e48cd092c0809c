"""Reads and writes image files, and silences OpenCV."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.atomic import atomic_file
from spotlet.errors import OutputError, SourceError
from spotlet.letterbox import ImageArray

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread starts

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Suffixes of image files, in lower case."""

_SILENT = 0  # OpenCV's log level, which has no name in Python in 4.x

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


def read_image(path: str | Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, rotated by its EXIF orientation.

    Grey, 16-bit and transparent images are converted; alpha is dropped.

    Raises:
        SourceError: the file cannot be read or is not a complete image.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_image(content, name=str(path))


def decode_image(
    content: bytes | bytearray | npt.NDArray[np.uint8], *, name: str = "the image"
) -> ImageArray:
    """Returns the image in a file's content, as `read_image` does.

    Args:
        content: of the file.
        name: of the image, for errors.

    Raises:
        SourceError: it is not a complete image, or has more pixels than OpenCV allows; the
            environment variable `OPENCV_IO_MAX_IMAGE_PIXELS`, read at its import, sets the limit.
    """
    with quiet_opencv():
        try:
            # OpenCV raises for an empty buffer and for a size over its limit.
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
    if image is None:
        raise SourceError(f"{name}: not an image that OpenCV can decode, or a damaged one")
    return np.asarray(image, np.uint8)


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
