"""The sinks of a run, opened, written and closed together, with the states of its sources."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from spotlet.collecting import Collector
from spotlet.detections import Detections
from spotlet.events import ModelEvent
from spotlet.running.settings import RunCallbacks, RunSettings
from spotlet.running.sinks import open_sinks
from spotlet.serve.address import Listener
from spotlet.sinks import Sink
from spotlet.sinks.group import close_all, finish_all
from spotlet.sinks.sink import EventSink, ModelSink
from spotlet.streams import Frame, StatusEvent, Stream

EARLY_EVENTS = 1000
"""The most states kept until the outputs are open: the first of each source and some more."""


class Outputs:
    """The sinks of a run, which take its frames and the states of its live sources.

    Attributes:
        sinks: in the order in which they are written.
    """

    def __init__(self, callbacks: RunCallbacks) -> None:
        self.sinks: list[Sink] = []
        self._callbacks = callbacks
        self._early: deque[StatusEvent | ModelEvent] = deque(maxlen=EARLY_EVENTS)
        self._is_open = False
        self._stopped = False
        self._error: Exception | None = None
        self._owner = threading.current_thread()

    @contextlib.contextmanager
    def open(
        self,
        settings: RunSettings,
        streams: Sequence[Stream],
        model: Path,
        listener: Listener | None = None,
        class_names: Sequence[str] = (),
    ) -> Iterator[None]:
        """Opens the sinks for the block, and closes each of them whatever happens.

        An exception inside is raised again; a sink that then cannot be closed is a notice.
        Arguments and errors are those of `open_sinks`.
        """
        try:
            for sink in open_sinks(settings, streams, model, self.notify, listener, class_names):
                self.sinks.append(sink)
            self._is_open = True
            self.flush()
            self._raise_error()
            yield
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt):
                self.stop()
            try:
                self._close()
            except Exception as error:
                self.notify(str(error))
            raise
        self._close()

    def notify(self, line: str) -> None:
        """Hands a line to the callback, in any thread; an exception of it ends the run."""
        try:
            self._callbacks.on_notice(line)
        except Exception as error:
            self._error = self._error or error

    def take_status(self, event: StatusEvent) -> None:
        """Takes a change of state, and keeps it until the sinks are open.

        Never raises: the next `write` raises an error of a sink or a callback. In a worker's thread
        it leaves the writing to `flush`: only the thread that made this object can be interrupted
        while it writes into a full pipe.
        """
        try:
            self._callbacks.on_status(event)
        except Exception as error:
            self._error = self._error or error
        self._queue(event)

    def take_model(self, event: ModelEvent) -> None:
        """Takes what became of a new package, as `take_status` does a change of state."""
        self.notify(str(event))
        try:
            self._callbacks.on_swap(event)
        except Exception as error:
            self._error = self._error or error
        self._queue(event)

    def _queue(self, event: StatusEvent | ModelEvent) -> None:
        self._early.append(event)
        if threading.current_thread() is self._owner:
            self.flush()

    def flush(self) -> None:
        """Writes the waiting states, if the sinks are open; never raises."""
        while self._is_open and self._early:
            event = self._early.popleft()
            if self._stopped or self._error is not None:
                continue
            try:
                for sink in self.sinks:
                    if isinstance(event, ModelEvent):
                        if isinstance(sink, ModelSink):
                            sink.write_model(event)
                    elif isinstance(sink, EventSink):
                        sink.write_status(event)
            except Exception as error:
                self._error = error

    def write(self, frame: Frame, detections: Detections) -> None:
        """Writes a frame and its detections to every sink.

        Raises:
            OutputError: it cannot be written, or an earlier state could not.
        """
        self.flush()
        self._raise_error()
        for sink in self.sinks:
            if not isinstance(sink, Collector):
                sink.write(frame, detections)

    def collect(
        self,
        stream: Stream,
        frame: Frame,
        found: Detections,
        detections: Detections,
        least_score: float,
    ) -> None:
        """Offers a frame to the collector, if there is one; see `Collector.take`.

        Args:
            stream: of the frame.
            frame: see `Collector.take`, as for the next two.
            found: also below the least score.
            detections: as reported.
            least_score: that is reported.

        Raises:
            OutputError: see `write`.
        """
        for sink in self.sinks:
            if isinstance(sink, Collector):
                sink.threshold = least_score
                sink.take(stream, frame, found, detections)

    def stop(self) -> None:
        """Lets the run end soon, even if a reader of the NDJSON stalls or a disk is slow.

        From now on sinks take no states, and drop what is slow to write. Returns at once; a second
        call does nothing.
        """
        self._stopped = True
        finish_all(self.sinks, hurry=True)

    def _close(self) -> None:
        """Closes all sinks at the same time; errors after the first are notices."""
        self.flush()
        errors = close_all(self.sinks, hurry=self._stopped)
        for error in errors[1:]:
            self.notify(str(error))
        for error in errors[:1]:
            raise error
        self._raise_error()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
