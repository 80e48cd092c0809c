"""A sink in a thread of its own, behind a queue that does not grow."""

import threading
import time
from collections import deque
from typing import Literal

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import WAKE_SECONDS, Closing
from spotlet.sinks.sink import Sink
from spotlet.streams import Frame

QueueRule = Literal["drop", "block"]

QUEUED_FRAMES = 4
"""Full HD frames of this number take 25 MB."""

CLOSE_SECONDS = 0.6
"""For what is queued at the end. A run that is stopped ends within two seconds, of which closing
the sources may take one."""

FINISH_SECONDS = 0.3
"""For the file itself, after that."""


class QueuedSink(Closing):
    """Hands frames to another sink, which works in its own thread.

    At most `size` frames wait. What finds the queue full is dropped, newest first, and counted
    (`drop`: a slow disk must not slow down detection), or is waited with (`block`: each frame is
    written, however long it takes, also at the end, unless that is to hurry). An error of the
    other sink is raised by the next call.
    """

    def __init__(
        self,
        sink: Sink,
        size: int = QUEUED_FRAMES,
        rule: QueueRule = "drop",
        *,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        """Starts the thread.

        Args:
            sink: taken over: nobody else may call it until this one is closed.
            size: how many frames may wait, from 1.
            rule: what becomes of a frame that finds the queue full.
            close_seconds: how long what is queued goes on being written at the end, under the
                rule `drop` and in a hurry.

        Raises:
            UsageError: an argument breaks its rule.
        """
        if size < 1:
            raise UsageError(f"queue of {size} frames: must be at least 1")
        if rule not in ("drop", "block"):
            raise UsageError(f"queue rule {rule!r}: must be drop or block")
        self._sink = sink
        self._size = size
        self._rule = rule
        self._close_seconds = close_seconds
        self._waiting: deque[tuple[Frame, Detections]] = deque()
        self._changed = threading.Condition()
        self._dropped = 0
        self._error: Exception | None = None
        self._told = False
        self._finishing = False
        self._deadline = float("inf")  # for what is queued
        # Not `join`: in Python 3.11 a thread passes for ended once Ctrl-C interrupts that.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="spotlet-sink", daemon=True).start()

    @property
    def dropped(self) -> int:
        """How many frames were not written because writing was too slow or failed."""
        return self._dropped

    @property
    def written(self) -> str | None:
        """What the other sink wrote, and how many frames were dropped."""
        written = self._sink.written
        if not self._dropped:
            return written
        why = "writing was too slow" if self._error is None else "writing failed"
        return f"{written or 'nothing'}; {self._dropped} frames dropped, {why}"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Queues a frame, drops it, or waits with it.

        Raises:
            Exception: what the other sink raised, in an earlier call.
            UsageError: this sink is closed.
        """
        with self._changed:
            self._raise_error()
            if self._finishing:
                raise UsageError("this sink is closed")
            while len(self._waiting) >= self._size:
                if self._rule == "drop":
                    self._dropped += 1
                    return
                self._changed.wait(WAKE_SECONDS)
                self._raise_error()
                if self._finishing:  # another thread hurries
                    self._dropped += 1
                    return
            self._waiting.append((frame, detections))
            self._changed.notify_all()

    def finish(self, *, hurry: bool = False) -> None:
        """Takes no more frames, and returns at once; the thread writes what is queued, and closes.

        Args:
            hurry: also under the rule `block` drop what is not written in `close_seconds`.
        """
        with self._changed:
            self._finishing = True
            if hurry or self._rule == "drop":
                self._deadline = min(self._deadline, time.monotonic() + self._close_seconds)
            self._changed.notify_all()

    def close(self) -> None:
        """Waits until what is queued is written and the other sink is closed.

        Under the rule `drop`, and in a hurry, not longer than `close_seconds` and
        `FINISH_SECONDS` after `finish`, which it calls; what is still queued then is dropped. A
        second call does nothing.

        Raises:
            Exception: what the other sink raised, unless a call before told it.
            OutputError: the other sink does not come back; its thread is left to itself.
        """
        self.finish()
        while not self._ended.is_set() and (left := self._left_seconds()) > 0:
            self._ended.wait(min(left, WAKE_SECONDS))
        with self._changed:
            if self._told:
                return
            if not self._ended.is_set():
                self._dropped += len(self._waiting)
                self._waiting.clear()
                self._told = True
                raise OutputError(
                    f"{self._sink.written or 'a sink'}: not finished within "
                    f"{self._close_seconds + FINISH_SECONDS:g} s; the newest frames are lost"
                )
            self._raise_error()

    def _left_seconds(self) -> float:
        with self._changed:
            return self._deadline + FINISH_SECONDS - time.monotonic()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._told = True
            raise self._error

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._sink.write(*item)
        except Exception as error:
            self._fail(error, lost=1)
        finally:
            try:
                self._sink.close()
            except Exception as error:
                self._fail(error, lost=0)
            self._ended.set()

    def _next(self) -> tuple[Frame, Detections] | None:
        """Waits for a frame and takes it; None when it is time to close."""
        with self._changed:
            while not self._waiting and not self._finishing:
                self._changed.wait()
            if time.monotonic() > self._deadline:
                self._dropped += len(self._waiting)
                self._waiting.clear()
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._changed.notify_all()
            return item

    def _fail(self, error: Exception, lost: int) -> None:
        with self._changed:
            self._error = self._error or error
            self._dropped += lost + len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
