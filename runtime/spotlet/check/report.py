"""What the check of a model found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One rule, and whether the model keeps it.

    Attributes:
        rule: in words.
        passed: whether it holds.
        measured: what was found, in words.
        difference: greatest |Δ| of a tensor's number from what the export recorded; None where
            the rule compares with no record.
        warns: whether it holds with a difference that its user should know of.
    """

    rule: str
    passed: bool
    measured: str
    difference: float | None = None
    warns: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check of a model file found.

    Attributes:
        path: of the `.onnx` file.
        provider: the execution provider that computed.
        rows: one for each rule that could be tested.
        recorded: whether there was a `parity.json` to compare with; without it neither the file's
            checksum nor, unless there are golden frames, what it gave was tested.
        notes: what was held against what, in words: the tolerance, and the provider where it is
            not the CPU.
    """

    path: Path
    provider: str
    rows: tuple[CheckRow, ...]
    recorded: bool
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(row.passed for row in self.rows)

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows that do not hold."""
        return tuple(row for row in self.rows if not row.passed)

    @property
    def warnings(self) -> tuple[CheckRow, ...]:
        """The rows that hold, but differ in what a user should know of."""
        return tuple(row for row in self.rows if row.passed and row.warns)

    @property
    def largest_difference(self) -> float | None:
        """Greatest |Δ| of a tensor's number from the export's; None where nothing was recorded."""
        differences = [row.difference for row in self.rows if row.difference is not None]
        # Not max() of Python, which could pass over a NaN.
        return float(np.max(differences)) if differences else None
