"""A stream: frames of any source, one after the other."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

from spotlet.errors import UsageError
from spotlet.lifetime import WAKE_SECONDS, Closing
from spotlet.streams.feeds import Feed
from spotlet.streams.frame import Frame
from spotlet.streams.source import Source, SourceKind

StreamMode = Literal["video", "live"]


class Stream(Closing):
    """An open source: iterate over it once, and close it or use it in a `with` block.

    Attributes:
        mode: `video`: every frame, in order; `live`: the newest frame; the others are dropped.
    """

    def __init__(
        self,
        source: Source,
        feed: Feed,
        mode: StreamMode,
        max_fps: float | None,
        changed: threading.Event,
    ) -> None:
        """Takes over a feed; use `open_stream`."""
        self.mode = mode
        self._source = source
        self._feed = feed
        self._changed = changed
        self._least_seconds = 1 / max_fps if max_fps else 0.0
        self._due = time.monotonic()
        self._closed = False
        self._stopped = False

    def __reduce__(self) -> NoReturn:
        """Refuses to be pickled or copied.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{self.source}: an open stream cannot be pickled or copied; open it in the process "
            "that reads it"
        )

    @property
    def source(self) -> str:
        """Its name, without credentials."""
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
        """Frames per second as the source states them; None if it does not, or is not open yet."""
        return None if self._feed.reader is None else self._feed.reader.fps

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """Height and width of the frames in pixels.

        None for images, which may differ, and for a live source that is not open yet.
        """
        return None if self._feed.reader is None else self._feed.reader.size_hw

    @property
    def frame_count(self) -> int | None:
        """How many frames the source says it has; for some containers an estimate."""
        return None if self._feed.reader is None else self._feed.reader.frame_count

    @property
    def decoder(self) -> str | None:
        """What decodes it, see `Frame.decoder`; None too for a live source that is not open yet."""
        return None if self._feed.reader is None else self._feed.reader.decoder

    @property
    def ended_early(self) -> str | None:
        """Why the stream ended before it should have; None if it did not.

        A truncated file yields the frames before the cut and then ends; so does a live source
        whose retries are used up. Check this after the loop.
        """
        return self._feed.ended_early

    @property
    def over(self) -> bool:
        """Whether no more frames will come."""
        return self._closed or self._stopped or self._feed.over

    def wait_until_open(self) -> None:
        """Waits for a source that must be there, in `video` mode; `open_stream` did this already.

        Raises:
            SourceError: it cannot be opened.
        """
        self._feed.wait_until_open()

    def poll(self) -> Frame | None:
        """Returns a frame if one is available now, else None; None also once it is `over`.

        For programs that serve several streams in turn; a `for` loop waits on its own. A file's
        next frame is always available.

        Raises:
            SourceError: the source cannot be read, and will not be tried again.
        """
        if self.over:
            return None
        if time.monotonic() < self._due:
            self._feed.tend()
            return None
        frame = self._feed.poll()
        if frame is not None:
            now = time.monotonic()
            self._due = max(self._due, now - self._least_seconds) + self._least_seconds
        return frame

    def wait_seconds(self) -> float:
        """Returns how long to wait before the next `poll` if no live frame arrives earlier.

        At most `WAKE_SECONDS`; 0 if the stream is over.
        """
        if self.over:
            return 0.0
        pause = max(self._due - time.monotonic(), 0.0)
        return min(max(pause, self._feed.wait_seconds()), WAKE_SECONDS)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames; the stream is closed afterwards, also after a `break`.

        Raises:
            SourceError: see `poll`.
            UsageError: the stream is closed.
        """
        if self._closed:
            raise UsageError(f"{self.source}: this stream is closed; open it again")
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        try:
            while not self.over:
                self._changed.clear()  # before polling, so that no arrival is missed
                frame = self.poll()
                if frame is not None:
                    yield frame
                elif not self.over:
                    self._changed.wait(self.wait_seconds())
        finally:
            self.close()

    def stop(self) -> None:
        """Ends the stream's loop, from any thread, and returns at once."""
        self._stopped = True
        self._feed.stop()
        self._changed.set()

    def close(self) -> None:
        """Releases the source. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._feed.close()
