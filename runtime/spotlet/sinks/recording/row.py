"""The row of files that a recording is: `out.mp4`, `out-2.mp4`, `out-3.mp4` and so on."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from spotlet.sinks.recording.file import RecordingFile


class RecordingRow:
    """Files that are numbered in the order of their age, of which the newest remain.

    A file of the row has the name of the first, or that with `-` and a number from 2; no other
    is ever touched.
    """

    def __init__(self, first: Path, keep: int) -> None:
        """Touches nothing yet.

        Args:
            first: path of the first file.
            keep: how many remain, at least 1.
        """
        self._first = first
        self._keep = keep
        self._numbered = re.compile(
            rf"{re.escape(first.stem)}-([1-9]\d{{0,8}}){re.escape(first.suffix)}"
        )

    def begin(self, create: Callable[[Path], RecordingFile]) -> RecordingFile:
        """Returns a new file after the last, and deletes the oldest.

        Args:
            create: makes a file that is not there, or raises `FileExistsError`.

        Raises:
            OutputError: it cannot be written.
            OSError: the folder cannot be read.
        """
        numbers = self._numbers()
        number = max(numbers, default=0) + 1
        while True:
            try:
                file = create(self._path(number))
                break
            except FileExistsError:
                number += 1
        for old in sorted(numbers)[: max(len(numbers) + 1 - self._keep, 0)]:
            with contextlib.suppress(OSError):  # is tried again with the next file
                self._path(old).unlink()
        return file

    def _path(self, number: int) -> Path:
        if number == 1:
            return self._first
        return self._first.with_name(f"{self._first.stem}-{number}{self._first.suffix}")

    def _numbers(self) -> list[int]:
        numbers = [1] if self._first.exists() else []
        for each in self._first.parent.iterdir():
            match = self._numbered.fullmatch(each.name)
            if match and int(match[1]) > 1 and each.is_file():
                numbers.append(int(match[1]))
        return numbers
