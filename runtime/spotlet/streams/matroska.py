"""What a Matroska or WebM file says of itself.

Source: RFC 8794 (elements and their sizes), RFC 9559 (their kinds).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from spotlet.streams.upright import Orientation, orientation_of_angle

MATROSKA_START = bytes.fromhex("1a45dfa3")

_SEGMENT, _CLUSTER, _GROUP, _TRACKS = 0x18538067, 0x1F43B675, 0xA0, 0x1654AE6B
_TRACK, _TYPE, _VIDEO, _PROJECTION, _YAW, _ROLL = 0xAE, 0x83, 0xE0, 0x7670, 0x7673, 0x7675
_WITH_CHILDREN = frozenset({_SEGMENT, _CLUSTER, _GROUP})
_PICTURES = 1
_MOST_HEADER_BYTES = 16 << 20


def is_whole_matroska(file: BinaryIO, size: int) -> bool:
    """Returns whether the last element ends with the file of `size` bytes, or the segment does."""
    place = 0
    while place < size:
        file.seek(place)
        element = _read_element(file.read(12))
        if element is None:
            return False
        kind, payload, length = element
        place += payload
        if length is not None:
            place += length
        elif kind not in _WITH_CHILDREN:
            return False
    return place <= size


def read_turn(file: BinaryIO) -> Orientation | None:
    """Returns how the first track of pictures is turned, if it is mirrored; else None."""
    place = 0
    while True:
        file.seek(place)
        element = _read_element(file.read(12))
        if element is None or element[0] == _CLUSTER:
            return None
        kind, payload, length = element
        place += payload
        if kind == _TRACKS and length is not None and length <= _MOST_HEADER_BYTES:
            file.seek(place)
            return _turn_of(file.read(length))
        if kind != _SEGMENT:
            if length is None:
                return None
            place += length


def _turn_of(tracks: bytes) -> Orientation | None:
    for kind, content in _elements(tracks):
        track = dict(_elements(content)) if kind == _TRACK else {}
        if int.from_bytes(track.get(_TYPE, b""), "big") == _PICTURES:
            projection = dict(
                _elements(dict(_elements(track.get(_VIDEO, b""))).get(_PROJECTION, b""))
            )
            if abs(_float(projection.get(_YAW, b""))) != 180:
                return None
            turned = orientation_of_angle(_float(projection.get(_ROLL, b"")))
            return Orientation(turned.transposed, not turned.mirrored, turned.flipped)
    return None


def _float(content: bytes) -> float:
    form = {4: ">f", 8: ">d"}.get(len(content))
    return 0.0 if form is None else float(struct.unpack(form, content)[0])


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields kind and payload of each element."""
    place = 0
    while place < len(content):
        element = _read_element(content[place : place + 12])
        if element is None or element[2] is None:
            return
        kind, payload, length = element
        yield kind, content[place + payload : place + payload + (length or 0)]
        place += payload + (length or 0)


def _read_element(header: bytes) -> tuple[int, int, int | None] | None:
    """Returns an element's kind, where its payload begins, and its length; None if it is cut.

    The length is None if the element ends where the next of its level begins.
    """
    if not header:
        return None
    id_bytes = 9 - header[0].bit_length()
    if id_bytes > 4 or len(header) <= id_bytes:
        return None
    size_bytes = 9 - header[id_bytes].bit_length()
    field = header[id_bytes : id_bytes + size_bytes]
    if size_bytes > 8 or len(field) < size_bytes:
        return None
    unknown = (1 << 7 * size_bytes) - 1
    length = int.from_bytes(field, "big") & unknown
    kind = int.from_bytes(header[:id_bytes], "big")
    return kind, id_bytes + size_bytes, None if length == unknown else length
