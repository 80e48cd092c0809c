"""Progress and tables, on a terminal and in a log."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from spotlet.lifetime import Closing

if TYPE_CHECKING:
    from tqdm import tqdm

PLAIN_SECONDS = 5.0
"""Least time between two plain lines."""


class Progress(Closing):
    """A bar on a terminal; elsewhere a plain line now and then.

    Example:
        >>> with Progress("run", total=2, unit="frames", file=sys.stdout) as progress:
        ...     progress.message("half of it")
        ...     progress.advance()
        half of it
    """

    def __init__(
        self,
        title: str,
        *,
        total: int | None = None,
        unit: str = "steps",
        file: TextIO | None = None,
        plain_seconds: float = PLAIN_SECONDS,
    ) -> None:
        """Starts at 0.

        Args:
            title: shown before the numbers.
            total: how much there is to do; None if unknown.
            unit: what is counted, in the plural.
            file: where to write; None is standard error.
            plain_seconds: least time between two plain lines.
        """
        self._title, self._total, self._unit = title, total, unit
        self._file = sys.stderr if file is None else file
        self._plain_seconds = plain_seconds
        self._done = self._skipped = 0
        self._note = ""
        self._started = self._last_line = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if self._file.isatty():
            from tqdm import tqdm as terminal_bar

            self._bar = terminal_bar(
                desc=title, total=total, unit=f" {unit}", file=self._file, dynamic_ncols=True
            )

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Counts steps; `note` (a loss, a score) is shown after the numbers from now on."""
        self._done += steps
        self._note = note or self._note
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(steps)
        elif time.monotonic() - self._last_line >= self._plain_seconds:
            self._last_line = time.monotonic()
            self.message(self._plain_line())

    def skip(self, steps: int) -> None:
        """Counts steps that an earlier run did; they took no time of this one."""
        self._done += steps
        self._skipped += steps
        if self._bar is not None:
            self._bar.initial += steps
            self._bar.update(steps)

    def message(self, text: str) -> None:
        """Writes a separate line, which the bar does not overwrite."""
        if self._bar is not None:
            self._bar.write(text, file=self._file)
        else:
            write_notice(f"{text}\n", self._file)

    def close(self) -> None:
        """Ends the bar and leaves it visible. A second call does nothing."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _plain_line(self) -> str:
        rate = (self._done - self._skipped) / max(time.monotonic() - self._started, 1e-9)
        done = f"{self._done}" if self._total is None else f"{self._done}/{self._total}"
        parts = [f"{self._title}: {done} {self._unit}", f"{rate:.1f} {self._unit}/s"]
        if self._total is not None and self._done < self._total:
            parts.append(f"{duration((self._total - self._done) / rate)} left")
        return ", ".join([*parts, *([self._note] if self._note else [])])


def write_notice(text: str, file: TextIO | None = None) -> None:
    """Writes a text, in one call, to a file that nothing depends on; if that fails, so be it.

    Args:
        text: as it is to be written, with its line ends.
        file: where to; None is standard error.
    """
    stream = sys.stderr if file is None else file
    with contextlib.suppress(OSError, ValueError):
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:  # what it still holds would fail again when Python ends
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def duration(seconds: float) -> str:
    """Returns a time span in words.

    Example:
        >>> duration(9.6), duration(3725)
        ('10 s', '1 h 02 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def table(rows: Sequence[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Returns rows as aligned columns, two spaces apart; numbers right, text left.

    Example:
        >>> print(table([("cat", 12), ("dog", 3)], header=("class", "found")))
        class  found
        cat       12
        dog        3
    """
    cells = [[str(cell) for cell in row] for row in ([header] if header else []) + [*rows]]
    if not cells:
        return ""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    to_right = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        for column in range(len(widths))
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ).rstrip()
        for row in cells
    )
