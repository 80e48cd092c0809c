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
_FLAG_INTERLACED, _FIELD_ORDER = 0x9A, 0x9D
_FIELD_ORDERS = (b"\1", b"\6", b"\x09", b"\x0e")  # not: progressive, not known
_WITH_CHILDREN = frozenset({_SEGMENT, _CLUSTER, _GROUP})
_PICTURES = 1
_MOST_HEADER_BYTES = 16 << 20
_CLUSTER_START = bytes.fromhex("1f43b675")
_IN_CLUSTERS = frozenset({0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0x5854, 0xAF, 0xEC, 0xBF})
_FILE = 0x1A45DFA3
_IN_SEGMENTS = frozenset(
    {
        _FILE,
        _SEGMENT,
        0x114D9B74,
        0x1549A966,
        _TRACKS,
        _CLUSTER,
        0x1C53BB6B,
        0x1941A469,
        0x1043A770,
        0x1254C367,
    }
)
_FEWEST_SEARCH_BYTES, _SEARCH_BYTES = 1 << 10, 1 << 20
_HEADER_BYTES = 12


def is_whole_matroska(file: BinaryIO, size: int) -> bool:
    """Returns whether the last element ends with the file of `size` bytes, or the segment does."""
    place = 0
    while place < size:
        file.seek(place)
        element = _read_element(file.read(_HEADER_BYTES))
        if element is None:
            return _is_padding(file, place)
        kind, payload, length = element
        place += payload
        if length is not None:
            place += length
        elif kind not in _WITH_CHILDREN:
            return False
    return place <= size


def _is_padding(file: BinaryIO, place: int) -> bool:
    """Returns whether a file holds zeros alone from `place` on."""
    file.seek(place)
    while content := file.read(_SEARCH_BYTES):
        if content.count(0) < len(content):
            return False
    return True


def count_breaks(file: BinaryIO, size: int) -> int:
    """Returns how often a file's elements do not follow on each other, from its first cluster."""
    place = breaks = 0
    end: int | None = 0  # of the cluster; None if it is not stated
    segment_end: int | None = None
    has_clusters = False
    while place < size - _HEADER_BYTES:
        kind, payload, length = _element_at(file, place)
        if segment_end is not None and place >= segment_end and kind != _FILE:
            break  # what follows is not part of it
        is_inside = end is not None and place < end
        known = _IN_CLUSTERS if is_inside else _IN_CLUSTERS | _IN_SEGMENTS
        stop = place + payload + (length or 0)
        if has_clusters and (kind not in known or (is_inside and stop > (end or 0))):
            if payload and not is_inside and _element_at(file, stop)[0] in known:
                place = stop  # an element of a later standard
                continue
            following = _find_cluster(file, place + 1)
            breaks += is_inside or following < size
            place, end = following, 0
            continue
        if not payload or (stop > size and kind not in (_SEGMENT, _CLUSTER)):
            break
        if kind == _SEGMENT:
            segment_end = None if length is None else stop
        elif kind == _CLUSTER:
            end, has_clusters = None if length is None else stop, True
        elif kind in _IN_SEGMENTS:
            end = 0
        place = place + payload if kind in (_SEGMENT, _CLUSTER) else stop
    return breaks


def _element_at(file: BinaryIO, place: int) -> tuple[int, int, int | None]:
    file.seek(place)
    return _read_element(file.read(_HEADER_BYTES)) or (0, 0, 0)


def _find_cluster(file: BinaryIO, place: int) -> int:
    """Returns where the next cluster begins, or the file ends."""
    file.seek(place)
    at_once = _FEWEST_SEARCH_BYTES  # so that each of many breaks costs little
    while len(content := file.read(at_once)) > len(_CLUSTER_START):
        found = content.find(_CLUSTER_START)
        if found >= 0:
            return place + found
        place += len(content) - len(_CLUSTER_START)
        file.seek(place)
        at_once = min(at_once * 2, _SEARCH_BYTES)
    return place + len(content)


def read_turn(file: BinaryIO) -> Orientation | None:
    """Returns how the first track of pictures is turned, if it is mirrored; else None."""
    projection = dict(_elements(_read_video(file).get(_PROJECTION, b"")))
    if abs(_float(projection.get(_YAW, b""))) != 180:
        return None
    turned = orientation_of_angle(_float(projection.get(_ROLL, b"")))
    return Orientation(turned.transposed, not turned.mirrored, turned.flipped)


def has_field_order(file: BinaryIO) -> bool:
    """Returns whether the first track of pictures states in which order their fields are shown."""
    video = _read_video(file)
    order = video.get(_FIELD_ORDER, b"").lstrip(b"\0")
    return video.get(_FLAG_INTERLACED, b"").lstrip(b"\0") == b"\1" and order in _FIELD_ORDERS


def _read_video(file: BinaryIO) -> dict[int, bytes]:
    """Returns what the first track of pictures says of them; empty if there is none."""
    place = 0
    while True:
        file.seek(place)
        element = _read_element(file.read(_HEADER_BYTES))
        if element is None or element[0] == _CLUSTER:
            return {}
        kind, payload, length = element
        place += payload
        if kind == _TRACKS and length is not None and length <= _MOST_HEADER_BYTES:
            file.seek(place)
            return _video_of(file.read(length))
        if kind != _SEGMENT:
            if length is None:
                return {}
            place += length


def _video_of(tracks: bytes) -> dict[int, bytes]:
    for kind, content in _elements(tracks):
        track = dict(_elements(content)) if kind == _TRACK else {}
        if int.from_bytes(track.get(_TYPE, b""), "big") == _PICTURES:
            return dict(_elements(track.get(_VIDEO, b"")))
    return {}


def _float(content: bytes) -> float:
    form = {4: ">f", 8: ">d"}.get(len(content))
    return 0.0 if form is None else float(struct.unpack(form, content)[0])


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields kind and payload of each element."""
    place = 0
    while place < len(content):
        element = _read_element(content[place : place + _HEADER_BYTES])
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
