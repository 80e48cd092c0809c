"""A stream: frames one after the other from any source."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from spotlet.errors import UsageError
from spotlet.streams.feeds import EveryFrame, Feed, NewestFrame
from spotlet.streams.frame import Frame
from spotlet.streams.images import ImageReader
from spotlet.streams.reader import Reader
from spotlet.streams.source import Source, SourceKind, locate_source
from spotlet.streams.video import VideoReader

StreamMode = Literal["video", "live"]

TIMEOUT_SECONDS = 10.0
"""How long a URL may take to open, and to give a frame."""


class Stream:
    """An open source: iterate over it once, and close it or use it in a `with` block.

    Attributes:
        mode: `video`: every frame, in order; `live`: the newest frame, the rest dropped.
    """

    def __init__(
        self, source: Source, reader: Reader, mode: StreamMode, max_fps: float | None
    ) -> None:
        """Takes over an open reader; `open_stream` is the way to one."""
        self.mode = mode
        self._source = source
        self._reader = reader
        self._max_fps = max_fps
        self._feed: Feed = (
            NewestFrame(reader, at_own_pace=source.is_live)
            if mode == "live"
            else EveryFrame(reader)
        )
        self._closed = False

    @property
    def source(self) -> str:
        """What is read, without credentials."""
        return self._source.name

    @property
    def files(self) -> frozenset[Path]:
        """The files that are read, resolved; none for cameras and URLs."""
        return self._source.files

    @property
    def kind(self) -> SourceKind:
        """`image`, `images` (a folder or a glob), `video`, `camera` or `url`."""
        return self._source.kind

    @property
    def fps(self) -> float | None:
        """Frames a second as the source says; None where it does not."""
        return self._reader.fps

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """Height and width of the frames in pixels; None for images, which may differ."""
        return self._reader.size_hw

    @property
    def frame_count(self) -> int | None:
        """How many frames the source says it has, which for some containers is an estimate."""
        return self._reader.frame_count

    @property
    def ended_early(self) -> str | None:
        """Why the stream ended before it should have; None if it did not.

        A file that is cut short gives the frames before the cut and then ends; so does a
        camera that is lost. Ask this after the loop.
        """
        return self._reader.ended_early

    def __iter__(self) -> Iterator[Frame]:
        """Gives the frames; the stream is closed afterwards, also after a `break`.

        Raises:
            SourceError: an image cannot be read.
            UsageError: the stream is closed.
        """
        if self._closed:
            raise UsageError(f"{self.source}: this stream is closed; open it again")
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        least_seconds = 1 / self._max_fps if self._max_fps else 0.0
        due = time.monotonic()
        try:
            while not self._closed:
                time.sleep(max(due - time.monotonic(), 0.0))
                due = max(due, time.monotonic() - least_seconds) + least_seconds
                frame = self._feed.next()
                if frame is None:
                    return
                yield frame
        finally:
            self.close()

    def close(self) -> None:
        """Releases the source. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_stream(
    source: str | int | Path,
    *,
    mode: StreamMode | None = None,
    max_fps: float | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Stream:
    """Opens a source of frames.

    Args:
        source: the path of an image, of a folder of images or of a video file; a glob of
            images; a camera's index; an rtsp, rtmp or http URL.
        mode: `video` gives every frame, in order; `live` the newest, counting those that it
            overtook as dropped. None takes `live` for cameras and URLs, else `video`. A file
            in `live` mode plays at its own pace, as a camera would.
        max_fps: the most frames a second that are given, over 0. In `video` mode the reading
            waits and nothing is left out; in `live` mode what comes in between is dropped.
        timeout_seconds: for a URL, to open and to give a frame.

    Raises:
        SourceError: the source cannot be opened, or not one frame of it can be decoded.
        UsageError: an argument breaks its rule.

    Example:
        >>> with open_stream("holiday.mp4") as stream:  # doctest: +SKIP
        ...     for frame in stream:
        ...         print(frame.index, frame.pts_seconds, frame.image.shape)
    """
    if mode not in (None, "video", "live"):
        raise UsageError(f"mode {mode!r}: must be video or live")
    if max_fps is not None and not 0 < max_fps < float("inf"):
        raise UsageError(f"max fps {max_fps}: must be over 0")
    if not 0 < timeout_seconds < float("inf"):
        raise UsageError(f"timeout {timeout_seconds} s: must be over 0")
    located = locate_source(source)
    if mode == "live" and located.paths:
        raise UsageError(f"{located.name}: images have no live mode; use mode video")
    reader: Reader = (
        ImageReader(located.paths) if located.paths else VideoReader(located, timeout_seconds)
    )
    return Stream(located, reader, mode or ("live" if located.is_live else "video"), max_fps)
