"""A file of lines that is complete after each of them."""

import contextlib
import json
import os
from io import FileIO
from pathlib import Path

from spotlet.errors import OutputError, UsageError
from spotlet.sinks.sink import require_kept, writing

LEAST_ROTATE_BYTES = 1024
"""Room for a few lines."""

KEPT_FILES = 9
"""How many older files of a rotation are kept."""

_BLOCK_BYTES = 65536


class LineFile:
    """Lines, each written whole and at once, in one file or in several that rotate.

    With `rotate_bytes`, a file that the next line would make larger becomes `FILE.1`, `FILE.1`
    becomes `FILE.2` and so on, and the oldest is deleted; a line is never split. Each step is a
    rename: whenever the program is killed, every line is in one of the files.
    """

    def __init__(
        self, path: Path, *, rotate_bytes: int | None = None, keep: int = KEPT_FILES
    ) -> None:
        """Opens the file.

        Args:
            path: without `rotate_bytes`, an existing file is emptied. With it, the file is
                continued, as services need it, and a partial last line is removed.
            rotate_bytes: the largest size of a file, unless one line alone is larger.
            keep: how many older files to keep, at least 1.

        Raises:
            UsageError: a number breaks its rule, or `path` cannot rotate.
            OutputError: the file cannot be written.
        """
        if rotate_bytes is not None and rotate_bytes < LEAST_ROTATE_BYTES:
            raise UsageError(f"rotate bytes {rotate_bytes}: must be at least {LEAST_ROTATE_BYTES}")
        require_kept(keep)
        if rotate_bytes is not None and path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a file, so it cannot rotate")
        self._name = path
        self._path = path.resolve() if rotate_bytes is not None else path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._bytes = 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what could not be written must not be tried again at `close`.
            self._file = FileIO(self._path, "w" if rotate_bytes is None else "a+")
            if rotate_bytes is not None:
                self._bytes = _close_last_line(self._file)

    def write(self, line: bytes) -> None:
        r"""Adds a line, which ends in `\n`.

        Raises:
            BrokenPipeError: the reader of the pipe has gone.
            OutputError: it cannot be written; no part of it is in the file.
        """
        try:
            with writing(self._name):
                if self._rotate_bytes is not None and (
                    0 < self._bytes > self._rotate_bytes - len(line)
                ):
                    self._rotate()
                write_whole(self._file, line)
        except OutputError:
            with contextlib.suppress(OSError, ValueError):  # a pipe; closed by a failed rotation
                self._file.truncate(self._bytes)
                self._file.seek(self._bytes)
            raise
        self._bytes += len(line)

    def close(self) -> None:
        """Closes the file. A second call does nothing."""
        # A named pipe without a reader, or a full disk, which `write` has reported.
        with contextlib.suppress(OSError):
            self._file.close()

    def _rotate(self) -> None:
        # A killed rotation leaves a gap in the numbers, which this one then closes.
        last = 1
        while last < self._keep and self._older(last).exists():
            last += 1
        for number in range(last, 1, -1):
            self._older(number - 1).replace(self._older(number))
        self._file.close()
        self._path.replace(self._older(1))
        self._file = FileIO(self._path, "a+")
        self._bytes = 0

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def write_whole(file: FileIO, content: bytes) -> None:
    """Writes all of it: the system may accept less at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


def _close_last_line(file: FileIO) -> int:
    """Removes a partial last line, and returns the file's size.

    A last line that is complete JSON and lacks only the line break gets one instead.
    """
    size = end = file.seek(0, os.SEEK_END)
    torn = b""
    while end > 0 and b"\n" not in torn:
        start = max(end - _BLOCK_BYTES, 0)
        file.seek(start)
        torn = file.read(end - start) + torn
        end = start
    torn = torn[torn.rfind(b"\n") + 1 :]
    file.seek(0, os.SEEK_END)
    if not torn:
        return size
    try:
        json.loads(torn)
    except ValueError:
        size -= len(torn)
        file.truncate(size)
        file.seek(size)
        return size
    write_whole(file, b"\n")
    return size + 1
