"""Several streams at once, in one thread, in turn."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from spotlet.errors import SourceError, UsageError
from spotlet.lifetime import WAKE_SECONDS, Closing
from spotlet.streams.frame import Frame
from spotlet.streams.stream import Stream


class Arrival(NamedTuple):
    """A frame and its stream.

    Attributes:
        stream: one of the group's.
        frame: its newest, or its next.
    """

    stream: Stream
    frame: Frame


class StreamGroup(Closing):
    """Open streams, served in turn: a slow or dead one does not delay the others.

    Attributes:
        streams: in the order in which they were given.
    """

    def __init__(self, streams: Sequence[Stream], changed: threading.Event) -> None:
        """Takes over open streams; use `open_streams`."""
        self.streams = tuple(streams)
        self._errors: dict[str, str] = {}
        self._changed = changed
        self._next = 0

    @property
    def failures(self) -> dict[str, str]:
        """Why streams ended before they should have, by name; the others continued."""
        ended = {each.source: each.ended_early for each in self.streams}
        return self._errors | {name: why for name, why in ended.items() if why is not None}

    def __iter__(self) -> Iterator[Arrival]:
        """Yields frame after frame, each with its stream; see `batches`."""
        for arrivals in self.batches():
            yield from arrivals

    def batches(
        self, most: int = 1, idle: Callable[[], None] = lambda: None
    ) -> Generator[list[Arrival], None, None]:
        """Yields what has arrived, at most one frame of each stream at a time.

        The stream served last waits longest. Ends when all streams are over, and closes them.

        Args:
            most: frames yielded at once, from 1.
            idle: called now and then while nothing arrives.

        Raises:
            SourceError: the only stream cannot be read; of several it goes into `failures`.
            UsageError: `most` breaks its rule.
        """
        if most < 1:
            raise UsageError(f"batches of {most} frames: must be at least 1")
        try:
            while any(not stream.over for stream in self.streams):
                self._changed.clear()  # before polling, so that no arrival is missed
                arrivals = self._collect(most)
                if arrivals:
                    yield arrivals
                else:
                    idle()
                    self._changed.wait(min(self._wait_seconds(), WAKE_SECONDS))
        finally:
            self.close()

    def stop(self) -> None:
        """Ends the loop over `batches`, from any thread, and returns at once."""
        for stream in self.streams:
            stream.stop()

    def close(self) -> None:
        """Releases all sources, in the time of the slowest, even if one raises."""
        self.stop()
        with contextlib.ExitStack() as stack:
            for stream in self.streams:
                stack.callback(stream.close)

    def _collect(self, most: int) -> list[Arrival]:
        arrivals: list[Arrival] = []
        count = len(self.streams)
        for position in [(self._next + step) % count for step in range(count)]:
            stream = self.streams[position]
            try:
                frame = stream.poll()
            except SourceError as error:
                if count == 1:
                    raise
                self._errors[stream.source] = str(error).removeprefix(f"{stream.source}: ")
                continue
            if frame is None:
                continue
            arrivals.append(Arrival(stream, frame))
            self._next = (position + 1) % count
            if len(arrivals) == most:
                break
        return arrivals

    def _wait_seconds(self) -> float:
        return min((each.wait_seconds() for each in self.streams if not each.over), default=0.0)
