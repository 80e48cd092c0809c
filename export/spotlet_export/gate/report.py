"""The gate's report: rows with one limit each, and a verdict."""

from dataclasses import asdict, dataclass
from typing import Any

from spotlet.text.terminal import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that must hold.

    Attributes:
        variant: the file that was measured.
        name: what was compared.
        over: what it was compared on, for a person.
        measured: the figure.
        limit: the greatest figure allowed, or the least if `at_least`.
        at_least: the direction of the limit.
    """

    variant: str
    name: str
    over: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limit; NaN is not."""
        if self.at_least:
            return self.measured >= self.limit
        return self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a gate.

    Attributes:
        rows: in the order they were measured.
    """

    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every row passed, and there is one."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that did not pass."""
        return tuple(row for row in self.rows if not row.passed)

    def table(self) -> str:
        """Returns the rows as text: file, what was compared, on what, figure, limit, verdict."""
        return table(
            [
                (
                    row.variant,
                    row.name,
                    row.over,
                    f"{row.measured:.3g}",
                    f"{'>=' if row.at_least else '<='} {row.limit:g}",
                    "pass" if row.passed else "FAIL",
                )
                for row in self.rows
            ],
            header=("file", "compared", "over", "measured", "limit", ""),
        )

    def of(self, variant: str) -> list[dict[str, Any]]:
        """Returns the rows of one file as JSON values."""
        return [
            {**asdict(row), "passed": row.passed} for row in self.rows if row.variant == variant
        ]
