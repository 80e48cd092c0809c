"""Feeds: which frames of a source are passed on, all of them or the newest."""

import threading
import time
from collections.abc import Callable

from spotlet.lifetime import WAKE_SECONDS
from spotlet.streams.capture import CLOSE_SECONDS, Capture, HandOver
from spotlet.streams.frame import Frame, Reader


class Feed:
    """Passes on the frames of a source, and owns it.

    Attributes:
        over: whether no more frames will come.
        ended_early: why it ended before it should have; None if it did not.
        reader: of the current connection; None before the first is open.
    """

    over = False
    ended_early: str | None = None
    reader: Reader | None = None
    _capture: Capture | None = None
    _close_by = float("inf")

    def wait_until_open(self) -> None:
        """Waits for a source that must be there; returns at once for all others."""

    def poll(self) -> Frame | None:
        """Returns a frame; None if there is none now, or no more."""
        raise NotImplementedError

    def tend(self) -> None:
        """Does what is due, except passing on a frame."""

    def wait_seconds(self) -> float:
        """Returns how long there is nothing to do, unless its event is set; here without limit."""
        return float("inf")

    def stop(self) -> None:
        """Stops the thread that reads, if there is one, and returns at once; from any thread."""
        self._close_by = min(self._close_by, time.monotonic() + CLOSE_SECONDS)
        capture = self._capture
        if capture is not None:
            capture.abandon()

    def close(self) -> None:
        """Releases the source; after a short wait a read that hangs is left to its thread."""
        raise NotImplementedError


class EveryFrame(Feed):
    """Every frame of a reader, in order, read on request."""

    def __init__(self, reader: Reader) -> None:
        self.reader: Reader = reader

    def poll(self) -> Frame | None:
        """Returns the next frame, waiting for it; None at the end."""
        if self.over:
            return None
        self.over = True  # also if reading raises
        frame = self.reader.read()
        self.over = frame is None
        self.ended_early = self.reader.ended_early
        return frame

    def wait_seconds(self) -> float:
        """Returns 0: the next frame can be read at any time."""
        return 0.0

    def close(self) -> None:
        """Releases the reader."""
        self.over = True
        self.reader.close()


class OneConnection(Feed):
    """The frames of one connection, read in its own thread; when it ends, the feed ends."""

    def __init__(
        self, open_reader: Callable[[], Reader], changed: threading.Event, hand_over: HandOver
    ) -> None:
        """Starts to open the source.

        Args:
            open_reader: returns the open source; may take long, and may raise.
            changed: set when there is something to `poll`.
            hand_over: which frames are passed on.
        """
        self._changed = changed
        self._capture: Capture = Capture(open_reader, changed, hand_over)

    def wait_until_open(self) -> None:
        """Waits until the source is open.

        Raises:
            SourceError: it cannot be opened.
        """
        while self._capture.reader is None and not self._capture.ended:
            self._changed.wait(WAKE_SECONDS)
            self._changed.clear()
        self.reader = self._capture.reader
        if self.reader is None:
            self.tend()

    def poll(self) -> Frame | None:
        """Returns a frame that was not passed on yet; None if there is none now."""
        frame = self._capture.take()
        if frame is None:
            self.tend()
        return frame

    def tend(self) -> None:
        """Notes the end; raises what ended the reading."""
        if self._capture.ended and not self.over:
            self.over = True
            reader = self._capture.reader
            self.ended_early = None if reader is None else reader.ended_early
            if self._capture.error is not None:
                raise self._capture.error

    def close(self) -> None:
        """Releases the source; after a short wait a read that hangs is left to its thread."""
        self.stop()
        self.over = True
        self._capture.join(max(self._close_by - time.monotonic(), 0.0))
