"""Where a run's results go: flags, the sinks that they mean, what is told of the sources."""

import argparse
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from spotlet.commands.mqtt_output import add_mqtt_arguments
from spotlet.commands.output_sinks import open_sinks
from spotlet.commands.serving import add_serve_arguments
from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.serve.address import Listener
from spotlet.sinks import Sink
from spotlet.sinks.group import close_all, finish_all
from spotlet.sinks.recording.sink import KEPT_RECORDINGS
from spotlet.sinks.sink import EventSink
from spotlet.streams import Frame, StatusEvent, Stream

EARLY_EVENTS = 1000
"""States that wait for the outputs to be open; the first of each source and some more."""


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where results go, those of serving and of MQTT too."""
    output = parser.add_argument_group("output (without any, a line a frame is printed)")
    output.add_argument(
        "--save",
        metavar="PATH",
        help="annotated video (.mp4, .avi), or image or folder of images for images; a folder of "
        "videos for several sources",
    )
    output.add_argument(
        "--keep-videos",
        type=int,
        metavar="N",
        help="how many video files of each live source remain, of an hour each at most "
        f"[{KEPT_RECORDINGS}]",
    )
    output.add_argument(
        "--ndjson",
        metavar="FILE",
        help="a JSON line a frame, and one for each change of a live source's state; - is stdout",
    )
    output.add_argument(
        "--rotate-mb",
        type=float,
        metavar="MB",
        help="append to the NDJSON, and begin a new file at this size; a few old ones are kept",
    )
    output.add_argument(
        "--snapshots",
        metavar="FOLDER",
        help="a JPEG whenever a class appears that was not to be seen before",
    )
    output.add_argument("--show", action="store_true", help="a window; q or Esc ends the run")
    add_serve_arguments(output)
    add_mqtt_arguments(parser)


class Outputs:
    """The sinks of a run. States of live sources also go to standard error, a line each.

    Attributes:
        sinks: in the order in which they are written.
    """

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self._early: deque[StatusEvent] = deque(maxlen=EARLY_EVENTS)
        self._is_open = False
        self._stopped = False
        self._error: Exception | None = None
        self._owner = threading.current_thread()

    def tell(self, event: StatusEvent) -> None:
        """Takes a change of state; what comes before the outputs are open waits for them.

        It never raises: an event that an output does not take is an error of the next `write`. Nor
        does it write where whichever worker waits for a frame calls it: only the thread that made
        this object can be interrupted while it writes into a full pipe. See `flush`.
        """
        self.note(str(event), event.at)
        self._early.append(event)
        if threading.current_thread() is self._owner:
            self.flush()

    def flush(self) -> None:
        """Writes the states that wait, if the outputs are open; never raises."""
        if not self._is_open:
            return
        while self._early:
            event = self._early.popleft()
            if self._stopped or self._error is not None:
                continue
            try:
                for sink in self.sinks:
                    if isinstance(sink, EventSink):
                        sink.write_status(event)
            except (OutputError, OSError) as error:
                self._error = error

    def note(self, line: str, at: float | None = None) -> None:
        """Prints a line with its time on standard error; where that has gone, nobody is told.

        Args:
            line: without a line break.
            at: seconds since 1970 (UTC); now, where None.
        """
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{stamp} {line}\n")  # at once: a sink tells from its own thread
            sys.stderr.flush()

    def begin(self) -> None:
        """Begins to write states, the early ones first; every sink is open now.

        Raises:
            OutputError: they cannot be written.
        """
        self._is_open = True
        self.flush()
        self._raise_error()

    def write(self, frame: Frame, detections: Detections) -> None:
        """Hands a frame and what was found to every sink.

        Raises:
            OutputError: it cannot be written, or a state that came before it could not.
        """
        self.flush()
        self._raise_error()
        for sink in self.sinks:
            sink.write(frame, detections)

    def stop(self) -> None:
        """Lets the run end soon: who reads the NDJSON may have stalled, and a disk may be slow.

        From now on states go to standard error alone, and sinks drop what takes long to write.
        Returns at once; a second call does nothing.
        """
        self._stopped = True
        finish_all(self.sinks, hurry=True)

    def close(self) -> None:
        """Closes every sink, all at the same time. All errors but the first are told at once.

        Raises:
            Exception: of the first that could not be closed, or a state that was not written.
        """
        self.flush()
        errors = close_all(self.sinks, hurry=self._stopped)
        for error in errors[1:]:
            self.note(str(error))
        for error in errors[:1]:
            raise error
        self._raise_error()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


@contextlib.contextmanager
def open_outputs(
    args: argparse.Namespace,
    streams: Sequence[Stream],
    model: Path,
    outputs: Outputs,
    listener: Listener | None = None,
) -> Iterator[None]:
    """Opens the outputs that were asked for, and closes each of them whatever happens.

    When it ends by an exception, that remains, and what cannot be closed is told.

    Args:
        args: see `add_output_arguments`.
        streams: what is read.
        model: see `open_sinks`.
        outputs: takes the sinks.
        listener: where the run is served, see `listen`; None where it is not.

    Raises:
        UsageError: two are one place, or one is what is read.
        OutputError: one cannot be written.
    """
    try:
        open_sinks(args, streams, model, outputs.sinks.append, outputs.note, listener)
        outputs.begin()
        yield
    except BaseException as raised:
        if isinstance(raised, KeyboardInterrupt):
            outputs.stop()
        try:
            outputs.close()
        except Exception as error:
            outputs.note(str(error))
        raise
    outputs.close()
