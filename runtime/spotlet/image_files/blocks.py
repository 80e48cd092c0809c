"""The parts that image files are made of: segments, chunks, boxes, TIFF's tags.

Source: ITU-T T.81, annex B; PNG 3rd edition, 5.3; RFC 9649, section 2.3; ISO/IEC 14496-12, 4.2;
TIFF 6.0, section 2, and BigTIFF; ISO/IEC 23008-12, 9.3.1 (ipma).
"""

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

JPEG_START = b"\xff\xd8"
SCAN = 0xDA
"""The marker of a JPEG's coded data."""

MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""What ends a JPEG's coded data: not a stuffed zero, a restart or a fill byte."""

TIFF_DESCRIPTION, TIFF_XMP = 270, 700
_TEXTS = frozenset({TIFF_DESCRIPTION, TIFF_XMP})
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q"}
"""The kinds of whole numbers, as `struct` calls them."""

_MOST_VALUES = 16
_OF_ONE_PLANE = 262, 277, 284
"""PhotometricInterpretation, SamplesPerPixel, PlanarConfiguration; 1: grey, one, together."""

_PARTS = frozenset({273, 279, 324, 325})
"""Where strips and tiles are, and their sizes: those of the first plane, then of the next."""


def segments(content: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yields marker, start and end of the payload of each segment of the JPEG there.

    Up to its first scan.
    """
    at += len(JPEG_START)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, at + 4, at + 2 + length
        if marker == SCAN:
            return
        at += 2 + length


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the payload of each chunk of a PNG file."""
    at = 8
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        yield kind, at + 8, min(at + 8 + size, len(content))
        at += 8 + size + 4  # a check sum


def webp_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the payload of each chunk of a WebP file."""
    at = 12
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        yield kind, at + 8, min(at + 8 + size, len(content))
        at += 8 + size + size % 2


def boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the payload of each HEIF or MP4 box within those bytes."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)  # with these 8 bytes
        if size < 8:
            return
        yield kind, start + 8, min(start + size, end)
        start += size


def tiff_tags(tiff: bytes) -> dict[int, tuple[Any, ...]]:
    """Returns the values of the first directory: numbers, or one text; {} if it is damaged."""
    tags: dict[int, tuple[Any, ...]] = {}
    try:
        for tag, code, length, place in _tiff_entries(tiff):
            if tag in _TEXTS:
                tags[tag] = (tiff[place : place + length],)
            elif code and 0 < length <= _MOST_VALUES:
                tags[tag] = struct.unpack_from(f"{code[0]}{length}{code[1]}", tiff, place)
    except (struct.error, OverflowError):  # it is shorter than it says
        pass
    return tags


def with_tiff_numbers(tiff: bytes, numbers: Mapping[int, int]) -> bytes:
    """Returns a TIFF in which each value of those tags, where there are any, is that number."""
    changed = bytearray(tiff)
    try:
        for tag, code, length, place in _tiff_entries(tiff):
            if tag in numbers and code and 0 < length <= _MOST_VALUES:
                kind = f"{code[0]}{length}{code[1]}"
                struct.pack_into(kind, changed, place, *[numbers[tag]] * length)
    except (struct.error, OverflowError):
        pass
    return bytes(changed)


def tiff_plane(tiff: bytes, plane: int, planes: int) -> bytes:
    """Returns a TIFF of one of the planes, from 0, of a TIFF that stores its samples apart."""
    changed = bytearray(with_tiff_numbers(tiff, dict.fromkeys(_OF_ONE_PLANE, 1)))
    try:
        for tag, code, length, place in _tiff_entries(tiff):
            if tag in _PARTS and code:
                size = length // planes * struct.calcsize(code)
                start = place + plane * size
                changed[place : place + size] = tiff[start : start + size]
    except (struct.error, OverflowError):
        pass
    return bytes(changed)


def _tiff_entries(tiff: bytes) -> Iterator[tuple[int, str, int, int]]:
    """Yields tag, byte order and code of the numbers ("" for others), count and place of each.

    Raises:
        struct.error: the file is shorter than it says.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return
    big = tiff[2:4] in (b"+\0", b"\0+")
    offset, entry, room = ("Q", "HHQ", 8) if big else ("I", "HHI", 4)
    (first,) = struct.unpack_from(order + offset, tiff, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), tiff, first)
    at = first + (8 if big else 2)
    step = struct.calcsize("<" + entry) + room
    for number in range(count):
        place = at + step * number
        tag, kind, length = struct.unpack_from(order + entry, tiff, place)
        place += step - room
        code = _CODES.get(kind, "")
        if struct.calcsize("<" + (code or "B")) * length > room:
            (place,) = struct.unpack_from(order + offset, tiff, place)
        yield tag, code and order + code, length, place


def associated(content: bytes, at: int, main: int) -> list[int]:
    """Returns which properties, from 1, an `ipma` box gives the main picture, in their order."""
    version, wide = content[at], content[at + 3] & 1
    (count,) = struct.unpack_from(">I", content, at + 4)
    at += 8
    for _ in range(count):
        (item,) = struct.unpack_from(">I" if version else ">H", content, at)
        at += 4 if version else 2
        number, at = content[at], at + 1
        words = struct.unpack_from(f">{number}{'H' if wide else 'B'}", content, at)
        at += number * (2 if wide else 1)
        if item == main:
            return [word & (0x7FFF if wide else 0x7F) for word in words]
    return []
