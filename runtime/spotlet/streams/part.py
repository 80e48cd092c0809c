"""A decoder for a part of a file, which OpenCV reads as a separate file."""

import io
import struct
from collections.abc import Callable, Sequence
from typing import Any

import cv2

from spotlet.image_files.files import quiet_opencv
from spotlet.streams.plain_size import SizeHw

TakePacket = Callable[[], tuple[bytes, float] | None]

_TICKS = 1_000_000  # a second
_BLOCK_HEADER = b"\x81\0\0\x80"  # the first track, at its cluster's time, a key frame
_FRAME_NANOSECONDS = 40_000_000  # stated, so that FFmpeg does not read twenty to estimate it
_SHAPE_UNKNOWN = b"\4"  # of a pixel, so that the packets may state it
_NAMED_BY_CODE = "V_MS/VFW/FOURCC"
_KEPT_BYTES = 1 << 20  # FFmpeg goes back a little while it recognises a stream


def open_part(
    take: TakePacket,
    codec: str,
    size_hw: SizeHw,
    *,
    on_one_core: bool = False,
    settings: Sequence[int] = (),
) -> "PartCapture | None":
    """Returns the open decoder of some packets; None if OpenCV cannot read them, as before 4.11.

    Args:
        take: returns a packet and its time in seconds, from 0; None after the last.
        codec: its name in Matroska; that of codecs with a code alone ends in it.
        size_hw: height and width of the pictures, pixels.
        on_one_core: pictures must not be delayed: N cores hold back N - 1 of them.
        settings: more of OpenCV's, each a number and its value.
    """
    settings = [*settings, *([cv2.CAP_PROP_N_THREADS, 1] if on_one_core else [])]
    capture: Any = cv2.VideoCapture()
    try:
        with quiet_opencv():
            opened = capture.open(_PacketStream(take, codec, size_hw), cv2.CAP_FFMPEG, settings)
    except (cv2.error, TypeError):
        return None
    return PartCapture(capture) if opened else None


class PartCapture:
    """The decoder of a part of a file, used as a `cv2.VideoCapture`.

    OpenCV's own `release` gives up the Python stream without holding the interpreter's lock, which
    ends the process; dropping the capture holds it.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture: cv2.VideoCapture | None = capture

    def read(self) -> tuple[bool, Any]:
        """Returns whether there was a picture, and the picture."""
        return (False, None) if self._capture is None else self._capture.read()

    def get(self, setting: int) -> float:
        """Returns a setting; 0 once released."""
        return 0.0 if self._capture is None else self._capture.get(setting)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Returns whether it can be read."""
        return self._capture is not None

    def release(self) -> None:
        """Closes it."""
        self._capture = None


class _PacketStream(io.BufferedIOBase):
    """Packets as a Matroska file without an end, each in a cluster with its time.

    Source: RFC 9559 (Matroska), RFC 8794 (its elements).
    """

    def __init__(self, take: TakePacket, codec: str, size_hw: SizeHw) -> None:
        height, width = size_hw
        rate = _element("23e383", _number(_FRAME_NANOSECONDS))
        sides = _element("b0", _number(width)), _element("ba", _number(height))
        video = _element("e0", *sides, _element("54b2", _SHAPE_UNKNOWN))
        name = _element("86", codec.encode("ascii"))
        if codec.startswith(_NAMED_BY_CODE):  # as AVI describes it
            code = codec[-4:].encode("ascii")
            private = struct.pack("<IiiHH4sI16x", 40, width, height, 1, 24, code, 0)
            name = _element("86", _NAMED_BY_CODE.encode("ascii")) + _element("63a2", private)
        first = [_element(kind, b"\1") for kind in ("d7", "73c5", "83")]  # number, id, a picture
        header = _element("1a45dfa3", _element("4282", b"matroska"))
        clock = _element("1549a966", _element("2ad7b1", _number(1_000_000_000 // _TICKS)))
        tracks = _element("1654ae6b", _element("ae", *first, rate, name, video))
        unending = bytes.fromhex("18538067" + "01ffffffffffffff")
        self._take = take
        self._buffer = bytearray(header + unending + clock + tracks)
        self._start = 0  # of the buffer in the stream
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = (1 << 20) if size is None or size < 0 else size
        if self._place == self._start + len(self._buffer) and (packet := self._take()) is not None:
            # No more than one: the next may not have arrived yet.
            content, seconds = packet
            time = _element("e7", _number(max(round(seconds * _TICKS), 0)))
            self._buffer += _element("1f43b675", time, _element("a3", _BLOCK_HEADER, content))
        first = self._place - self._start
        taken = bytes(self._buffer[first : first + wanted])
        self._place += len(taken)
        spare = self._place - self._start - _KEPT_BYTES
        if spare > _KEPT_BYTES:
            del self._buffer[:spare]
            self._start += spare
        return taken

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        place = offset + (self._place if whence == io.SEEK_CUR else 0)
        if whence not in (io.SEEK_SET, io.SEEK_CUR) or not (
            self._start <= place <= self._start + len(self._buffer)
        ):
            return -1
        self._place = place
        return place


def _element(kind: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes.fromhex(kind) + (1 << 56 | len(content)).to_bytes(8, "big") + content


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
