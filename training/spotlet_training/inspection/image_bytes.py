"""Facts about an image file before it is decoded: whether it is complete, its orientation.

Only JPEG is examined. It is the only format of which OpenCV 4 silently decodes half a file, the
rest grey (OpenCV 5 refuses it), and the one that cameras write with an orientation.

Source: ITU-T T.81, annex B (markers and segments); CIPA DC-008 (Exif 2.3), section 4.6.4,
tag 274.
"""

import struct
from collections.abc import Iterator

UPRIGHT = 1
"""The EXIF orientation of a picture that is shown as it is stored."""

SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _EXIF = 0xDA, 0xE1
_ORIENTATION_TAG = 274


def is_cut_short(content: bytes) -> bool:
    """Whether the bytes are a JPEG without its end, as after an interrupted copy."""
    if not content.startswith(_START):
        return False
    for marker, start, end in _segments(content):
        if marker == _SCAN:
            # Coded data never holds the marker: a zero follows each 0xFF byte in it. Pictures in
            # earlier segments, such as a camera's preview, are skipped with their own ends.
            return content.find(_END, min(start, end)) < 0
    return True


def exif_orientation(content: bytes) -> int:
    """Returns the EXIF orientation of a JPEG, 1 to 8; 1 if there is none."""
    if not content.startswith(_START):
        return UPRIGHT
    for marker, start, end in _segments(content):
        if marker == _EXIF and content[start : start + 6] == b"Exif\0\0":
            return _orientation(content[start + 6 : end])
    return UPRIGHT


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields marker, start and end of the payload of each segment, up to the first scan."""
    at = len(_START)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, at + 4, at + 2 + length
        if marker == _SCAN:
            return
        at += 2 + length


def _orientation(tiff: bytes) -> int:
    """Returns the orientation in the first directory of an EXIF block."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG and kind == 3:
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except struct.error:  # it is shorter than it says
        return UPRIGHT
    return UPRIGHT
