"""The packets of a video: where their pictures change size, or become interlaced."""

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from spotlet.image_files.files import quiet_opencv
from spotlet.streams.container import has_field_order
from spotlet.streams.interlaced import (
    LOSES_INTERLACED,
    MARKED_BY_CONTAINER,
    Rewrite,
    explain_refusal,
    is_interlaced,
    progressive_rewrite,
)
from spotlet.streams.opencv import extradata_of, fourcc_of
from spotlet.streams.part import PartCapture, open_part
from spotlet.streams.picture_size import codec_name, is_shown, size_reader
from spotlet.streams.plain_size import SizeHw

MOST_UNDECODABLE_PACKETS = 1000
"""A stream is entered anywhere; by then a key frame must have come."""

_SAME_SECONDS = 0.0005
_START_CODES = (b"\0\0\1", b"\0\0\0\1")
_HEADER_BYTES = 1 << 17  # the size is within these, behind an EXIF thumbnail at most


def watch_stream(capture: cv2.VideoCapture) -> "PacketWatch | None":
    """Returns the watch of an open URL, which then reads packets; None if it cannot be watched."""
    if not hasattr(cv2, "IStreamReader") or size_reader(fourcc_of(capture)) is None:
        return None
    return PacketWatch(capture) if capture.set(cv2.CAP_PROP_FORMAT, -1) else None


def states_interlaced(capture: cv2.VideoCapture) -> bool:
    """Whether what an open source says beforehand marks its pictures so that OpenCV loses them."""
    if not LOSES_INTERLACED:
        return False
    fourcc, content = fourcc_of(capture), extradata_of(capture)
    if content[:1] == b"\1" and "AVC" in codec_name(fourcc):  # as MP4 and Matroska store it
        content = b"\0\0\1" + content[8:]
    elif content[:1] == b"\1":
        content = b"\0\0\1\x42\1\0" + content[1:]
    return is_interlaced(fourcc, content)


class PacketWatch:
    """Reads a file's packets beside its decoder, which says nothing of a change of size.

    Attributes:
        size_hw: height and width of the newest pictures, pixels; None if their packets do not say.
        changed_at: how many pictures are shown before the size changes; None: no change was seen.
        changed_seconds: when it last changed, as the packets say.
        held_back: how many pictures the decoder loses at a change: those it still holds.
        is_resized: whether the newest change was one of size.
        refusal: why pictures behind a change cannot be read, if that is known.
    """

    def __init__(self, capture: cv2.VideoCapture | None, path: Path | None = None) -> None:
        """Takes over a capture that reads packets; without effect if its codec is unknown.

        Args:
            capture: the capture; None if none could be opened.
            path: its file, which may say more than the packets.
        """
        self.size_hw: SizeHw | None = None
        self.changed_at: int | None = None
        self.changed_seconds = 0.0
        self.held_back = 0
        self.is_resized = False
        self.refusal: str | None = None
        self._rewrite: Rewrite | None = None
        self._feeds_part = False  # a decoder reads these packets, not the file
        self._latest = -math.inf  # time of the packets before a change
        self._first: float | None = None  # when the first packet is shown, or decoded
        self._delay: float | None = None  # of pictures behind their packets
        self._shown = 0
        self._next: tuple[bytes, float] | None = None
        self._capture = capture
        self._fourcc = ""
        if self._capture is not None:
            self._fourcc = fourcc_of(self._capture)
        self._may_hide = not is_shown(self._fourcc, b"\0")
        self._read_size = size_reader(self._fourcc)
        self._states_fields = (
            path is not None
            and self._fourcc.lower() in MARKED_BY_CONTAINER
            and has_field_order(path)
        )
        if self._read_size is None:
            with quiet_opencv():
                if self._capture is not None and self._capture.grab():
                    self._note_interlaced(self._content())
                    self.changed_at = None if self.refusal is None else 0
            self.close()
        else:
            self.held_back = int(codec_name(self._fourcc) == "V_MPEG2")

    def advance(self, index: int) -> None:
        """Reads on until the packet of the picture `index` was seen, or the size changes."""
        while self._capture is not None and self.changed_at is None and self._shown <= index:
            packet = self._take()
            if packet is None:
                return
            self._shown += not self._may_hide or is_shown(self._fourcc, self._content())

    def is_passed(self, seconds: float) -> bool:
        """Whether a picture shown then is behind a change, whatever the number before it.

        A picture may be two packets (fields), or lost without a word. Times say nothing if they
        start again at the change. In AVI they say when packets are decoded: pictures are later.
        """
        if self._delay is None:
            self._delay = max(seconds - max(self._first or 0.0, 0.0), 0.0)
        seconds -= self._delay
        while self._capture is not None and self.changed_at is None and self._latest < seconds:
            if self._take() is not None:
                self._shown += 1
        if self.changed_at is None or self._next is None:
            return False
        changed = self._next[1]
        return self._latest < changed <= seconds + _SAME_SECONDS

    def open_changed(self, settings: Sequence[int] = ()) -> PartCapture | None:
        """Returns the open decoder of the pictures from the change to the next; None if it fails.

        Its positions count from `changed_seconds`.

        Args:
            settings: see `open_part`.
        """
        if self.changed_at is None or self._next is None or self.refusal is not None:
            return None
        changed_at, self.changed_at = self.changed_at, None
        self.changed_seconds = self._next[1]
        self._feeds_part = True
        size_hw = self.size_hw or (1, 1)
        part = open_part(self.take_same, codec_name(self._fourcc), size_hw, settings=settings)
        if part is None:
            self.changed_at = changed_at
        return part

    def open_first(self, *, on_one_core: bool, settings: Sequence[int] = ()) -> PartCapture | None:
        """Returns the open decoder of a stream's pictures up to a change; None if it fails.

        A stream may send what its decoder needs beforehand alone; then it precedes the packets.

        Args:
            on_one_core: see `open_part`.
            settings: likewise.
        """
        if self._capture is None or self._read_size is None:
            return None
        before = extradata_of(self._capture)
        before = before if before.startswith(_START_CODES) else b""
        self._feeds_part = True
        if self._note_interlaced(before) and self._rewrite is not None:
            before = self._rewrite(before)
        with suppress(ValueError):
            self.size_hw = self._read_size(before)
        packet = self.take_same()
        for _ in range(MOST_UNDECODABLE_PACKETS):
            if packet is None or self.size_hw is not None:
                break
            packet = self.take_same()
        codec = codec_name(self._fourcc)
        starts = packet is not None and ("/ISO/" not in codec or packet[0].startswith(_START_CODES))
        if packet is None or self.size_hw is None or not starts:
            return None
        self._next = before + packet[0], packet[1]
        return open_part(
            self.take_same, codec, self.size_hw, on_one_core=on_one_core, settings=settings
        )

    def take_same(self) -> tuple[bytes, float] | None:
        """Returns the next packet and its time in seconds; None at the end or before a change."""
        if self._next is not None and self.changed_at is None:
            packet, self._next = self._next, None
            return packet
        if self.changed_at is not None or self._capture is None:
            return None
        seconds = self._take()
        if seconds is None or self._capture is None:
            return None
        return self._content(), seconds

    def close(self) -> None:
        """Releases the file. A second call does nothing."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None

    def _take(self) -> float | None:
        """Reads a packet that is of the same size, and returns its time; None at the end."""
        assert self._capture is not None
        assert self._read_size is not None
        with quiet_opencv():
            if not self._capture.grab():
                self.close()
                return None
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            self._first = seconds if self._first is None else self._first
            if not self._capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                self._latest = max(self._latest, seconds)
                return seconds
            content = self._content()
        is_marked = self._note_interlaced(content[:_HEADER_BYTES])
        if is_marked:
            content = self._content()
        try:
            size_hw = self._read_size(content[:_HEADER_BYTES])
        except ValueError:
            size_hw = None
        before = self.size_hw
        self.size_hw = size_hw or before
        is_resized = before not in (None, self.size_hw)
        if is_resized or (is_marked and (self.refusal is not None or not self._feeds_part)):
            self.changed_at, self.is_resized = self._shown, is_resized
            self._next = content, seconds
            return None
        self._latest = max(self._latest, seconds)
        return seconds

    def _note_interlaced(self, content: bytes) -> bool:
        """Whether interlaced pictures begin that must be rewritten, or refused."""
        if self._rewrite is not None or not LOSES_INTERLACED:
            return False
        if not (self._states_fields or is_interlaced(self._fourcc, content)):
            return False
        self._rewrite = progressive_rewrite(self._fourcc)
        if self._rewrite is None:
            self.refusal = explain_refusal(self._fourcc)
        return True

    def _content(self) -> bytes:
        assert self._capture is not None
        content = np.asarray(self._capture.retrieve()[1], np.uint8).tobytes()
        return content if self._rewrite is None else self._rewrite(content)
