"""A sink that may fail for a while."""

import time

from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.lifetime import Closing
from spotlet.sinks.sink import OnFailure, Sink
from spotlet.streams import Frame

RETRY_SECONDS = 30.0
"""From an error to the next try."""


class RetriedSink(Closing):
    """Hands frames to another sink, and goes on when that fails: what is seen matters more.

    Each failure begins a pause, in which frames are dropped and counted. The first of a row is
    told, and so is the end of the row, when the other sink has written again.
    """

    def __init__(
        self, sink: Sink, on_failure: OnFailure, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        """Takes over a sink that can be written to again after an `OutputError`.

        Args:
            sink: the other one.
            on_failure: is told.
            retry_seconds: the pause.
        """
        self._sink = sink
        self._on_failure = on_failure
        self._retry_seconds = retry_seconds
        self._dropped = 0
        self._dropped_in_row = 0
        self._failing = False
        self._next_try = 0.0
        self._written_before: str | None = None

    @property
    def dropped(self) -> int:
        """How many frames were not written because the other sink failed."""
        return self._dropped

    @property
    def written(self) -> str | None:
        """What the other sink wrote, and how many frames were dropped."""
        written = self._sink.written
        if not self._dropped:
            return written
        return f"{written or 'nothing'}; {self._dropped} frames dropped, writing failed"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Hands on a frame, or drops it."""
        if self._failing and time.monotonic() < self._next_try:
            self._drop()
            return
        try:
            self._sink.write(frame, detections)
        except OutputError as error:
            self._drop()
            self._fail(error)
            return
        # A sink need not write each frame: only what is written proves that it works.
        if self._failing and self._sink.written != self._written_before:
            self._failing = False
            self._on_failure(
                f"{self._sink.written}: is written again, after {self._dropped_in_row} dropped "
                "frames"
            )

    def close(self) -> None:
        """Closes the other sink; where that fails, it is told."""
        try:
            self._sink.close()
        except OutputError as error:
            self._on_failure(str(error))

    def _drop(self) -> None:
        self._dropped += 1
        self._dropped_in_row += 1

    def _fail(self, error: OutputError) -> None:
        self._next_try = time.monotonic() + self._retry_seconds
        self._written_before = self._sink.written
        if not self._failing:
            self._failing = True
            self._dropped_in_row = 1
            self._on_failure(
                f"{error}; frames are dropped, and it is tried again every "
                f"{self._retry_seconds:g} s"
            )
