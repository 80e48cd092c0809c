"""The viewers of a run's events: each has a bounded queue."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from spotlet.events import Event, encode_event, frame_event, status_event
from spotlet.serve.board import Board, SourceRecord

MOST_VIEWERS = 32
"""Further ones are asked to try again later."""

QUEUED_EVENTS = 64
"""Events queued for one viewer: two seconds of a camera, some 100 kB at 20 objects per frame."""

HEARTBEAT_SECONDS = 10.0
"""The time between comments without events, so that no proxy considers the connection dead."""

GATHER_SECONDS = 0.04
"""The time between wake-ups of the viewers: many fast sources cost no more than one."""

RETRY_MILLISECONDS = 1000
"""The time after which a browser reconnects."""


@dataclass(eq=False, slots=True)
class Viewer:
    """The queue of one viewer. `Viewers` changes it under its lock.

    Attributes:
        sources: whose events it reads.
        changed: set when there is something to send.
        waiting: messages, in order.
        left_out: events dropped since the last report to it.
    """

    sources: frozenset[str]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: list[bytes] = field(default_factory=list)
    left_out: int = 0


class Viewers:
    """All viewers. Events arrive from any one thread; the viewers belong to the server's loop.

    Attributes:
        left_out: events dropped because a viewer was too slow, all viewers together.
    """

    def __init__(self, board: Board, loop: asyncio.AbstractEventLoop) -> None:
        """Starts with no viewers.

        Args:
            board: has the current state, for viewers that are new or far behind.
            loop: the server's.
        """
        self.left_out = 0
        self._board = board
        self._loop = loop
        self._lock = threading.Lock()
        self._viewers: set[Viewer] = set()
        self._waking = False
        self._ended = False

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def full(self) -> bool:
        """Whether no more are admitted."""
        return len(self._viewers) >= MOST_VIEWERS

    def send(self, source: str | None, event: Callable[[], Event]) -> None:
        """Queues an event for the viewers of its source; makes it only if there are any.

        Args:
            source: None for an event of all sources.
            event: returns it.
        """
        with self._lock:
            watching = [v for v in self._viewers if source is None or source in v.sources]
            if not watching or self._ended:
                return
            message = _message(event())
            for viewer in watching:
                if len(viewer.waiting) < QUEUED_EVENTS:
                    viewer.waiting.append(message)
                    continue
                # A viewer this far behind must not read the past first: it gets the states.
                viewer.left_out += len(viewer.waiting)
                self.left_out += len(viewer.waiting)
                states = self._states(viewer)
                viewer.waiting = states if message in states else [*states, message]
            self._wake()

    def end(self) -> None:
        """Ends every viewer's events; from any thread."""
        with self._lock:
            self._ended = True
            self._wake()

    async def watch(self, sources: frozenset[str]) -> AsyncIterator[bytes]:
        """Yields the text of an event stream, from the current state on; in the loop's thread.

        Source: HTML Living Standard, section 9.2, server-sent events.
        """
        viewer = Viewer(sources)
        with self._lock:
            self._viewers.add(viewer)
            viewer.waiting = self._states(viewer) + self._frames(viewer)
        try:
            yield b"retry: %d\n\n" % RETRY_MILLISECONDS
            while not self._ended:
                with self._lock:
                    messages, viewer.waiting = viewer.waiting, []
                    gone, viewer.left_out = viewer.left_out, 0
                    viewer.changed.clear()
                if gone:
                    yield b": %d events left out, reading was too slow\n\n" % gone
                if messages:
                    yield b"".join(messages)
                    continue
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await viewer.changed.wait()
                except TimeoutError:
                    yield b": nothing new\n\n"
        finally:
            with self._lock:
                self._viewers.discard(viewer)

    def _states(self, viewer: Viewer) -> list[bytes]:
        statuses = (each.status for each in self._records(viewer))
        return [_message(status_event(each)) for each in statuses if each is not None]

    def _frames(self, viewer: Viewer) -> list[bytes]:
        newest = [each.newest for each in self._records(viewer) if each.newest is not None]
        return [_message(frame_event(*each)) for each in newest]

    def _records(self, viewer: Viewer) -> list[SourceRecord]:
        return [each for each in self._board.records() if each.source in viewer.sources]

    def _wake(self) -> None:
        # Events within `GATHER_SECONDS` of the last wake-up wait for the next.
        if not self._waking and not self._loop.is_closed():
            self._waking = True
            self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        for viewer in self._viewers:
            viewer.changed.set()
        self._loop.call_later(GATHER_SECONDS, self._after_wake)

    def _after_wake(self) -> None:
        with self._lock:
            self._waking = False
            if any(self._ended or viewer.waiting for viewer in self._viewers):
                self._wake()


def _message(event: Event) -> bytes:
    return b"data: " + encode_event(event) + b"\n\n"
