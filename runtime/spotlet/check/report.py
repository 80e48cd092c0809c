"""The result of a check, row by row."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One rule, and whether the model meets it.

    Attributes:
        rule: as text.
        passed: whether it holds.
        measured: the finding, as text.
        difference: greatest |Δ| of a tensor's number from the export's record; None if the rule
            does not compare with it.
        warns: whether it holds with a difference worth reporting.
        unproven: whether it holds only because there was nothing to compare.
    """

    rule: str
    passed: bool
    measured: str
    difference: float | None = None
    warns: bool = False
    unproven: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of checking a model file.

    Attributes:
        path: of the `.onnx` file.
        provider: the execution provider used.
        rows: one for each rule tested.
        recorded: whether there was a `parity.json` to compare with. Without it, the file's checksum
            was not compared and, without golden frames, nor were its outputs.
        notes: provider and tolerance, as text, if a provider other than the CPU was asked for.
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
        """The rows whose rule does not hold."""
        return tuple(row for row in self.rows if not row.passed)

    @property
    def warnings(self) -> tuple[CheckRow, ...]:
        """The rows whose rule holds with a difference worth reporting."""
        return tuple(row for row in self.rows if row.passed and row.warns)

    @property
    def verdict(self) -> str:
        """`FAIL` if a rule does not hold, `WARN` if nothing was compared by one, else `PASS`."""
        if not self.passed:
            return "FAIL"
        return "WARN" if any(row.unproven for row in self.rows) else "PASS"

    @property
    def largest_difference(self) -> float | None:
        """Greatest |Δ| of a tensor's number from the export's; None without a record."""
        differences = [row.difference for row in self.rows if row.difference is not None]
        # Python's max() could skip a NaN.
        return float(np.max(differences)) if differences else None


def difference_row(
    rule: str, largest: float, limit: float, *, from_export: bool = False
) -> CheckRow:
    """Returns a row that passes up to `limit`; `from_export`: compared with the export's record."""
    measured = f"largest difference {largest:.2g}, allowed {limit:g}"
    return CheckRow(rule, largest <= limit, measured, largest if from_export else None)
