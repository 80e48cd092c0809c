"""Detections as NDJSON: one JSON object a line, one line a frame."""

import sys
from pathlib import Path

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.events import Event, encode_event, frame_event, status_event
from spotlet.lifetime import Closing
from spotlet.sinks.line_file import LineFile
from spotlet.streams import Frame, StatusEvent

KEPT_FILES = 9
"""Older files of a row that rotates."""


class NdjsonSink(Closing):
    """Lines in a file or on standard output, each written whole and at once.

    Several sources share one file: `source` tells their lines apart. Between the lines of frames
    stand those of status events, which have the key `event`. A kill at any moment leaves whole
    lines and at most one half line at the end.

    A line is always written before the next frame is taken: it is small, and what was found
    matters more than the rate.
    """

    def __init__(
        self, target: str | Path, *, rotate_bytes: int | None = None, keep: int = KEPT_FILES
    ) -> None:
        """Opens the file.

        Args:
            target: a path; `-` is standard output. Without `rotate_bytes` a file that is there
                is emptied: it holds one run. With it, it is continued: a service that restarts
                loses nothing.
            rotate_bytes: the size at which the file becomes `FILE.1`, see `LineFile`.
            keep: how many older files remain.

        Raises:
            UsageError: a number breaks its rule, or what rotates is no file.
            OutputError: the file cannot be written.
        """
        self._name = str(target)
        self._lines = 0
        self._closed = False
        self._file: LineFile | None = None
        if self._name != "-":
            self._file = LineFile(Path(target), rotate_bytes=rotate_bytes, keep=keep)
        elif rotate_bytes is not None:
            raise UsageError("NDJSON on standard output cannot rotate; give a file")

    @property
    def written(self) -> str | None:
        """How many lines lie where; None for standard output."""
        return None if self._file is None else f"{self._name} ({self._lines} lines)"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Writes the frame's line.

        Raises:
            BrokenPipeError: who read standard output has gone.
            OutputError: the line cannot be written.
        """
        self._write_event(frame_event(frame, detections))

    def write_status(self, event: StatusEvent) -> None:
        """Writes the line of a change of a source's state; after `close` it does nothing.

        The sources of a run may be closed after its sinks: that they ended is then not here.

        Raises:
            BrokenPipeError: who read standard output has gone.
            OutputError: the line cannot be written.
        """
        if not self._closed:
            self._write_event(status_event(event))

    def close(self) -> None:
        """Closes the file; standard output stays open. A second call does nothing."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def _write_event(self, event: Event) -> None:
        line = encode_event(event) + b"\n"
        try:
            if self._file is not None:
                self._file.write(line)
            else:
                _write_standard_output(line)
        except KeyboardInterrupt:
            self._closed = True  # half of the line may be there, so no event may follow it
            raise
        self._lines += 1


def _write_standard_output(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot be written ({error.strerror})") from error
