"""Feeds: which of a source's frames are handed on, all of them or the newest."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from spotlet.lifetime import WAKE_SECONDS
from spotlet.streams.capture import CLOSE_SECONDS, Capture, HandOver
from spotlet.streams.frame import Frame
from spotlet.streams.reader import Reader


class Feed(Protocol):
    """What hands on the frames of a source, and owns it.

    Attributes:
        over: whether no frame will come any more.
        ended_early: why it is over though it should not be; None if it is not so.
        reader: of the present connection; None where there was none yet.
    """

    over: bool
    ended_early: str | None

    @property
    def reader(self) -> Reader | None:
        """See the class."""

    def wait_until_open(self) -> None:
        """Waits for a source that must be there; for others it returns at once."""

    def poll(self) -> Frame | None:
        """Returns a frame; None where there is none now, or none any more."""

    def tend(self) -> None:
        """Does what is due but handing on a frame."""

    def wait_seconds(self) -> float:
        """Returns how long there is nothing to do, unless its event is set."""

    def stop(self) -> None:
        """Lets the reading end, and returns at once; for any thread."""

    def close(self) -> None:
        """Releases the source."""


class EveryFrame:
    """Every frame of a reader, in order, read when it is asked for."""

    def __init__(self, reader: Reader) -> None:
        self.over = False
        self.ended_early: str | None = None
        self.reader: Reader | None = reader
        self._reader = reader

    def wait_until_open(self) -> None:
        """Does nothing: it is open."""

    def poll(self) -> Frame | None:
        """Returns the next frame, waiting for it; None at the end."""
        if self.over:
            return None
        self.over = True  # also where reading raises
        frame = self._reader.read()
        self.over = frame is None
        self.ended_early = self._reader.ended_early
        return frame

    def tend(self) -> None:
        """Does nothing: reading is all there is to do."""

    def wait_seconds(self) -> float:
        """Returns 0: the next frame can be read at any time."""
        return 0.0

    def stop(self) -> None:
        """Does nothing: who reads is the one who stops."""

    def close(self) -> None:
        """Releases the reader."""
        self.over = True
        self._reader.close()


class OneConnection:
    """The frames of one connection, read in a thread of its own; its end is the end."""

    def __init__(
        self, open_reader: Callable[[], Reader], changed: threading.Event, hand_over: HandOver
    ) -> None:
        """Begins to open the source.

        Args:
            open_reader: gives the open source; may take long, and may raise.
            changed: set when there is something to `poll`.
            hand_over: which frames are handed on.
        """
        self.over = False
        self.ended_early: str | None = None
        self._changed = changed
        self._close_by = float("inf")
        self._capture = Capture(open_reader, changed, hand_over)

    @property
    def reader(self) -> Reader | None:
        """The open source; None before it is open."""
        return self._capture.reader

    def wait_until_open(self) -> None:
        """Waits until the source is open.

        Raises:
            SourceError: it cannot be opened.
        """
        while self.reader is None and not self._capture.ended:
            self._changed.wait(WAKE_SECONDS)
            self._changed.clear()
        if self.reader is None:
            self.tend()

    def poll(self) -> Frame | None:
        """Returns a frame that was not handed on yet; None where there is none now."""
        frame = self._capture.take()
        if frame is None:
            self.tend()
        return frame

    def tend(self) -> None:
        """Notes the end; raises what ended the reading."""
        if self._capture.ended and not self.over:
            self.over = True
            self.ended_early = None if self.reader is None else self.reader.ended_early
            if self._capture.error is not None:
                raise self._capture.error

    def wait_seconds(self) -> float:
        """Returns infinity: there is nothing to do before the next frame."""
        return float("inf")

    def stop(self) -> None:
        """Reads no more; for any thread."""
        self._close_by = min(self._close_by, time.monotonic() + CLOSE_SECONDS)
        self._capture.abandon()

    def close(self) -> None:
        """Releases the source; a read that hangs is left to its thread after a short wait."""
        self.stop()
        self.over = True
        self._capture.join(max(self._close_by - time.monotonic(), 0.0))
