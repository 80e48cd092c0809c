"""Feeds: which of a reader's frames are handed on, all of them or the newest."""

import threading
import time
from dataclasses import replace
from typing import Protocol

from spotlet.streams.frame import Frame
from spotlet.streams.reader import Reader

CLOSE_SECONDS = 2.0
"""How long closing waits for a read that hangs; its thread then ends by itself later."""

_WAKE_SECONDS = 0.2
"""How often a wait lets Python handle Ctrl-C, which some systems cannot do within a wait."""


class Feed(Protocol):
    """What hands on the frames of a reader, and owns it."""

    def next(self) -> Frame | None:
        """Returns a frame, waiting for it; None at the end."""

    def close(self) -> None:
        """Releases the reader."""


class EveryFrame:
    """Every frame, in order, read when it is asked for."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def next(self) -> Frame | None:
        """Returns the next frame; None at the end."""
        return self._reader.read()

    def close(self) -> None:
        """Releases the reader."""
        self._reader.close()


class NewestFrame:
    """The newest frame; those that it overtook are counted as dropped.

    A thread reads all the time and keeps one frame, so memory stays bounded whatever the
    source does and however slow the consumer is. Only that thread touches the reader, and it
    closes it.
    """

    def __init__(self, reader: Reader, *, at_own_pace: bool) -> None:
        """Starts reading.

        Args:
            reader: the source.
            at_own_pace: frames come when they are due, as from a camera; False for a file,
                which is then played at the pace of its `pts_seconds`.
        """
        self._reader = reader
        self._at_own_pace = at_own_pace
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._dropped = 0
        self._ended = False
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._capture, name="spotlet-capture", daemon=True)
        self._thread.start()

    def next(self) -> Frame | None:
        """Returns the newest frame that was not handed on yet; None at the end.

        Raises:
            SpotletError: what the reader raised.
        """
        with self._changed:
            while self._waiting is None and not self._ended:
                self._changed.wait(_WAKE_SECONDS)
            frame, self._waiting = self._waiting, None
            dropped, self._dropped = self._dropped, 0
        if frame is not None:
            return replace(frame, dropped=dropped)
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Ends the reading; a read that hangs is left to its thread after a short wait."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _capture(self) -> None:
        started = time.monotonic()
        try:
            while not self._closing.is_set():
                frame = self._reader.read()
                if frame is None:
                    break
                if not self._at_own_pace and frame.pts_seconds is not None:
                    self._closing.wait(started + frame.pts_seconds - time.monotonic())
                with self._changed:
                    self._dropped += self._waiting is not None
                    self._waiting = frame
                    self._changed.notify()
        except Exception as error:  # handed to the consumer's thread
            self._error = error
        finally:
            self._reader.close()
            with self._changed:
                self._ended = True
                self._changed.notify()
