"""Reads and writes image files, and silences OpenCV."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.atomic import atomic_file
from spotlet.errors import OutputError, SourceError
from spotlet.image_files.headers import (
    SIDEWAYS,
    START_BYTES,
    exif_orientation,
    image_format,
    is_animated_gif,
    is_motion_jpeg,
    sample_range,
    stored_size_hw,
    tiff_bits,
)
from spotlet.image_files.pixels import fewest_bits, in_eight_bits, turned
from spotlet.letterbox import ImageArray

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread starts

IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Suffixes of image files, in lower case. Files of other suffixes are recognised by content."""

RAW_SUFFIXES = frozenset({
    ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw",
})  # fmt: skip
"""Suffixes of a camera's raw files. Many are TIFFs, of which OpenCV would decode the preview."""

OTHER_SUFFIXES = RAW_SUFFIXES | frozenset({
    ".avi", ".bak", ".cache", ".crdownload", ".csv", ".json", ".md", ".mjpeg", ".mjpg", ".mkv",
    ".mov", ".mp4", ".ndjson", ".npy", ".orig", ".part", ".py", ".thm", ".tmp", ".txt", ".webm",
    ".wmv", ".xml", ".yaml", ".yml",
})  # fmt: skip
"""Suffixes of files that do not count as images of a folder, whatever their content."""

_CANNOT = {
    "HEIC": "save it as JPEG; on an iPhone, Settings > Camera > Formats > Most Compatible does so",
    "JPEG XL": "save it as JPEG or PNG",
    "AVIF": "a newer opencv-python-headless may; or save it as JPEG or PNG",
}
"""What to do about formats that OpenCV, or an old one, cannot decode."""

_TURNED_HERE = frozenset({"AVIF", "WebP"})
"""Formats whose orientation is applied here: OpenCV, 4.10 and 5.0, applies it to JPEG, PNG and
TIFF, only 5.0 to WebP, and neither to AVIF."""

_SILENT = 0  # OpenCV's log level, which has no name in Python in 4.x

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


def is_image_file(path: Path) -> bool:
    """Whether a file is an image: by its suffix or, if that is no usual one, by its content."""
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or (
        suffix not in OTHER_SUFFIXES and path.is_file() and content_kind(path) == "image"
    )


def content_kind(path: Path) -> Literal["image", "video"] | None:
    """Returns what a file's first bytes show; None if they show neither, or cannot be read."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
            kind = image_format(start)
            if kind == "GIF":
                return "video" if is_animated_gif(start + file.read()) else "image"
            if kind == "JPEG" and suffix not in IMAGE_SUFFIXES:
                return "video" if is_motion_jpeg(start + file.read()) else "image"
    except OSError:
        return None
    if kind is not None:
        return None if suffix in RAW_SUFFIXES else "image"
    containers = start[4:8] == b"ftyp", start[8:12] == b"AVI ", start[:4] == b"\x1a\x45\xdf\xa3"
    return "video" if any(containers) else None


def read_image(path: str | Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, turned as its orientation says.

    Grey and transparent images are converted; alpha is dropped. Samples of more than 8 bits are
    scaled by the white value that the file states: TIFF's BitsPerSample, MaxSampleValue or OME's
    SignificantBits, PNG's sBIT, PGM's maxval. If a file of 16 bits states none, white is the
    largest value of the fewest bits, of 8, 10, 12, 14 and 16, that hold all its samples.

    Raises:
        SourceError: the file cannot be read or is not a complete image.
    """
    return decode_image(_read_bytes(path), name=str(path))


def read_image_size(path: str | Path) -> tuple[int, int]:
    """Returns height and width of the image that `read_image` returns, if possible undecoded.

    Raises:
        SourceError: the file cannot be read or is not an image.
    """
    content = _read_bytes(path)
    size_hw = stored_size_hw(content)
    if size_hw is None:
        image = decode_image(content, name=str(path))
        return image.shape[0], image.shape[1]
    return size_hw[::-1] if exif_orientation(content) in SIDEWAYS else size_hw


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


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
    whole = bytes(content)
    kind = image_format(whole[:START_BYTES])
    stored = sample_range(whole)
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if kind in _TURNED_HERE else 0)
    with quiet_opencv():
        image = None if stored is None else _imdecode(whole, flags | cv2.IMREAD_ANYDEPTH)
        if image is not None and stored is not None:
            image = in_eight_bits(image, stored)
        else:
            image = _imdecode(whole, flags)
        if image is None and kind == "GIF":
            image = _first_picture(whole)
    if image is None and kind in _CANNOT:
        raise SourceError(
            f"{name}: {kind}, which OpenCV {cv2.__version__} cannot decode, or a damaged one; "
            f"{_CANNOT[kind]}"
        )
    if image is None and kind == "TIFF" and (bits := tiff_bits(whole)) > 16:
        raise SourceError(f"{name}: a TIFF of {bits} bits a sample; save it with 8 or 16 bits")
    if image is None:
        raise SourceError(f"{name}: not an image that OpenCV can decode, or a damaged one")
    return turned(image, exif_orientation(whole)) if kind in _TURNED_HERE else image


def guessed_bits(content: bytes) -> int | None:
    """Returns how many bits were taken for a 16-bit image that states none; None for others."""
    stored = sample_range(content)
    if stored is None or stored.most is not None or stored.upper:
        return None
    with quiet_opencv():
        samples = _imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    bits = 16 if samples is None else fewest_bits(int(samples.max()))
    return bits if bits < 16 else None


def _imdecode(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    try:
        # OpenCV raises for an empty buffer and for a size over its limit.
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        return None


def _first_picture(content: bytes) -> ImageArray | None:
    """Returns the first picture of a GIF through FFmpeg, for an OpenCV that cannot decode it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gif"
        path.write_bytes(content)
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        decoded, image = capture.read()
        capture.release()
    return np.asarray(image, np.uint8) if decoded else None


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
