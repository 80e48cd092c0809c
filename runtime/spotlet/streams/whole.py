"""Whether a video file is whole, as its container says.

Source: ISO/IEC 14496-12 (MP4 and MOV); Microsoft AVI RIFF file reference; the NUT format, "index";
Adobe Flash Video File Format 10.1, annex E (FLV); Microsoft ASF 1.20.03, 3.2 (WMV).
"""

import struct
from pathlib import Path
from typing import BinaryIO

from spotlet.streams.container import top_boxes
from spotlet.streams.matroska import MATROSKA_START, is_whole_matroska

_TRANSPORT_PACKET_BYTES = 188
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its properties, with its size
_ASF_HEADER_BYTES = 1 << 16
_FLASH_SLACK_SECONDS = 1.0
_NUT, _NUT_INDEX = b"nut/multimedia container\0", bytes.fromhex("4e58dd672f23e64e")
_NUT_TAIL_BYTES = 12  # how long the index is, and a checksum
_AVI_LISTS = frozenset({b"AVI ", b"AVIX", b"movi", b"rec "})


def is_whole(path: Path) -> bool | None:
    """Returns whether a file ends where its container says; None if the container does not say."""
    if not path.is_file():  # a pipe cannot be read a second time
        return None
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_TRANSPORT_PACKET_BYTES + 1)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return all(end <= size for _, _, end in top_boxes(file))
            if head[:4] == MATROSKA_START:
                return is_whole_matroska(file, size)
            if head[:4] == b"FLV\1":
                return _is_whole_flash(file, size)
            if head[:16] == _ASF:
                file.seek(0)
                header = file.read(_ASF_HEADER_BYTES)
                place = header.find(_ASF_FILE) + 40
                return place < 40 or int.from_bytes(header[place : place + 8], "little") <= size
            if head.startswith(_NUT):
                return _ends_with_index(file, size) or None  # one from a pipe has none
            # Of these, FFmpeg takes the length from the last packets.
            is_transport = head[::_TRANSPORT_PACKET_BYTES] == b"GG"
            return True if is_transport or head[:4] in (b"OggS", b"\0\0\1\xba") else None
    except (OSError, ValueError, struct.error):
        return None


def count_repeats(path: Path) -> int:
    """Returns how many empty packets an AVI file has: each shows the picture before it again."""
    count = place = 0
    with path.open("rb") as file:
        if file.read(12)[8:] != b"AVI ":
            return 0
        file.seek(0)
        while len(header := file.read(12)) >= 8:
            kind, length = struct.unpack_from("<4sI", header)
            is_list = kind in (b"RIFF", b"LIST") and header[8:] in _AVI_LISTS
            count += length == 0 and kind[2:] in (b"dc", b"db")
            if not header.strip(b"\0"):  # padding behind the last
                break
            place += 12 if is_list else 8 + length + length % 2
            file.seek(place)
    return count


def _ends_with_index(file: BinaryIO, size: int) -> bool:
    file.seek(max(size - _NUT_TAIL_BYTES, 0))
    length = int.from_bytes(file.read(8), "big")
    file.seek(max(size - length, 0))
    return file.read(len(_NUT_INDEX)) == _NUT_INDEX


def _is_whole_flash(file: BinaryIO, size: int) -> bool:
    """Returns whether the last tag ends with the file, as late as the header says."""
    file.seek(0)
    head = file.read(4096)
    place = head.find(b"duration\0")
    stated = struct.unpack_from(">d", head, place + 9)[0] if 0 < place < len(head) - 17 else 0.0
    place, seconds = int.from_bytes(head[5:9], "big") + 4, 0.0
    while place < size:
        file.seek(place)
        tag = file.read(11)
        if len(tag) < 11:
            return False
        seconds = max(seconds, int.from_bytes(tag[7:8] + tag[4:7], "big") / 1000)
        place += 11 + int.from_bytes(tag[1:4], "big") + 4
    return place == size and seconds >= stated - _FLASH_SLACK_SECONDS
