"""What a tool of the comparison is, and what it says about a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.export_faults.subject import Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a tool says about one file.

    Attributes:
        noticed: whether it objects; None if the file could not be given to it.
        words: its reason, on one line.
    """

    noticed: bool | None
    words: str = ""


class Tool(Protocol):
    """A checker of exports."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    @property
    def claims(self) -> str:
        """What it says that it checks, and how it was asked."""

    @property
    def compares(self) -> str:
        """`files` (graph and rules), `graphs`, or `nothing` (whether a file is valid)."""

    def open(self, cache: Path) -> dict[str, str]:
        """Installs the tool if need be; returns versions by package.

        Raises:
            ContenderError: it cannot be installed, or is not there.
        """

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields each file's fault and verdict; `good` is among the files."""


def first_line(text: object, length: int = 160) -> str:
    """Returns the first line of a message that says something, shortened."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return (lines or [""])[0][:length]
