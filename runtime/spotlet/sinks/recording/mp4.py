"""Fragmented MP4, which is valid without an end: bytes in, bytes out.

A header without pictures is followed by fragments, each with its own table of pictures. So the
file is complete after every fragment, whatever happens to the program that writes it.

Source: ISO/IEC 14496-12 (the boxes and their fields), 14496-14 (MPEG-4 pictures in them).
"""

import struct
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, pairwise

PICTURE_TICKS = 1000
"""Duration of a picture on the file's clock; so rates are exact to a thousandth."""

FRAGMENT_ALIGNMENT = 8
"""Fragments begin at multiples of this, so that their first 8 bytes share a page of memory."""

_EPOCH_OFFSET = 2_082_844_800  # seconds from 1904 to 1970
_MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)  # upright, unscaled
_VISUAL_ENTRY_BYTES = 78  # of a picture's description, before its boxes
_COLOURS = struct.pack(">4s3HB", b"nclx", 1, 1, 6, 0)
"""Primaries and transfer as of sRGB and HD (1, 1), the matrix of BT.601 (6), not the full range:
what OpenCV converts BGR to. Players guess another matrix for HD, and show green 255 as 215.
Source: ISO/IEC 14496-12, 12.1.5 (`colr`); ITU-T H.273 (the numbers)."""
_UNDETERMINED_LANGUAGE = 0x55C4
_KEY_FLAGS, _OTHER_FLAGS = 0x0200_0000, 0x0101_0000  # independent; dependent and no sync sample


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded pictures.

    Attributes:
        description: payload of the `stsd` box: codec, size, and the decoder's settings.
        pictures: the bytes of each, in order.
        keys: indices of the key frames.
    """

    description: bytes
    pictures: tuple[bytes, ...]
    keys: frozenset[int]


def read_encoded(content: bytes) -> Encoded:
    """Returns the pictures of an unfragmented MP4 file with one track, stored without gaps.

    Raises:
        ValueError: the content is something else, or incomplete.
    """
    boxes = _boxes(content)
    try:
        for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            boxes = _boxes(boxes[kind])
        same_size, count = struct.unpack_from(">2I", boxes[b"stsz"], 4)
        sizes: Sequence[int] = [same_size] * count
        if not same_size:
            sizes = struct.unpack_from(f">{count}I", boxes[b"stsz"], 12)
        (place,) = struct.unpack_from(">I", boxes[b"stco"], 8)
        description = boxes[b"stsd"]
    except KeyError as error:
        raise ValueError(f"the box {error} is missing") from error
    keys = frozenset(range(count))
    if b"stss" in boxes:
        (key_count,) = struct.unpack_from(">I", boxes[b"stss"], 4)
        keys = frozenset(n - 1 for n in struct.unpack_from(f">{key_count}I", boxes[b"stss"], 8))
    if place + sum(sizes) > len(content):
        raise ValueError("some pictures are missing")
    offsets = pairwise(accumulate(sizes, initial=place))
    return Encoded(description, tuple(content[start:end] for start, end in offsets), keys)


def file_header(
    description: bytes, size_hw: tuple[int, int], ticks_per_second: int, created_at: float
) -> bytes:
    """Returns the header of a file; its length is a multiple of `FRAGMENT_ALIGNMENT`.

    Args:
        description: see `Encoded`.
        size_hw: height and width of the pictures, pixels.
        ticks_per_second: of the file's clock, at least 1.
        created_at: seconds since 1970 (UTC).
    """
    height, width = size_hw
    created = struct.pack(">Q", int(created_at) + _EPOCH_OFFSET)
    normal_speed = struct.pack(">IQIH10x", ticks_per_second, 0, 1 << 16, 1 << 8)  # full volume
    next_track = bytes(24) + _number(2)
    movie = _full_box(b"mvhd", (1, 0), created * 2, normal_speed, _MATRIX, next_track)
    track = _full_box(
        b"tkhd",
        (1, 3),  # enabled, and part of the movie
        created * 2,
        struct.pack(">2IQ16x", 1, 0, 0),
        _MATRIX,
        struct.pack(">2I", width << 16, height << 16),
    )
    timescale = struct.pack(">IQ2H", ticks_per_second, 0, _UNDETERMINED_LANGUAGE, 0)
    clock = _full_box(b"mdhd", (1, 0), created * 2, timescale)
    handler = _full_box(b"hdlr", (0, 0), struct.pack(">I4s12x", 0, b"vide"), b"video\0")
    here = _box(b"dinf", _full_box(b"dref", (0, 0), _number(1), _full_box(b"url ", (0, 1))))
    table = _box(
        b"stbl",
        _box(b"stsd", with_colours(description)),
        _full_box(b"stts", (0, 0), _number(0)),
        _full_box(b"stsc", (0, 0), _number(0)),
        _full_box(b"stsz", (0, 0), _number(0), _number(0)),
        _full_box(b"stco", (0, 0), _number(0)),
    )
    media = _box(b"minf", _full_box(b"vmhd", (0, 1), bytes(8)), here, table)
    fragmented = _box(b"mvex", _full_box(b"trex", (0, 0), struct.pack(">5I", 1, 1, 0, 0, 0)))
    header = _box(b"ftyp", b"isom", _number(512), b"isomiso5mp41") + _box(
        b"moov", movie, _box(b"trak", track, _box(b"mdia", clock, handler, media)), fragmented
    )
    missing = -(len(header) + 8) % FRAGMENT_ALIGNMENT
    return header + _box(b"free", bytes(missing))


def with_colours(description: bytes) -> bytes:
    """Returns a description of pictures (see `Encoded`) that states their colours."""
    head, entry = description[:8], description[8:]
    if len(entry) < 8 + _VISUAL_ENTRY_BYTES or int.from_bytes(entry[:4], "big") != len(entry):
        return description  # not one entry of pictures
    fields, boxes = entry[8 : 8 + _VISUAL_ENTRY_BYTES], entry[8 + _VISUAL_ENTRY_BYTES :]
    if b"colr" in _boxes(boxes):
        return description
    return head + _box(entry[4:8], fields, boxes, _box(b"colr", _COLOURS))


def file_fragment(number: int, start: int, pictures: Sequence[bytes], keys: Set[int]) -> bytes:
    """Returns a fragment; its length is a multiple of `FRAGMENT_ALIGNMENT`.

    Args:
        number: of the fragment in its file, from 1.
        start: how many pictures come before it in the file.
        pictures: as encoded; at least one.
        keys: indices of the key frames.
    """
    rows = b"".join(
        struct.pack(">2I", len(picture), _KEY_FLAGS if index in keys else _OTHER_FLAGS)
        for index, picture in enumerate(pictures)
    )

    def index_box(offset: int) -> bytes:
        track = _box(
            b"traf",
            _full_box(b"tfhd", (0, 0x02_0008), _number(1), _number(PICTURE_TICKS)),
            _full_box(b"tfdt", (1, 0), struct.pack(">Q", start * PICTURE_TICKS)),
            _full_box(b"trun", (0, 0x601), struct.pack(">2I", len(pictures), offset), rows),
        )
        return _box(b"moof", _full_box(b"mfhd", (0, 0), _number(number)), track)

    index = index_box(len(index_box(0)) + 8)
    content = b"".join(pictures)
    missing = -(len(index) + 8 + len(content)) % FRAGMENT_ALIGNMENT
    return index + _box(b"mdat", content, bytes(missing))


def skipped_box(size: int) -> bytes:
    """Returns the first 8 bytes of a box of `size` bytes that readers skip."""
    return struct.pack(">I4s", size, b"free")


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind: bytes, version_flags: tuple[int, int], *parts: bytes) -> bytes:
    version, flags = version_flags
    return _box(kind, _number(version << 24 | flags), *parts)


def _boxes(content: bytes) -> dict[bytes, bytes]:
    """Returns the payload of each box by its kind; of several of one kind, that of the first."""
    boxes: dict[bytes, bytes] = {}
    start = 0
    while start < len(content):
        header = content[start : start + 16]
        kind, size, payload = header[4:8], int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, payload = int.from_bytes(header[8:], "big"), 16
        if size < payload or start + size > len(content):
            raise ValueError(f"the box {kind!r} is cut short")
        boxes.setdefault(kind, content[start + payload : start + size])
        start += size
    return boxes
