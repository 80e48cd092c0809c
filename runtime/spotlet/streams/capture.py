"""A thread that reads one connection of a source and keeps its newest frame."""

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from spotlet.errors import SourceError
from spotlet.streams.frame import Frame, Reader

HandOver = Literal["newest", "paced", "every"]
"""What happens to a frame: it replaces the previous one; it does so when it is due, as if a camera
showed the file; it waits until the previous one was taken."""

CLOSE_SECONDS = 1.0
"""How long closing waits for a read that hangs; its thread ends later."""

_captures: "weakref.WeakSet[Capture]" = weakref.WeakSet()


def _stop_captures() -> None:
    """Ends the threads that read, at the interpreter's exit.

    One that returns from the library into an interpreter that is gone aborts the process.
    """
    until = time.monotonic() + CLOSE_SECONDS
    running = [capture for capture in _captures if capture.running]
    for capture in running:
        capture.abandon()
    for capture in running:
        capture.join(max(until - time.monotonic(), 0.0))


class Capture:
    """One connection, opened, read and closed by its own thread.

    The thread keeps one frame, so memory stays bounded whatever the source does and however slow
    the consumer is. It may hang in the library indefinitely: then it is abandoned, and what it
    reads later is discarded.

    Attributes:
        started: when it started, on `time.monotonic`.
        reader: the open source; None until it is open.
        first_frame: when the first frame arrived, on `time.monotonic`; None before.
        last_frame: when the newest arrived.
        error: what ended the connection; None for a regular end.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        changed: threading.Event,
        hand_over: HandOver = "newest",
    ) -> None:
        """Starts the thread.

        Args:
            open_reader: returns the open source; may take long, and may raise.
            changed: set when a frame arrived or the connection ended.
            hand_over: what happens to a frame.
        """
        self.started = time.monotonic()
        self.reader: Reader | None = None
        self.first_frame: float | None = None
        self.last_frame: float | None = None
        self.error: Exception | None = None
        self._open_reader = open_reader
        self._changed = changed
        self._hand_over = hand_over
        self._lock = threading.Condition()
        self._abandoned = threading.Event()
        self._ended = False
        self._newest: Frame | None = None
        self._dropped_before = 0
        self._dropped_after = 0
        self._thread = threading.Thread(target=self._run, name="spotlet-capture", daemon=True)
        _captures.add(self)
        atexit.unregister(_stop_captures)
        atexit.register(_stop_captures)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread is still running."""
        return self._thread.is_alive()

    @property
    def ended(self) -> bool:
        """Whether the connection is over and its last frame was taken."""
        with self._lock:
            return self._ended and self._newest is None

    def take(self) -> Frame | None:
        """Returns the newest frame not yet taken, with the number of those it replaced."""
        with self._lock:
            frame, self._newest = self._newest, None
            if frame is None:
                return None
            dropped, self._dropped_before = self._dropped_before, 0
            self._lock.notify_all()
        return replace(frame, dropped=dropped)

    def abandon(self) -> int:
        """Lets the thread end when it can; returns how many of its frames were never taken."""
        with self._lock:
            self._abandoned.set()
            left = self._dropped_before + (self._newest is not None) + self._dropped_after
            self._newest, self._dropped_before, self._dropped_after = None, 0, 0
            self._lock.notify_all()
        return left

    def join(self, seconds: float) -> None:
        """Waits for the thread, at most that long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.reader = self._open_reader()
            self._read(self.reader)
        except Exception as error:  # whatever it was, the connection is lost
            self.error = error
        with self._lock:
            self._ended = True
        self._changed.set()
        if self.reader is not None:
            self.reader.close()  # last of all: this may hang as well

    def _read(self, reader: Reader) -> None:
        first = time.monotonic()
        while (frame := reader.read()) is not None:
            if reader.size_hw not in (None, frame.size_hw):
                with self._lock:
                    self._dropped_after = 1
                raise SourceError(f"{frame.source}: the size of its frames changed")
            if self._hand_over == "paced" and frame.pts_seconds is not None:
                self._abandoned.wait(first + frame.pts_seconds - time.monotonic())
                frame = replace(frame, captured_at=time.time(), captured_monotonic=time.monotonic())
            with self._lock:
                while self._hand_over == "every" and self._newest is not None:
                    self._lock.wait()
                if self._abandoned.is_set():
                    return
                self._dropped_before += self._newest is not None
                self._newest = frame
                self.last_frame = time.monotonic()
                self.first_frame = self.first_frame or self.last_frame
            self._changed.set()
