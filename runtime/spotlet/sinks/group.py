"""One sink for each of several sources."""

from collections.abc import Iterable, Mapping

from spotlet.detections import Detections
from spotlet.lifetime import Closing
from spotlet.sinks.sink import BackgroundSink, Sink
from spotlet.streams import Frame


class SinkGroup(Closing):
    """Passes each frame to the sink of its source."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        """Takes over the sinks.

        Args:
            sinks: by source, see `Frame.source`.
        """
        self._sinks = dict(sinks)

    @property
    def written(self) -> str | None:
        """What each of them wrote; None if none did."""
        return ", ".join(filter(None, (sink.written for sink in self._sinks.values()))) or None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Passes the frame on.

        Raises:
            OutputError: it cannot be written.
        """
        self._sinks[frame.source].write(frame, detections)

    def finish(self, *, hurry: bool = False) -> None:
        """Starts to finish those with their own thread, see `BackgroundSink`."""
        finish_all(self._sinks.values(), hurry=hurry)

    def close(self) -> None:
        """Closes all of them at once, in the time of the slowest.

        Raises:
            OutputError: one of them could not be finished; the others are.
        """
        for error in close_all(self._sinks.values()):
            raise error


def finish_all(sinks: Iterable[Sink], *, hurry: bool = False) -> None:
    """Starts to finish those with their own thread, see `BackgroundSink`."""
    for sink in sinks:
        if isinstance(sink, BackgroundSink):
            sink.finish(hurry=hurry)


def close_all(sinks: Iterable[Sink], *, hurry: bool = False) -> list[Exception]:
    """Closes each of them, in the time of the slowest, and returns what they raised.

    Args:
        sinks: those to close.
        hurry: see `BackgroundSink`. Ctrl-C in this call has the same effect, and is raised once
            all are closed.
    """
    closing = list(sinks)
    errors: list[Exception] = []
    try:
        finish_all(closing, hurry=hurry)
        for sink in closing:
            try:
                sink.close()
            except Exception as error:
                errors.append(error)
    except KeyboardInterrupt:
        if not hurry:
            close_all(closing, hurry=True)
        raise
    return errors
