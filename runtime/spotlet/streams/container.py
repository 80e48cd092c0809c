"""What a video file says of itself: how it is shown, and how many frames it holds.

Source: ISO/IEC 14496-12 (MP4 and MOV); QuickTime File Format, "fiel"; RFC 9559 (Matroska);
SMPTE 377-1 (MXF) G.2; the YUV4MPEG2 header.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spotlet.image_files.blocks import boxes
from spotlet.streams import matroska
from spotlet.streams.matroska import MATROSKA_START, read_turn
from spotlet.streams.upright import Orientation, orientation_of_matrix

_MOST_INDEX_BYTES = 256 << 20
_ENTRY_BYTES = 78  # what all formats of pictures state, before their boxes
_FIELD_ORDERS = (b"\2\1", b"\2\6", b"\2\x09", b"\2\x0e")  # two fields, in that order
_HEAD_BYTES = 1 << 16
_MXF_START, _MXF_FIELDS = b"\x06\x0e\x2b\x34", b"\x32\x0c\0\1\1"  # frame layout: separate fields
_MOST_PICTURES = 10_000_000  # four days at 30 a second

Boxes = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Index:
    """What the index of an MP4 or MOV file says of its first video track.

    Attributes:
        orientation: how its pictures become upright.
        visible_count: pictures that its edit list shows, or that its fragments hold; None if it has
            neither.
        is_counted: whether the container stores how many pictures there are.
        hidden_seconds: how much of the track lies before the first edit.
        track: its number.
        is_fragmented: whether most pictures are in fragments, which only they count.
    """

    orientation: Orientation
    visible_count: int | None
    is_counted: bool = True
    hidden_seconds: float = 0.0
    track: int = 0
    is_fragmented: bool = False


def read_index(path: Path) -> Index | None:
    """Returns the index of an MP4 or MOV file; None if it is something else, or damaged.

    Of Matroska, only a picture that is mirrored has one: OpenCV knows all other turns.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == MATROSKA_START:
                turn = read_turn(file)
                return None if turn is None else Index(turn, None, is_counted=False)
            for kind, start, end in top_boxes(file):
                if kind == b"moov" and end - start <= _MOST_INDEX_BYTES:
                    file.seek(start)
                    index = _read_movie(_boxes(file.read(end - start)))
                    if index is None or not index.is_fragmented:
                        return index
                    stored = index.visible_count or 0
                    return replace(
                        index, visible_count=stored + _count_in_fragments(file, index.track)
                    )
    except (OSError, ValueError, struct.error):
        pass
    return None


def has_field_order(path: Path) -> bool:
    """Returns whether a file states that its pictures are two fields, and which comes first."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head.startswith(MATROSKA_START):
                return matroska.has_field_order(file)
            if head.startswith(b"YUV4MPEG2 "):
                return {b"It", b"Ib"} & {*head.split(b"\n", 1)[0].split()} != set()
            if head.startswith(_MXF_START):
                return _MXF_FIELDS in head
            for kind, start, end in top_boxes(file):
                if kind == b"moov" and end - start <= _MOST_INDEX_BYTES:
                    file.seek(start)
                    return _has_field_order(_boxes(file.read(end - start)))
    except (OSError, ValueError):
        pass
    return False


def top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start of the payload and end of each box; an end may lie behind the file's."""
    size = file.seek(0, os.SEEK_END)
    place = 0
    while place < size:
        file.seek(place)
        header = file.read(16)
        length, payload = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, payload = int.from_bytes(header[8:16], "big"), 16
        elif length == 0 and header[4:8].strip(b"\0"):
            length = size - place
        if not header.strip(b"\0") or (len(header) >= 8 and length < payload):
            return  # padding behind the last box
        yield header[4:8], place + payload, place + max(length, payload)
        place += max(length, payload)


def _boxes(content: bytes) -> Boxes:
    """Returns kind and payload of each box."""
    return [(kind, content[start:end]) for kind, start, end in boxes(content, 0, len(content))]


def _find(around: Boxes, *kinds: bytes) -> bytes:
    """Returns the payload at a path of kinds; empty if there is none."""
    payload = b""
    for kind in kinds:
        payload = next((each for name, each in around if name == kind), b"")
        around = _boxes(payload)
    return payload


def _read_movie(movie: Boxes) -> Index | None:
    for kind, payload in movie:
        track = _boxes(payload)
        if kind == b"trak" and _find(track, b"mdia", b"hdlr")[8:12] == b"vide":
            header, whole = _find(track, b"tkhd"), _find(movie, b"mvhd")
            a, b, c, d = _turns(header, 40)
            e, f, g, h = _turns(whole, 36)
            turned = a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
            ticks = struct.unpack_from(">I", whole, 20 if whole[:1] == b"\1" else 12)[0]
            count, hidden = _count_visible(track, ticks)
            is_fragmented = bool(_find(movie, b"mvex"))
            if is_fragmented:  # the rest of a trimmed picture's edit is in them
                sizes = _find(track, b"mdia", b"minf", b"stbl", b"stsz")
                count = int.from_bytes(sizes[8:12], "big")
            return Index(
                orientation_of_matrix(*turned),
                count,
                hidden_seconds=hidden,
                track=_track_number(header),
                is_fragmented=is_fragmented,
            )
    return None


def _has_field_order(movie: Boxes) -> bool:
    for kind, payload in movie:
        track = _boxes(payload)
        if kind == b"trak" and _find(track, b"mdia", b"hdlr")[8:12] == b"vide":
            formats = _boxes(_find(track, b"mdia", b"minf", b"stbl", b"stsd")[8:])
            return any(
                _find(_boxes(entry[_ENTRY_BYTES:]), b"fiel") in _FIELD_ORDERS
                for _, entry in formats
            )
    return False


def _track_number(header: bytes) -> int:
    place = 20 if header[:1] == b"\1" else 12
    return int.from_bytes(header[place : place + 4], "big")


def _count_in_fragments(file: BinaryIO, track: int) -> int:
    """Returns how many pictures the fragments of a file say they hold."""
    count = 0
    for kind, start, end in top_boxes(file):
        if kind == b"moof" and end - start <= _MOST_INDEX_BYTES:
            file.seek(start)
            for name, content in _boxes(file.read(end - start)):
                runs = _boxes(content) if name == b"traf" else []
                if int.from_bytes(_find(runs, b"tfhd")[4:8], "big") == track:
                    count += sum(
                        int.from_bytes(run[4:8], "big") for name, run in runs if name == b"trun"
                    )
    return count


def _turns(header: bytes, place: int) -> tuple[float, float, float, float]:
    """Returns a, b, c, d of the matrix in a header whose version 1 is 12 bytes longer."""
    a, b, _, c, d = struct.unpack_from(">5i", header, place + 12 * (header[:1] == b"\1"))
    return a / 65536, b / 65536, c / 65536, d / 65536


def _count_visible(track: Boxes, movie_ticks: int) -> tuple[int | None, float]:
    """Returns how many pictures lie within the edits, and seconds before; None without edits."""
    edits = _read_edits(_find(track, b"edts", b"elst"))
    table = _boxes(_find(track, b"mdia", b"minf", b"stbl"))
    clock = _find(track, b"mdia", b"mdhd")
    ticks = struct.unpack_from(">I", clock, 20 if clock[:1] == b"\1" else 12)[0]
    durations = _run_lengths(_find(table, b"stts"))
    if not edits or not len(durations) or not movie_ticks or not ticks:
        return None, 0.0
    starts = np.cumsum(durations) - durations
    offsets = _run_lengths(_find(table, b"ctts"), ">i4")
    if len(offsets) == len(starts):
        starts = starts + offsets - min(0, int(offsets.min()))
    scale = ticks / movie_ticks  # an edit's length is in the movie's coarser ticks, rounded
    count = sum(
        int(np.count_nonzero((starts >= begin) & (starts < begin + (length - 1) * scale)))
        for length, begin in edits
    )
    return count, max(edits[0][1] - int(starts.min()), 0) / ticks


def _read_edits(content: bytes) -> list[tuple[int, int]]:
    """Returns length and first time of each edit that shows pictures."""
    if not content:
        return []
    form = ">Qq4x" if content[0] == 1 else ">Ii4x"
    rows = content[8 : len(content) - (len(content) - 8) % struct.calcsize(form)]
    edits = struct.iter_unpack(form, rows)
    return [(length, begin) for length, begin in edits if begin >= 0 and length > 0]


def _run_lengths(content: bytes, kind: str = ">u4") -> npt.NDArray[np.int64]:
    """Returns the values of a table of counts and values, one for each picture."""
    pairs = np.frombuffer(content[8 : 8 + len(content[8:]) // 8 * 8], ">u4").reshape(-1, 2)
    counts = pairs[:, 0].astype(np.int64)
    if counts.sum() > _MOST_PICTURES:
        raise ValueError("a table of more pictures than a file can hold")
    return np.repeat(pairs[:, 1].view(kind).astype(np.int64), counts)
