"""A consumer of streams in its own thread, which keeps what arrived for the tests."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from patience import PATIENCE_SECONDS

from servers.numbered import read_number
from spotlet.errors import SpotletError
from spotlet.lifetime import Closing
from spotlet.streams import Reconnection, StatusEvent, open_streams
from spotlet.streams.connection import Connection

QUICK = Reconnection(
    stall_seconds=0.6, open_seconds=1.5, first_seconds=0.1, most_seconds=0.4, stable_seconds=30.0
)
"""Rules with short waits, for tests."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that arrived, and when it was processed."""

    number: int
    index: int
    dropped: int
    epoch: int
    size_hw: tuple[int, int]
    at: float


class Viewer(Closing):
    """Takes the frames of several streams.

    Attributes:
        group: the streams.
        frames: what came of each, by the stream's name.
        events: what was told, and when on `time.monotonic`.
        batches: the names of the streams in each batch.
        error: what ended it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        reconnection: Reconnection = QUICK,
        work_seconds: float = 0.0,
        most: int = 1,
    ) -> None:
        self.frames: dict[str, list[Seen]] = {}
        self.events: list[tuple[float, StatusEvent]] = []
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self._work_seconds = work_seconds
        self._most = most
        self.group = open_streams(urls, reconnection=reconnection, on_status=self._note)
        self.names = [stream.source for stream in self.group.streams]
        self.frames.update({name: [] for name in self.names})
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def states(self, name: str) -> list[str]:
        """Returns the states that a source went through."""
        return [event.state for _, event in self.events if event.source == name]

    def give_up_by(self, name: str, rules: Reconnection) -> None:
        """Applies other rules to a source from now on."""
        (stream,) = (each for each in self.group.streams if each.source == name)
        assert isinstance(stream._feed, Connection)
        stream._feed._rules = rules

    def wait(self, until: Callable[[], object]) -> float:
        """Waits until the condition holds; raises AssertionError if that takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, [str(event) for _, event in self.events]
            assert self._thread.is_alive() or until(), self.error
            time.sleep(0.005)
        return time.monotonic()

    def wait_for_frames(self, name: str, count: int) -> float:
        """Waits for so many more frames."""
        wanted = len(self.frames[name]) + count
        return self.wait(lambda: len(self.frames[name]) >= wanted)

    def close(self) -> None:
        """Stops."""
        self.group.stop()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        if isinstance(self.error, AssertionError):
            raise self.error

    def _note(self, event: StatusEvent) -> None:
        self.events.append((time.monotonic(), event))

    def _watch(self) -> None:
        try:
            for arrivals in self.group.batches(self._most):
                time.sleep(self._work_seconds)
                self.batches.append([stream.source for stream, _ in arrivals])
                for stream, frame in arrivals:
                    seen = Seen(
                        number=read_number(frame.image),
                        index=frame.index,
                        dropped=frame.dropped,
                        epoch=frame.epoch,
                        size_hw=frame.size_hw,
                        at=time.monotonic(),
                    )
                    self.frames[stream.source].append(seen)
        except (AssertionError, SpotletError) as error:
            self.error = error
        finally:
            self.group.close()
