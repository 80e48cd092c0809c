"""What a comparison is asked, and what it showed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spotlet.errors import UsageError
from spotlet_export.gate.report import Report
from spotlet_export.judging.comparing import RULE_ROW
from spotlet_export.judging.explaining import Explanation
from spotlet_export.judging.opening import LIMITS
from spotlet_export.judging.pictures import WorstPicture

NOT_FOUND = (
    "The usual causes do not explain the difference: channel order, interpolation, "
    "placing and border of the frame, range of the pixels, encoding, unit and shift of the boxes, "
    "activation, class order, suppression, float16. The "
    "weights may be others, or a program may do something else."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveSettings:
    """How to compare.

    Attributes:
        precision: a key of `LIMITS`; None: that of the less precise model, and float16 for a
            runner.
        tensors: in place of that precision's limit of |Δ| of a tensor's elements.
        unmatched: of detections without a partner, as a share.
        iou: of the overlap of a detection with its partner, at least.
        scores: of |Δ| of a detection's score.
        accuracy: of the AP that may be lost.

    Raises:
        UsageError: a value breaks its rule.
    """

    precision: str | None = None
    tensors: float | None = None
    unmatched: float | None = None
    iou: float | None = None
    scores: float | None = None
    accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.precision is not None and self.precision not in LIMITS:
            raise UsageError(f"precision {self.precision!r}: must be one of {', '.join(LIMITS)}")
        for name, value in self.given.items():
            if not 0 <= value <= 1:
                raise UsageError(f"limit of {name} {value}: must be from 0 to 1")

    @property
    def given(self) -> dict[str, Any]:
        """The limits that were set, by the names in `Limits`."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if name != "precision" and value is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proof:
    """What a comparison showed.

    Attributes:
        titles: of A and B, as they were given.
        report: the rows; they are the same if all passed.
        explanation: why they differ; None if they are the same, or no usual cause explains it.
        pictures: those that differ most.
        page: the file that shows it.
        notes: what was not compared, and why; where in their graphs they part.
    """

    titles: tuple[str, str]
    report: Report
    explanation: Explanation | None
    pictures: Sequence[WorstPicture]
    page: Path
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The verdict, in a sentence."""
        if self.report.passed:
            return "A and B are the same."
        if self.explanation is not None:
            return f"{self.explanation.text}."
        failed = {row.name for row in self.report.failures}
        if failed == {RULE_ROW}:
            return "A and B compute the same, but their manifests' rules differ."
        if not any(name.startswith("detections") for name in failed):
            return f"A and B find the same, but other things differ: {', '.join(sorted(failed))}."
        return NOT_FOUND
