"""Frames of a stream, the protocol of their readers, and the clock of a source."""

import time
from dataclasses import dataclass
from typing import Protocol

from spotlet.letterbox import ImageArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Frame:
    """One picture of a stream.

    Attributes:
        image: (H, W, 3) uint8 BGR, upright and with square pixels: the marks of the file are
            applied. Boxes are in pixels of this image.
        source: where it is from: the image's path, the video's path, `camera 0`, or the URL
            without its credentials.
        index: its number in the source, from 0. Between two frames it grows by `dropped` + 1.
        pts_seconds: presentation time in the source, from the first frame of the epoch, never
            decreasing; None for images, for cameras and for URLs without timestamps.
        captured_at: when it was read, seconds since 1970 (UTC); of a file in `live` mode, when
            it was due.
        captured_monotonic: the same moment on `time.monotonic`, for ages.
        dropped: frames that were read and skipped just before this one.
        epoch: grows by one with each reconnection of the source, from 0.
        decoder: of a video: `cpu`, or the hardware's, such as `vaapi`; None for images and
            cameras.
    """

    image: ImageArray
    source: str
    index: int
    pts_seconds: float | None
    captured_at: float
    captured_monotonic: float
    dropped: int = 0
    epoch: int = 0
    decoder: str | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.image.shape[0], self.image.shape[1]


def take_frame(
    image: ImageArray,
    source: str,
    index: int,
    pts_seconds: float | None,
    decoder: str | None = None,
) -> Frame:
    """Returns the frame of a picture that was read just now."""
    return Frame(
        image=image,
        source=source,
        index=index,
        pts_seconds=pts_seconds,
        captured_at=time.time(),
        captured_monotonic=time.monotonic(),
        decoder=decoder,
    )


class Reader(Protocol):
    """Reads the frames of one source, in order.

    Attributes:
        fps: frames per second, if the source states it.
        size_hw: height and width of the frames, pixels, if known; a file's may change.
        frame_count: how many frames the source says it has.
        ended_early: why the source ended before it should have; None if it did not.
        decoder: see `Frame.decoder`.
    """

    fps: float | None
    size_hw: tuple[int, int] | None
    frame_count: int | None
    ended_early: str | None
    decoder: str | None

    def read(self) -> Frame | None:
        """Returns the next frame; None at the end."""

    def close(self) -> None:
        """Releases the file or the device."""


class SourceClock:
    """Seconds since a source's first frame, never decreasing.

    The time between two frames is the difference of their presentation times if they are of one
    epoch and both have one, else that of their captures. So a source may switch between the two.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last: tuple[int, float | None, float] | None = None

    def seconds(self, frame: Frame) -> float:
        """Returns the time of the next frame."""
        if self._last is not None:
            epoch, pts_seconds, captured = self._last
            passed = frame.captured_monotonic - captured
            if epoch == frame.epoch and None not in (pts_seconds, frame.pts_seconds):
                passed = (frame.pts_seconds or 0.0) - (pts_seconds or 0.0)
            self._seconds += max(passed, 0.0)
        self._last = frame.epoch, frame.pts_seconds, frame.captured_monotonic
        return self._seconds
