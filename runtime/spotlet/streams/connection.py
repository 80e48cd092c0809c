"""A live source, reconnected with back-off whenever it is lost."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from spotlet.errors import SourceError, SpotletError
from spotlet.streams.capture import Capture
from spotlet.streams.feeds import Feed
from spotlet.streams.frame import Frame, Reader
from spotlet.streams.status import OnStatus, Reconnection, State, StatusEvent

SETTLE_SECONDS = 0.3
"""After a connection's first frame nothing is taken for this long: what the library buffered
while it opened the source arrives at once, and is old."""

MOST_ABANDONED = 3
"""Threads of one source that may hang in the library at once; then it waits for one to end."""

ABANDONED_SECONDS = 1.0
"""How often it then checks whether one has ended."""


class Connection(Feed):
    """The newest frame of a live source, over as many connections as it takes.

    Only the reading has its own thread: `poll` or `tend` must be called often, and does what is
    due. So one thread serves any number of sources. `reader` is that of the last connection that
    produced a frame.
    """

    def __init__(
        self,
        name: str,
        open_reader: Callable[[], Reader],
        reconnection: Reconnection,
        changed: threading.Event,
        on_status: OnStatus,
    ) -> None:
        """Starts to open the source, in its own thread.

        Args:
            name: of the source, without credentials.
            open_reader: opens it; called once for each connection.
            reconnection: when it is given up and tried again.
            changed: set when there is something to `poll`.
            on_status: called with each change of state, in the thread that polls or closes.
        """
        self._name = name
        self._open_reader = open_reader
        self._rules = reconnection
        self._changed = changed
        self._on_status = on_status
        self._epoch = 0
        self._index = 0
        self._dropped = 0
        self._failures = 0
        self._live = False
        self._due = 0.0
        self._left: list[Capture] = []
        self._connect()

    def poll(self) -> Frame | None:
        """Returns the newest frame that was not passed on yet; None if there is none now.

        Raises:
            SourceError: see `tend`.
        """
        capture = self._capture
        if capture is not None and not self.over:
            self._note_first_frame(capture)
            is_settled = time.monotonic() >= self._settled(capture)
            if is_settled and (frame := capture.take()) is not None:
                return self._pass_on(frame)
        self.tend()
        return None

    def tend(self) -> None:
        """Does what is due, except passing on a frame.

        Raises:
            SourceError: the source never answered, and its retries are used up.
        """
        capture = self._capture
        if self.over:
            return
        if capture is None:
            self._connect_if_due()
            return
        self._note_first_frame(capture)
        if capture.ended:
            self._explain_end(capture)
        elif time.monotonic() >= self._silent_until(capture):
            if capture.last_frame is None:
                self._lose(capture, "lost", f"no frame within {self._rules.open_seconds:g} s")
            else:
                self._lose(capture, "stalled", f"no frame for {self._rules.stall_seconds:g} s")

    def wait_seconds(self) -> float:
        """Returns how long there is nothing to do, unless `changed` is set."""
        capture, now = self._capture, time.monotonic()
        if capture is None:
            until = self._due
        elif self._live and now < self._settled(capture):
            until = self._settled(capture)
        else:
            until = self._silent_until(capture)
        return max(until - now, 0.0)

    def close(self) -> None:
        """Ends the reading; after a short wait a read that hangs is left to its thread."""
        self.stop()
        if self._capture is not None:
            self._abandon(self._capture)
        try:
            if not self.over:
                self._end(None)
        finally:
            for capture in self._left:
                capture.join(max(self._close_by - time.monotonic(), 0.0))

    def _connect_if_due(self) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._left = [capture for capture in self._left if capture.running]
        if len(self._left) >= MOST_ABANDONED:
            self._due = now + ABANDONED_SECONDS
        else:
            self._connect()

    def _connect(self) -> None:
        self._epoch += self._live
        self._live = False
        self._report("connecting")
        self._capture = Capture(self._open_reader, self._changed)

    def _note_first_frame(self, capture: Capture) -> None:
        if capture.first_frame is not None and not self._live:
            self._live = True
            self.reader = capture.reader
            self._report("live")

    def _settled(self, capture: Capture) -> float:
        """Returns when frames are first taken, on `time.monotonic`."""
        first = capture.first_frame
        return float("inf") if first is None else first + SETTLE_SECONDS

    def _silent_until(self, capture: Capture) -> float:
        """Returns when the connection is given up if no frame arrives."""
        if capture.last_frame is None:
            return capture.started + self._rules.open_seconds
        return capture.last_frame + self._rules.stall_seconds

    def _pass_on(self, frame: Frame) -> Frame:
        dropped, self._dropped = frame.dropped + self._dropped, 0
        index = self._index + dropped
        self._index = index + 1
        return replace(frame, index=index, dropped=dropped, epoch=self._epoch)

    def _explain_end(self, capture: Capture) -> None:
        reason = capture.reader and capture.reader.ended_early
        if isinstance(capture.error, SpotletError):
            reason = str(capture.error).removeprefix(f"{self._name}: ")
        elif capture.error is not None:  # the text of a library's error may hold the URL
            reason = f"{type(capture.error).__name__} while reading"
        self._lose(capture, "lost", reason or "the stream ended")

    def _lose(self, capture: Capture, state: State, reason: str) -> None:
        """Gives up the current connection, and decides when to try again."""
        self._abandon(capture)
        first, last = capture.first_frame, capture.last_frame
        if first is not None and last is not None and last - first >= self._rules.stable_seconds:
            self._failures = 0
        self._failures += 1
        retries = self._rules.retries
        if retries is None or self._failures <= retries:
            wait = self._rules.wait_seconds(self._failures)
            self._due = time.monotonic() + wait
            self._report(state, reason, wait)
            return
        self._report(state, reason)
        self._end(f"{reason}; no retries left ({retries} allowed)")
        if self.reader is None:
            raise SourceError(f"{self._name}: {self.ended_early}")

    def _abandon(self, capture: Capture) -> None:
        self._dropped += capture.abandon()
        self._left.append(capture)
        self._capture = None

    def _end(self, early: str | None) -> None:
        self.over = True
        self.ended_early = early
        self._report("ended", early)

    def _report(self, state: State, reason: str | None = None, wait: float | None = None) -> None:
        self._on_status(
            StatusEvent(
                source=self._name,
                state=state,
                epoch=self._epoch,
                at=time.time(),
                reason=reason,
                retry_seconds=wait,
                decoder=self.reader.decoder if self.reader and state == "live" else None,
            )
        )
