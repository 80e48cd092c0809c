"""Detections as NDJSON: one JSON object a line, one line a frame."""

import contextlib
import json
import os
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.streams import Frame

SCHEMA = 1
"""Grows when a reader of the old lines would misread the new ones."""


def frame_record(frame: Frame, detections: Detections, *, age_seconds: float) -> dict[str, Any]:
    """Returns a frame's line as a dict that JSON can hold.

    Keys:
        schema: 1.
        source: see `Frame.source`.
        frame: number of the frame in the source, from 0.
        pts_s: presentation time, seconds from the first frame, or null.
        captured_at: when the frame was read, seconds since 1970 (UTC), to the millisecond.
        age_ms: from that moment to the writing of the line.
        dropped: frames left out just before this one.
        epoch: grows by one with each reconnection.
        detections: best first: `class` (id), `name`, `score` in [0, 1] to 4 digits, `box`
            [x1, y1, x2, y2] in pixels of the frame to 2 digits, `track` (null).
    """
    return {
        "schema": SCHEMA,
        "source": frame.source,
        "frame": frame.index,
        "pts_s": None if frame.pts_seconds is None else round(frame.pts_seconds, 6),
        "captured_at": round(frame.captured_at, 3),
        "age_ms": round(age_seconds * 1000, 1),
        "dropped": frame.dropped,
        "epoch": frame.epoch,
        "detections": [
            {
                "class": found.class_id,
                "name": found.name,
                "score": round(found.score, 4),
                "box": [round(side, 2) for side in found.box_xyxy],
                "track": None,
            }
            for found in detections
        ],
    }


class NdjsonSink:
    """Lines in a file or on standard output, each written whole and at once."""

    def __init__(self, target: str | Path) -> None:
        """Opens the file, emptying one that is there.

        Args:
            target: a path; `-` is standard output.

        Raises:
            OutputError: the file cannot be written.
        """
        self._name = str(target)
        self._lines = 0
        self._bytes = 0
        self._file: BinaryIO | FileIO
        if self._name == "-":
            self._file = sys.stdout.buffer
            return
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: what could not be written must not come back at `close`.
            self._file = Path(target).open("wb", buffering=0)  # noqa: SIM115 - see `close`
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror})") from error

    @property
    def written(self) -> str | None:
        """How many lines lie where; None for standard output."""
        return None if self._name == "-" else f"{self._name} ({self._lines} lines)"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Writes the frame's line.

        Raises:
            BrokenPipeError: who read standard output has gone.
            OutputError: the line cannot be written.
        """
        age_seconds = time.monotonic() - frame.captured_monotonic
        record = frame_record(frame, detections, age_seconds=age_seconds)
        # ASCII: a file name that is not valid Unicode must not stop the run.
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            self._file.write(line)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._cut_to_whole_lines()
            raise OutputError(f"{self._name}: cannot be written ({error.strerror})") from error
        self._lines += 1
        self._bytes += len(line)

    def close(self) -> None:
        """Closes the file; standard output stays open."""
        if self._name != "-":
            # A named pipe whose reader has gone, or a full disk, of which `write` has told.
            with contextlib.suppress(OSError):
                self._file.close()

    def _cut_to_whole_lines(self) -> None:
        """Removes the part of a line that a full disk let through."""
        if self._name != "-":
            with contextlib.suppress(OSError):
                os.truncate(self._name, self._bytes)
