"""One sink for each of several sources."""

from collections.abc import Iterable, Mapping

from spotlet.detections import Detections
from spotlet.lifetime import Closing
from spotlet.sinks.sink import BackgroundSink, Sink
from spotlet.streams import Frame


class SinkGroup(Closing):
    """Hands each frame to the sink of its source."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        """Takes over the sinks.

        Args:
            sinks: by the name of the source, see `Frame.source`.
        """
        self._sinks = dict(sinks)

    @property
    def written(self) -> str | None:
        """What lies where, of all; None where nothing was written."""
        return ", ".join(filter(None, (sink.written for sink in self._sinks.values()))) or None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Hands on a frame.

        Raises:
            OutputError: it cannot be written.
        """
        self._sinks[frame.source].write(frame, detections)

    def finish(self, *, hurry: bool = False) -> None:
        """Begins to finish those that can by themselves, see `BackgroundSink`."""
        finish_all(self._sinks.values(), hurry=hurry)

    def close(self) -> None:
        """Closes all of them at once: together they take no longer than the slowest.

        Raises:
            OutputError: one of them could not be finished; the others were.
        """
        for error in close_all(self._sinks.values()):
            raise error


def finish_all(sinks: Iterable[Sink], *, hurry: bool = False) -> None:
    """Begins to finish those that can by themselves, see `BackgroundSink`."""
    for sink in sinks:
        if isinstance(sink, BackgroundSink):
            sink.finish(hurry=hurry)


def close_all(sinks: Iterable[Sink], *, hurry: bool = False) -> list[Exception]:
    """Closes each of them, in the time of the slowest, and returns what they raised.

    Args:
        sinks: what is closed.
        hurry: see `BackgroundSink`; Ctrl-C meanwhile does the same, and is raised after all.
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
