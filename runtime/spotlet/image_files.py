"""Image files: which they are, and what is in them; OpenCV kept quiet meanwhile."""

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

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread is there

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as an image, in lower case."""

_SILENT = 0  # of OpenCV's levels, which 4.x has no names for in Python

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


def read_image(path: str | Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, turned as its EXIF orientation says.

    Grey, 16-bit and transparent images are converted; alpha is dropped.

    Raises:
        SourceError: the file cannot be read or is not a whole image.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_image(content, name=str(path))


def decode_image(
    content: bytes | bytearray | npt.NDArray[np.uint8], *, name: str = "the image"
) -> ImageArray:
    """Returns the image in the content of a file, as `read_image` does.

    Args:
        content: of the file.
        name: what an error calls it.

    Raises:
        SourceError: it is not a whole image, or has more pixels than OpenCV allows, which the
            environment variable `OPENCV_IO_MAX_IMAGE_PIXELS` sets before OpenCV is imported.
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
        suffix: of the format, one of `IMAGE_SUFFIXES`; None takes that of `path`.

    Raises:
        OutputError: it cannot be encoded or written.
    """
    encoded, content = cv2.imencode(suffix or path.suffix, image_bgr)
    if not encoded:
        raise OutputError(f"{path}: OpenCV cannot encode this image")
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.tobytes())


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV and its FFmpeg from writing to standard error meanwhile, in all threads.

    Spotlet reports those failures in its own words. FFmpeg reads its variable once a process, at
    the first video; a value that the user has set is kept.
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
