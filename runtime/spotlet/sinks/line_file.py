"""A file of lines that is whole after each of them."""

import contextlib
import json
import os
from io import FileIO
from pathlib import Path

from spotlet.errors import OutputError, UsageError

LEAST_ROTATE_BYTES = 1024
"""Some lines must fit."""

_BLOCK_BYTES = 65536


class LineFile:
    """Lines, each written whole and at once, in one file or in a row of them.

    With `rotate_bytes`, a file that a line would make larger becomes `FILE.1`, the one that was
    `FILE.1` becomes `FILE.2` and so on, and the oldest goes; a line is never split. Each step is
    a rename: whenever the program is killed, every line is in one of the files.
    """

    def __init__(self, path: Path, *, rotate_bytes: int | None = None, keep: int = 9) -> None:
        """Opens the file.

        Args:
            path: without `rotate_bytes` it is emptied. With it, it is continued, for that is how
                services write, and what a killed one left of a last line is removed.
            rotate_bytes: the largest a file becomes, unless one line alone is larger.
            keep: how many older files remain, at least 1.

        Raises:
            UsageError: a number breaks its rule, or what rotates is no file.
            OutputError: the file cannot be written.
        """
        if rotate_bytes is not None and rotate_bytes < LEAST_ROTATE_BYTES:
            raise UsageError(f"rotate bytes {rotate_bytes}: must be at least {LEAST_ROTATE_BYTES}")
        if keep < 1:
            raise UsageError(f"keep {keep}: must be at least 1")
        if rotate_bytes is not None and path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a file, so it cannot rotate")
        self._name = path
        self._path = path.resolve() if rotate_bytes is not None else path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: what could not be written must not come back at `close`.
            self._file = FileIO(self._path, "w" if rotate_bytes is None else "a+")
            if rotate_bytes is not None:
                self._bytes = _close_last_line(self._file)
        except OSError as error:
            raise self._not_writable(error) from error

    def write(self, line: bytes) -> None:
        r"""Adds a line, which ends in `\n`.

        Raises:
            BrokenPipeError: who read the pipe has gone.
            OutputError: it cannot be written; nothing of it is in the file.
        """
        try:
            if self._rotate_bytes is not None and 0 < self._bytes > self._rotate_bytes - len(line):
                self._rotate()
            write_whole(self._file, line)
        except BrokenPipeError:
            raise
        except OSError as error:
            with contextlib.suppress(OSError, ValueError):  # a pipe; closed by a failed rotation
                self._file.truncate(self._bytes)
                self._file.seek(self._bytes)
            raise self._not_writable(error) from error
        self._bytes += len(line)

    def close(self) -> None:
        """Closes the file. A second call does nothing."""
        # A named pipe whose reader has gone, or a full disk, of which `write` has told.
        with contextlib.suppress(OSError):
            self._file.close()

    def _rotate(self) -> None:
        # A killed rotation leaves a hole in the row, which this one then closes.
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

    def _not_writable(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name}: cannot be written ({error.strerror})")


def write_whole(file: FileIO, content: bytes) -> None:
    """Writes all of it: the system may take less at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


def _close_last_line(file: FileIO) -> int:
    """Returns the size of a file after what follows its last line break was removed.

    If that is a whole object, of which only the line break is missing, it is ended instead.
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
