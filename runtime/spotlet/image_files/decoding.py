"""Reads image files: upright, (H, W, 3) uint8 BGR, for training and device alike."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.errors import SourceError
from spotlet.image_files.blocks import tiff_plane, tiff_tags, with_tiff_numbers
from spotlet.image_files.files import quiet_opencv
from spotlet.image_files.headers import (
    START_BYTES,
    deep_planes,
    image_format,
    sample_range,
    stored_size_hw,
    undecodable,
)
from spotlet.image_files.orientation import (
    SIDEWAYS,
    TIFF_ORIENTATION,
    UPRIGHT,
    exif_orientation,
)
from spotlet.image_files.pixels import exceed, in_eight_bits, turned
from spotlet.image_files.sequences import is_animated
from spotlet.letterbox import ImageArray

_CANNOT = {
    "HEIC": "save it as JPEG; on an iPhone, Settings > Camera > Formats > Most Compatible does so",
    "JPEG XL": "save it as JPEG or PNG",
    "AVIF": "a newer opencv-python-headless may; or save it as JPEG or PNG",
}
"""What to do about formats that OpenCV, or an old one, cannot decode."""

_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""All pictures are turned here: OpenCV 4.10 to 5.0 turns neither all formats nor all kinds of
EXIF blocks. Of TIFF it ignores the flag; see `_decode_tiff`."""

_PAM_SIZES = b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"

_TILE_WIDTH, _ALPHA = 322, 338
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
"""TIFF's tags of tiles and of extra samples, and what it says of the first of those (TIFF 6.0,
sections 15 and 18)."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """A picture, and what had to be guessed.

    Attributes:
        image: (H, W, 3) uint8 BGR, upright.
        guessed_bits: how many bits were taken for a 16-bit picture that states no white; None for
            others, and if it fills all bits.
        animated: whether it is the first picture of an animation.
    """

    image: ImageArray
    guessed_bits: int | None = None
    animated: bool = False


def read_image(path: str | Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, turned as its orientation says.

    Grey and transparent images are converted. Alpha is dropped: the colours are those that are
    stored, whatever their alpha, and those that a TIFF stores multiplied by it are divided.
    Samples of more than 8 bits are scaled by the white value that the file states: TIFF's
    BitsPerSample, MaxSampleValue or OME's SignificantBits, PNG's sBIT, PGM's maxval. If a file of
    16 bits states none, white is the largest value of the fewest bits, of 8, 10, 12, 14 and 16
    (15 with a sign), that hold its samples; see `pixels.exceed`.

    Raises:
        SourceError: the file cannot be read or is not a complete image.
    """
    return read_file(path).image


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
    return decode_content(bytes(content), name).image


def guessed_bits(content: bytes) -> int | None:
    """Returns how many bits were taken for a 16-bit image that states none; None for others."""
    try:
        return decode_content(content, "the image").guessed_bits if sample_range(content) else None
    except SourceError:
        return None


def read_file(path: str | Path) -> DecodedImage:
    """Returns the image in a file; see `read_image`."""
    return decode_content(_read_bytes(path), str(path))


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


def decode_content(content: bytes, name: str) -> DecodedImage:
    """Returns the image in a file's content; see `decode_image`."""
    kind = image_format(content[:START_BYTES])
    if fault := undecodable(content):
        raise SourceError(f"{name}: {fault}")
    stored = sample_range(content)
    decode = _decode_tiff if kind == "TIFF" else _imdecode
    if content[:2] == b"P7":
        decode = _decode_pam
    bits = None
    with quiet_opencv():
        image = None if stored is None else decode(content, _STORED | cv2.IMREAD_ANYDEPTH)
        if image is not None and stored is not None:
            if image.dtype.kind == "i" and exceed(~image, -1):
                raise SourceError(f"{name}: samples below 0; save them without a sign")
            image, bits = in_eight_bits(image, stored)
        else:
            image = decode(content, _STORED)
            if image is not None and image.dtype != np.uint8:  # its header contradicts itself
                image = None
        # Of one that is cut short, after which no trailer comes, FFmpeg would decode a part.
        if image is None and kind == "GIF" and content.rstrip(b"\0").endswith(b";"):
            image = _first_picture(content)
    if image is None and kind in _CANNOT:
        raise SourceError(
            f"{name}: {kind}, which OpenCV {cv2.__version__} cannot decode, or a damaged one; "
            f"{_CANNOT[kind]}"
        )
    if image is None and kind == "TIFF":
        raise SourceError(
            f"{name}: a TIFF that OpenCV cannot decode, or a damaged one; save it as grey or RGB, "
            "with 8 or 16 bits, in strips, without compression or with LZW"
        )
    if image is None:
        raise SourceError(f"{name}: not an image that OpenCV can decode, or a damaged one")
    return DecodedImage(turned(image, exif_orientation(content)), bits, is_animated(content))


def _decode_tiff(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    """Returns the samples of a TIFF as they are stored; OpenCV turns them and applies alpha."""
    numbers = {TIFF_ORIENTATION: UPRIGHT}
    alpha = tiff_tags(content).get(_ALPHA, (_UNSPECIFIED,))[0]
    if alpha == _UNASSOCIATED:
        numbers[_ALPHA] = _UNSPECIFIED
    content = with_tiff_numbers(content, numbers)
    if (planes := deep_planes(content)) > 1:  # OpenCV mixes them up
        order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(planes, [0, 0, 0])
        parts = [_imdecode(tiff_plane(content, plane, planes), flags) for plane in order]
        found = [part[..., 0] for part in parts if part is not None]
        samples = np.dstack(found) if len(found) == len(order) else None
    else:
        samples = _imdecode(content, cv2.IMREAD_UNCHANGED if alpha == _ASSOCIATED else flags)
        if samples is None or samples.shape[2:] not in ((3,), (4,)):
            samples = _imdecode(content, flags)
    if samples is None or samples.shape[2] == 3:
        return samples
    colours = samples[..., :3]
    if alpha == _ASSOCIATED and samples.dtype.kind == "u":
        most = np.iinfo(samples.dtype).max
        divided = colours.astype(np.uint32) * most // np.maximum(samples[..., 3:], 1)
        colours = np.minimum(divided, most).astype(samples.dtype)
    return np.ascontiguousarray(colours)


def _decode_pam(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    """Returns the samples of a PAM, of which OpenCV swaps red and blue and garbles alpha.

    Source: Netpbm, pam(5): a grey or RGB tuple for each pixel, alpha last; the high byte first.
    """
    header, end, samples = content.partition(b"\nENDHDR\n")
    sizes = dict(re.findall(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,9})\s*$", header, re.MULTILINE))
    if not end or len(sizes) < 4:
        return None
    width, height, depth, most = (int(sizes[key]) for key in _PAM_SIZES)
    kind = np.dtype(">u2" if most > 255 else np.uint8)
    count = width * height * depth
    if not 0 < count <= len(samples) // kind.itemsize or depth > 4 or not 0 < most < 2**16:
        return None
    pixels = np.frombuffer(samples, kind, count).reshape(height, width, depth)
    order = [2, 1, 0] if depth > 2 else [0, 0, 0]
    return pixels[:, :, order].astype(kind.newbyteorder("="))


def _imdecode(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    try:
        # OpenCV raises for an empty buffer and for a size over its limit.
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if image is None and _TILE_WIDTH in tiff_tags(content):
            # From memory, libtiff refuses uncompressed tiles of other than whole kibibytes.
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.tif"
                path.write_bytes(content)
                image = cv2.imread(str(path), flags)
    except cv2.error:
        return None
    return image


def _first_picture(content: bytes) -> ImageArray | None:
    """Returns the first picture of a GIF through FFmpeg, for an OpenCV that cannot decode it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gif"
        path.write_bytes(content)
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        decoded, image = capture.read()
        capture.release()
    return np.asarray(image, np.uint8) if decoded else None
