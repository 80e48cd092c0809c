"""Problems and oddities of a labelled set."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "note"]

Kind = Literal[
    "labels",
    "image",
    "size",
    "class",
    "copies",
    "tiny boxes",
    "no objects",
    "doubled box",
    "turned",
    "black",
    "bits",
    "set",
    "partial labels",
]
"""The kinds of findings, in the order in which to read them."""

NAMED_FINDINGS = 5
"""How many findings a message names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem or oddity of a set.

    Attributes:
        severity: `error` if training would stop, or its result would suffer.
        kind: of problem or oddity.
        message: what was found, which rule it breaks, the remedy.
        file: None for the set as a whole.
        line: of that file, from 1; None in formats without lines.
    """

    severity: Severity
    kind: Kind
    message: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else str(self.file)
        place += "" if self.line is None else f":{self.line}"
        return f"{place}: {self.message}" if place else self.message

    def record(self) -> dict[str, str | int | None]:
        """Returns the finding as a dict for JSON."""
        return asdict(self) | {"file": self.file and self.file.as_posix()}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the errors among the findings."""
    return [finding for finding in findings if finding.severity == "error"]


def first_few(findings: Sequence[Finding]) -> str:
    """Returns the first findings as one line, with the number of the others."""
    more = len(findings) - NAMED_FINDINGS
    named = "; ".join(map(str, findings[:NAMED_FINDINGS]))
    return f"{named}; and {more} more" if more > 0 else named
