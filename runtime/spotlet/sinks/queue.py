"""A sink in its own thread, behind a bounded queue."""

import threading
import time
from collections import deque
from typing import Literal

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import WAKE_SECONDS
from spotlet.sinks.sink import DroppingSink, Sink
from spotlet.streams import Frame

QueueRule = Literal["drop", "block"]

QUEUED_FRAMES = 4
"""At Full HD, this many take 25 MB."""

CLOSE_SECONDS = 0.6
"""Time for the queued frames, at the end. A stopped run ends within two seconds, of which closing
the sources may take one."""

FINISH_SECONDS = 0.3
"""Time for the file itself, after that."""


class QueuedSink(DroppingSink):
    """Passes frames on to another sink, which works in its own thread.

    At most `size` frames wait. If the queue is full, a new frame is dropped and counted (`drop`: a
    slow disk must not slow down detection), or `write` waits (`block`: every frame is written,
    however long it takes, at the end too, unless in a hurry). An error of the other sink is raised
    by the next call.
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
            sink: taken over: do not call it until this one is closed.
            size: how many frames may wait, at least 1.
            rule: what to do with a frame when the queue is full.
            close_seconds: how long to write the queued frames at the end, under the rule `drop`
                or in a hurry.

        Raises:
            UsageError: an argument breaks its rule.
        """
        if size < 1:
            raise UsageError(f"queue of {size} frames: must be at least 1")
        if rule not in ("drop", "block"):
            raise UsageError(f"queue rule {rule!r}: must be drop or block")
        super().__init__(sink)
        self._size = size
        self._rule = rule
        self._close_seconds = close_seconds
        self._waiting: deque[tuple[Frame, Detections]] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._reported = False
        self._finishing = False
        self._deadline = float("inf")  # for the queued frames
        # Not `join`: in Python 3.11, a thread counts as ended once Ctrl-C interrupts it.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="spotlet-sink", daemon=True).start()

    def write(self, frame: Frame, detections: Detections) -> None:
        """Queues the frame, drops it, or waits for a free place.

        Raises:
            Exception: what the other sink raised in an earlier call.
            UsageError: this sink is closed.
        """
        with self._changed:
            self._raise_error()
            if self._finishing:
                raise UsageError("this sink is closed")
            while len(self._waiting) >= self._size:
                if self._rule == "block":
                    self._changed.wait(WAKE_SECONDS)
                    self._raise_error()
                if self._rule == "drop" or self._finishing:  # by another thread, in a hurry
                    self._dropped += 1
                    return
            self._waiting.append((frame, detections))
            self._changed.notify_all()

    def finish(self, *, hurry: bool = False) -> None:
        """Takes no more frames, and returns at once; the thread writes the queue, and closes.

        Args:
            hurry: under the rule `block` too, drop what is not written in `close_seconds`.
        """
        with self._changed:
            self._finishing = True
            if hurry or self._rule == "drop":
                self._deadline = min(self._deadline, time.monotonic() + self._close_seconds)
            self._changed.notify_all()

    def close(self) -> None:
        """Calls `finish`, and waits until the queue is written and the other sink is closed.

        Under the rule `drop`, and in a hurry, it waits at most `close_seconds` and
        `FINISH_SECONDS` after `finish`, and drops what is still queued then. A second call does
        nothing.

        Raises:
            Exception: what the other sink raised, unless an earlier call reported it.
            OutputError: the other sink hangs; its thread is abandoned.
        """
        self.finish()
        while not self._ended.is_set():
            left = self._deadline + FINISH_SECONDS - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, WAKE_SECONDS))
        with self._changed:
            if self._reported:
                return
            if not self._ended.is_set():
                self._drop_waiting()
                self._reported = True
                raise OutputError(
                    f"{self._sink.written or 'a sink'}: not finished within "
                    f"{self._close_seconds + FINISH_SECONDS:g} s; the newest frames are lost"
                )
            self._raise_error()

    def _drop_reason(self) -> str:
        return "writing was too slow" if self._error is None else super()._drop_reason()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._reported = True
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
        """Waits for a frame and returns it; None when it is time to close."""
        with self._changed:
            while not self._waiting and not self._finishing:
                self._changed.wait()
            if time.monotonic() > self._deadline:
                self._drop_waiting()
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._changed.notify_all()
            return item

    def _fail(self, error: Exception, lost: int) -> None:
        with self._changed:
            self._error = self._error or error
            self._dropped += lost
            self._drop_waiting()
            self._changed.notify_all()

    def _drop_waiting(self) -> None:
        self._dropped += len(self._waiting)
        self._waiting.clear()
