"""Detections as NDJSON: one JSON object per line, one line per frame."""

import sys
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.events import Event, encode_event
from spotlet.sinks.callback import CallbackSink
from spotlet.sinks.line_file import KEPT_FILES, LineFile
from spotlet.sinks.sink import writing


class NdjsonSink(CallbackSink):
    """Lines in a file or on standard output, each written whole and at once.

    Several sources share one file: `source` tells their lines apart. Changes of state are lines
    with the key `event`, between those of the frames. A kill at any moment leaves whole lines
    and at most one partial line at the end.

    A line is always written before the next frame is taken: it is small, and the detections
    matter more than the rate. `write` and `write_status` raise `OutputError` if the line cannot
    be written, and `BrokenPipeError` if the reader of a pipe has gone.
    """

    def __init__(
        self, target: str | Path, *, rotate_bytes: int | None = None, keep: int = KEPT_FILES
    ) -> None:
        """Opens the file.

        Args:
            target: a path; `-` is standard output. Without `rotate_bytes`, an existing file is
                emptied, so the file holds one run. With it, the file is continued, so a service
                that restarts loses nothing.
            rotate_bytes: the size at which the file becomes `FILE.1`, see `LineFile`.
            keep: how many older files to keep, at least 1.

        Raises:
            UsageError: a number breaks its rule, or the target cannot rotate.
            OutputError: the file cannot be written.
        """
        super().__init__(self._write_line)
        self._name = str(target)
        self._lines = 0
        self._file: LineFile | None = None
        if self._name != "-":
            self._file = LineFile(Path(target), rotate_bytes=rotate_bytes, keep=keep)
        elif rotate_bytes is not None:
            raise UsageError("NDJSON on standard output cannot rotate; give a file")

    @property
    def written(self) -> str | None:
        """The file and its number of lines; None for standard output."""
        return None if self._file is None else f"{self._name} ({self._lines} lines)"

    def close(self) -> None:
        """Closes the file; standard output stays open. A second call does nothing."""
        super().close()
        if self._file is not None:
            self._file.close()

    def _write_line(self, event: Event) -> None:
        line = encode_event(event) + b"\n"
        try:
            if self._file is not None:
                self._file.write(line)
            else:
                with writing("standard output"):
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
        except KeyboardInterrupt:
            self._closed = True  # the line may be incomplete, so no event may follow it
            raise
        self._lines += 1
