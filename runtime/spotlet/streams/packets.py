"""The packets of a video file: their times, and where their pictures change size."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np

from spotlet.image_files.files import quiet_opencv
from spotlet.library_paths import path_for_library
from spotlet.streams.part import PartCapture, open_part
from spotlet.streams.picture_size import SizeHw, codec_name, is_shown, size_reader

TIMED_PACKETS = 2000
"""So many are read to learn how close frames follow each other: a minute or more."""

CLOSE_QUANTILE = 0.02
"""The share of frames that may follow their predecessor sooner than the rate allows."""

MOST_RAISED_FPS = 120.0
"""The rate of a video is not raised above this for frames of a variable rate."""

MOST_UNDECODABLE_PACKETS = 1000
"""A stream is entered anywhere; by then a key frame must have come."""

_JITTER, _SAME_RATE = 0.25, 0.01  # shares of a frame's duration, and of a rate
_SAME_SECONDS = 0.0005
_START_CODES = (b"\0\0\1", b"\0\0\0\1")
_HEADER_BYTES = 1 << 17  # the size is within these, behind an EXIF thumbnail at most


@contextmanager
def open_packets(path: Path) -> Iterator[cv2.VideoCapture | None]:
    """Opens a file whose `grab` reads a packet and decodes nothing; None if OpenCV cannot."""
    capture = packet_capture(path)
    try:
        yield capture
    finally:
        if capture is not None:
            capture.release()


def playback_rate(path: Path, fps: float | None) -> float | None:
    """Returns the constant rate at which every frame of a file can be shown at its time.

    That is `fps`, unless the file's rate varies: then how frames usually follow each other, or
    those that follow most closely, if that is much sooner.

    Args:
        path: of the video file.
        fps: its rate as stated; None if it states none.
    """
    with open_packets(path) as capture, quiet_opencv():
        if capture is None:
            return fps
        times: list[float] = []
        while len(times) < TIMED_PACKETS and capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    gaps = np.diff(np.unique(np.round(times, 4)))
    if len(gaps) < 2:
        return fps
    usual = float(np.quantile(gaps, 0.5))
    closest = float(np.quantile(gaps, CLOSE_QUANTILE))
    if closest < (1 - _JITTER) * usual:  # frames come in bursts
        usual = closest
    rate = 1 / float(gaps[np.abs(gaps - usual) <= _JITTER * usual].mean())
    if fps is not None and abs(rate - fps) <= _SAME_RATE * fps:
        return fps
    return min(rate, MOST_RAISED_FPS)


def watch_stream(capture: cv2.VideoCapture) -> "PacketWatch | None":
    """Returns the watch of an open URL, which then reads packets; None if it cannot be watched."""
    if not hasattr(cv2, "IStreamReader") or size_reader(_fourcc_of(capture)) is None:
        return None
    return PacketWatch(capture) if capture.set(cv2.CAP_PROP_FORMAT, -1) else None


class PacketWatch:
    """Reads a file's packets beside its decoder, which says nothing of a change of size.

    Attributes:
        size_hw: height and width of the newest pictures, pixels; None if their packets do not say.
        changed_at: how many pictures are shown before the size changes; None: no change was seen.
        changed_seconds: when it last changed, as the packets say.
        held_back: how many pictures the decoder loses at a change: those it still holds.
    """

    def __init__(self, capture: cv2.VideoCapture | None) -> None:
        """Takes over a capture that reads packets; without effect if its codec is unknown."""
        self.size_hw: SizeHw | None = None
        self.changed_at: int | None = None
        self.changed_seconds = 0.0
        self.held_back = 0
        self._latest = 0.0  # of the packets before a change
        self._shown = 0
        self._next: tuple[bytes, float] | None = None
        self._capture = capture
        self._fourcc = ""
        if self._capture is not None:
            self._fourcc = _fourcc_of(self._capture)
        self._may_hide = not is_shown(self._fourcc, b"\0")
        self._read_size = size_reader(self._fourcc)
        if self._read_size is None:
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
        start again at the change.
        """
        while self._capture is not None and self.changed_at is None and self._latest < seconds:
            if self._take() is not None:
                self._shown += 1
        if self.changed_at is None or self._next is None:
            return False
        changed = self._next[1]
        return self._latest < changed <= seconds + _SAME_SECONDS

    def open_changed(self) -> PartCapture | None:
        """Returns the open decoder of the pictures from the change to the next; None if it fails.

        Its positions count from `changed_seconds`.
        """
        if self.changed_at is None or self._next is None:
            return None
        changed_at, self.changed_at = self.changed_at, None
        self.changed_seconds = self._next[1]
        part = open_part(self.take_same, codec_name(self._fourcc), self.size_hw or (1, 1))
        if part is None:
            self.changed_at = changed_at
        return part

    def open_first(self) -> PartCapture | None:
        """Returns the open decoder of a stream's pictures up to a change; None if it fails.

        A stream may send what its decoder needs beforehand alone; then it precedes the packets.
        """
        if self._capture is None or self._read_size is None:
            return None
        place = int(self._capture.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX))
        there, extra = self._capture.retrieve(flag=place)
        before = np.asarray(extra, np.uint8).tobytes() if there and extra is not None else b""
        before = before if before.startswith(_START_CODES) else b""
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
        return open_part(self.take_same, codec, self.size_hw, on_one_core=True)

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
            if not self._capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                self._latest = max(self._latest, seconds)
                return seconds
            content = self._content()
        try:
            size_hw = self._read_size(content[:_HEADER_BYTES])
        except ValueError:
            size_hw = None
        if size_hw is not None:
            before, self.size_hw = self.size_hw, size_hw
            if before not in (None, size_hw):
                self.changed_at = self._shown
                self._next = content, seconds
                return None
        self._latest = max(self._latest, seconds)
        return seconds

    def _content(self) -> bytes:
        assert self._capture is not None
        return np.asarray(self._capture.retrieve()[1], np.uint8).tobytes()


def _fourcc_of(capture: cv2.VideoCapture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFF_FFFF
    return code.to_bytes(4, "little").decode("latin-1")


def packet_capture(path: Path) -> cv2.VideoCapture | None:
    """Returns an open capture whose `grab` reads a packet and decodes nothing; None if it fails."""
    capture = cv2.VideoCapture()
    with quiet_opencv(), path_for_library(path) as name:
        opened = capture.open(name, cv2.CAP_FFMPEG)
        if opened and capture.set(cv2.CAP_PROP_FORMAT, -1):
            return capture
    capture.release()
    return None
