"""What the bytes of an image file say before it is decoded: format, bits, end.

Source: ITU-T T.81, annex B (JPEG markers); TIFF 6.0, section 8; PNG 3rd edition, 11.2.1 (IHDR),
11.3.2.6 (sBIT); Netpbm's pnm and pam.
"""

import re
import struct
from dataclasses import dataclass

from spotlet.image_files.blocks import (
    JPEG_START,
    SCAN,
    TIFF_DESCRIPTION,
    png_chunks,
    segments,
    tiff_tags,
)

START_BYTES = 64
"""How much of a file `image_format` needs."""

_JPEG_END = b"\xff\xd9"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\x59\xa6\x6a\x95": "Sun raster",
}
_AVIF_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"miaf"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"})
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_BITS, _PHOTOMETRIC, _CHANNELS, _MOST, _PLANAR, _FORMAT = 258, 262, 277, 281, 284, 339
_COMPRESSION = 259
_UNCOMPRESSED = 1
_LIBTIFF = frozenset({
    _UNCOMPRESSED, 2, 3, 4, 5, 6, 7, 8, 32766, 32771, 32773, 32809, 32909, 32946, 34661, 34676,
    34677, 34887, 34925, 50000, 50001,
})  # fmt: skip
"""The compressions that libtiff knows: it decodes them or, built without one, fails. Of others
OpenCV silently makes a black picture."""
_COMPRESSIONS = {
    22610: "JPEG XR", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    34712: "JPEG 2000", 34892: "lossy JPEG of DNG", 34933: "PNG", 34934: "JPEG XR",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_SIGNED, _FLOAT = 2, 3


def image_format(start: bytes) -> str | None:
    """Returns the format of an image file; None if it is not one.

    Args:
        start: its first `START_BYTES` bytes.

    Example:
        >>> image_format(b"GIF89a and more")
        'GIF'
    """
    for magic, name in _STARTS.items():
        if start.startswith(magic):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[4:8] == b"ftyp":
        if b"avif" in brands(start) and start[8:12] in _AVIF_BRANDS:
            return "AVIF"
        return "HEIC" if start[8:12] in _HEIC_BRANDS else None
    if start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return "PNM" if re.match(rb"P[1-7]\s", start) else None


def brands(start: bytes) -> set[bytes]:
    """Returns the brands of a file that starts with `ftyp`, as image formats of that kind do."""
    size = int.from_bytes(start[:4], "big")
    return {start[8:12], *(start[at : at + 4] for at in range(16, min(size, START_BYTES), 4))}


def stored_size_hw(content: bytes, at: int = 0) -> tuple[int, int] | None:
    """Returns height and width as a JPEG or PNG states them, before its orientation is applied.

    None for other formats, and if they are not stated.

    Args:
        content: of a file.
        at: where in it the picture starts, for a JPEG.
    """
    match image_format(content[at : at + START_BYTES]):
        case "JPEG":
            for marker, start, end in segments(content, at):
                if marker in _FRAMES and start + 5 <= min(end, len(content)):
                    height, width = struct.unpack_from(">HH", content[start:end], 1)
                    return (height, width) if height and width else None
        case "PNG" if len(content) >= 24:
            width, height = struct.unpack_from(">II", content, 16)
            return (height, width) if height and width else None
    return None


def is_cut_short(content: bytes) -> bool:
    """Whether the bytes are a JPEG without its end, as after an interrupted copy.

    It is the only format of which OpenCV 4 silently decodes half a file, the rest grey.
    """
    if not content.startswith(JPEG_START):
        return False
    for marker, start, end in segments(content):
        if marker == SCAN:
            # Coded data never holds the marker: a zero follows each 0xFF byte in it. Pictures in
            # earlier segments, such as a camera's preview, are skipped with their own ends.
            return content.find(_JPEG_END, min(start, end)) < 0
    return True


@dataclass(frozen=True, slots=True)
class SampleRange:
    """How a file stores its samples, where OpenCV alone would make a wrong picture of them.

    Attributes:
        most: the value of white that the file states; None if it states none.
        upper: whether samples of fewer bits fill the upper ones when they are decoded: yes, no, or
            None if it depends on the program that wrote the file.
        white_is_zero: whether they count from white to black.
    """

    most: int | None = None
    upper: bool | None = False
    white_is_zero: bool = False


def sample_range(content: bytes) -> SampleRange | None:
    """Returns how samples are stored that are not simply 8 bits; None if they are."""
    match image_format(content[:START_BYTES]):
        case "PNG" if content[24:25] == b"\x10":
            for kind, start, end in png_chunks(content):
                if kind == b"IDAT":
                    break
                if kind == b"sBIT" and end > start:
                    bits = max(content[start : min(end, start + 3)])
                    return SampleRange(most=2**bits - 1, upper=None)
            return SampleRange()
        case "PNM":
            header = re.sub(rb"#[^\n]*\n", b"\n", content[:4096])
            found = re.match(rb"P[2356]\s+\d+\s+\d+\s+(\d{1,5})\s", header) or re.match(
                rb"P7\s.*?MAXVAL\s+(\d{1,5})\s", header, re.DOTALL
            )
            most = int(found[1]) if found else 255
            return None if most == 255 or not 0 < most < 2**16 else SampleRange(most=most)
        case "TIFF":
            tags = tiff_tags(content)
            bits = max(tags.get(_BITS, (1,)))
            if bits == 8 and tags.get(_FORMAT, (1,))[0] == _SIGNED:
                return SampleRange(most=127)
            if not 8 < bits <= 16:
                return None
            said = re.search(rb'SignificantBits="(\d{1,2})"', tags.get(TIFF_DESCRIPTION, (b"",))[0])
            most = max(tags.get(_MOST, (0,))) or (2 ** int(said[1]) - 1 if said else 0)
            return SampleRange(
                most=most if 0 < most < 2**16 - 1 else None,
                upper=bits < 16,
                # OpenCV inverts those with alpha.
                white_is_zero=tags.get(_PHOTOMETRIC, (1,))[0] == 0
                and tags.get(_CHANNELS, (1,))[0] == 1,
            )
    return None


def undecodable(content: bytes) -> str:
    """Returns what makes OpenCV fail, or make a wrong picture, and the remedy; else empty."""
    kind = image_format(content[:START_BYTES])
    if content[:3] in (b"PF\n", b"Pf\n"):
        return "a PFM, in floating point; save it as PNG"
    if kind != "TIFF":
        return ""
    tags = tiff_tags(content)
    bits = max(tags.get(_BITS, (1,)))
    if _FLOAT in tags.get(_FORMAT, ()):
        return f"a TIFF of {bits} bits a sample in floating point; save it with 8 or 16 bits"
    if bits > 16:
        return f"a TIFF of {bits} bits a sample; save it with 8 or 16 bits"
    compression = tags.get(_COMPRESSION, (_UNCOMPRESSED,))[0]
    if compression not in _LIBTIFF:
        name = _COMPRESSIONS.get(compression, f"scheme {compression}")
        return (
            f"a TIFF compressed with {name}, which OpenCV cannot decode; save it without "
            "compression or with LZW"
        )
    return ""


def deep_planes(tiff: bytes) -> int:
    """Returns how many planes of over 8 bits a TIFF stores apart; 0 if it does not."""
    tags = tiff_tags(tiff)
    apart = max(tags.get(_BITS, (1,))) > 8 and tags.get(_PLANAR, (1,))[0] == 2
    return int(tags.get(_CHANNELS, (1,))[0]) if apart else 0
