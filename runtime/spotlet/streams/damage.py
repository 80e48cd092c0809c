"""Places in which a video file is damaged, as far as its container shows it.

Decoders conceal damage, and say nothing. A container shows what does not follow on; what was
overwritten inside of one picture it does not show. A miss is better than a false alarm.

Source: ISO/IEC 13818-1 (MPEG-TS) 2.4.3; RFC 8794 and 9559 (Matroska); ITU-T T.81 (JPEG) B.1.1.
"""

import mmap
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spotlet.image_files.blocks import JPEG_START, MARKER, SCAN
from spotlet.streams.matroska import MATROSKA_START, count_breaks

_SYNC = 0x47
_LAYOUTS = ((188, 0), (192, 4), (204, 0))  # bytes of a packet, and before its first
_SURE_PACKETS = 5
_RESYNC_BYTES = 1 << 20
_FEWEST_PACKETS = 8  # at once, behind damage
_MOST_PACKETS = 1 << 20  # at once: 200 MB of a file, and less memory
_MOST_BREAKS_SHARE = 0.05  # more of them are an encoder that does not count

_FIRST_CODE, _START_CODE, _END_CODE = 0xC0, 0xD8, 0xD9
_AFTER_SCANS = frozenset({0xC4, *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE})

Bytes = npt.NDArray[np.uint8]


def count_damaged_places(path: Path) -> int:
    """Returns in how many places a file's container shows damage; 0 if it shows none."""
    if not path.is_file():  # a pipe cannot be read a second time
        return 0
    try:
        with path.open("rb") as file:
            head = file.read(5)
            if head[:4] == MATROSKA_START:
                return count_breaks(file, file.seek(0, os.SEEK_END))
            if head[:2] == JPEG_START:
                return _count_in_jpegs(file)
            if _SYNC in (*head[:1], *head[4:]):
                return _count_in_transport(np.memmap(path, np.uint8, "r"))
    except (OSError, ValueError):
        pass
    return 0


def _count_in_transport(content: Bytes) -> int:
    """Returns how often packets do not follow on, or those of the pictures are missing."""
    for size, before in _LAYOUTS:
        if (content[before : before + _SURE_PACKETS * size : size] == _SYNC).all():
            break
    else:
        return 0
    place = lost = 0
    packets = content[: len(content) // size * size].reshape(-1, size)
    at_once = _FEWEST_PACKETS
    while count := min((len(content) - place) // size, at_once):
        syncs = content[place + before : place + count * size : size]
        bad = np.flatnonzero(syncs != _SYNC)
        at_once = min(at_once * 2, _MOST_PACKETS)
        if not len(bad):
            place += count * size
            continue
        place += int(bad[0]) * size
        found = _find_sync(content[place : place + _RESYNC_BYTES], size, before)
        if found is None:  # the rest is something else
            packets = packets[: place // size]
            break
        place += found
        at_once = _FEWEST_PACKETS
        lost += 1
    parts = range(0, len(packets), _MOST_PACKETS)
    return lost or sum(
        _count_missing(packets[first : first + _MOST_PACKETS, before:]) for first in parts
    )


def _find_sync(content: Bytes, size: int, before: int) -> int | None:
    """Returns where packets begin again, which are aligned anew."""
    first, count = 0, _FEWEST_PACKETS * size
    reach = (_SURE_PACKETS - 1) * size + before
    while (count := min(count, len(content) - reach - first)) > 0:
        starts = np.ones(count, bool)
        for packet in range(_SURE_PACKETS):
            sync = first + before + packet * size
            starts &= content[sync : sync + count] == _SYNC
        found = np.flatnonzero(starts)
        if len(found):
            return first + int(found[0])
        first, count = first + count, count * 4
    return None


def _count_missing(packets: Bytes) -> int:
    """Returns how often the counter of a track of pictures leaps.

    It may start again behind the tables of another file: recordings are joined in this way.
    """
    track = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    starts = packets[:, 1] & 0x40 != 0
    extra, carries = packets[:, 3] & 0x20 != 0, packets[:, 3] & 0x10 != 0
    restarts = extra & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 != 0)
    tables = np.flatnonzero(track == 0)
    leaps = seen = 0
    for number in _picture_tracks(packets, track, starts & carries, extra):
        rows = np.flatnonzero((track == number) & carries)
        restarted = np.cumsum(restarts & (track == number))[rows]
        step = (np.diff(packets[rows, 3].astype(np.int16)) & 15) > 1
        step &= np.diff(restarted) == 0
        joined = starts[rows[1:]] & (np.diff(np.searchsorted(tables, rows)) > 0)
        leaps += int(np.count_nonzero(step & ~joined))
        seen += len(rows)
    return leaps if leaps <= _MOST_BREAKS_SHARE * seen else 0


def _picture_tracks(
    packets: Bytes,
    track: npt.NDArray[np.int32],
    starts: npt.NDArray[np.bool_],
    extra: npt.NDArray[np.bool_],
) -> list[int]:
    rows = np.flatnonzero(starts)
    place = 4 + np.where(extra[rows], 1 + packets[rows, 4].astype(np.int64), 0)
    rows, place = rows[place < 184], place[place < 184]
    prefix = packets[rows[:, None], place[:, None] + np.arange(4)]
    is_video = (prefix[:, :3] == (0, 0, 1)).all(axis=1) & (prefix[:, 3] & 0xF0 == 0xE0)
    return [int(number) for number in np.unique(track[rows[is_video]])]


def _count_in_jpegs(file: BinaryIO) -> int:
    """Returns how many pictures of several JPEGs are broken off, or hold what none may hold."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        pictures = broken = 0
        start = 0
        while start >= 0:
            pictures += 1
            end, is_whole = _walk_jpeg(content, start + 2)
            broken += not is_whole
            start = content.find(JPEG_START, end)
        # Some cameras never write the end of a picture.
        return broken if broken * 2 < pictures else 0


def _walk_jpeg(content: mmap.mmap, place: int) -> tuple[int, bool]:
    """Returns where a picture ends, and whether as it should; one at the end may be cut."""
    in_scan = False
    while (marker := MARKER.search(content, place)) is not None:
        code, place = content[marker.start() + 1], marker.end()
        if code == _END_CODE:
            return place, True
        if in_scan and code not in _AFTER_SCANS:
            return marker.start(), False
        if code != _START_CODE and code >= _FIRST_CODE:
            in_scan = in_scan or code == SCAN
            place += int.from_bytes(content[place : place + 2], "big")
    return len(content), True
