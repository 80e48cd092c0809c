"""A sink that survives failures of another."""

import time

from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.sinks.sink import DroppingSink, OnFailure, Sink
from spotlet.streams import Frame

RETRY_SECONDS = 30.0
"""The time from an error to the next attempt."""


class RetriedSink(DroppingSink):
    """Passes frames on to another sink, and continues when that fails: detection matters more.

    Each failure starts a pause, in which frames are dropped and counted. The first of consecutive
    failures is reported, and so is their end, when the other sink has written again.
    """

    def __init__(
        self, sink: Sink, on_failure: OnFailure, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        """Takes over a sink.

        Args:
            sink: one that can be written to again after an `OutputError`.
            on_failure: called with each report.
            retry_seconds: length of the pause.
        """
        super().__init__(sink)
        self._on_failure = on_failure
        self._retry_seconds = retry_seconds
        self._failing = False
        self._dropped_before = 0  # the consecutive failures
        self._next_try = 0.0
        self._written_before: str | None = None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Passes the frame on, or drops it."""
        if self._failing and time.monotonic() < self._next_try:
            self._dropped += 1
            return
        try:
            self._sink.write(frame, detections)
        except OutputError as error:
            self._fail(error)
            return
        # A sink need not write every frame: only new output proves that it works.
        if self._failing and self._sink.written != self._written_before:
            self._failing = False
            dropped = self._dropped - self._dropped_before
            self._on_failure(f"{self._sink.written}: writing again after {dropped} dropped frames")

    def close(self) -> None:
        """Closes the other sink; reports a failure to do so."""
        try:
            self._sink.close()
        except OutputError as error:
            self._on_failure(str(error))

    def _fail(self, error: OutputError) -> None:
        self._next_try = time.monotonic() + self._retry_seconds
        self._written_before = self._sink.written
        if not self._failing:
            self._failing = True
            self._dropped_before = self._dropped
            self._on_failure(
                f"{error}; dropping frames and trying again every {self._retry_seconds:g} s"
            )
        self._dropped += 1
