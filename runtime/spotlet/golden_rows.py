"""What replayed golden frames come to, as rules of a check: the canvas's, and the network's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spotlet.check_report import CheckRow
from spotlet.detector import Detector
from spotlet.errors import ModelFileError
from spotlet.golden import GoldenTolerance
from spotlet.replay import GoldenResult, replay_golden

CANVAS_RULE = "golden frames are resized as at the export"
GOLDEN_RULE = "golden frames give what they gave at the export"


def check_golden(
    detector: Detector, folder: Path, loosened: GoldenTolerance | None = None
) -> list[CheckRow]:
    """Returns what the golden frames come to here, as rules of a check.

    Args:
        detector: of a file of the package, with the model's own rule.
        folder: the package's golden frames; one that is not whole is a rule not kept.
        loosened: what it may differ by at least, whatever the export recorded.
    """
    try:
        results = replay_golden(detector, folder, loosened)
    except ModelFileError as error:
        return [CheckRow(GOLDEN_RULE, False, str(error), float("inf"))]
    return [*canvas_rows(results), golden_row(results)]


def canvas_rows(results: Sequence[GoldenResult]) -> list[CheckRow]:
    """Returns how this machine's OpenCV resized the frames, as a rule of a check.

    Args:
        results: of `replay_golden`.

    Returns:
        One row; none where no frame could be compared.
    """
    compared = [result for result in results if result.resized]
    other = [result for result in compared if result.canvas]
    measured = f"{len(compared) - len(other)} of {len(compared)} canvases are the same"
    if other:
        levels = max(each.levels for each in other)
        alone = sum(each.unmatched for each in other)
        measured += (
            f"; {', '.join(each.name for each in other)}: up to {levels} grey "
            f"level{'s' * (levels > 1)} apart, this OpenCV resizes differently. That moves tensors "
            f"by up to {max(each.tensors for each in other):.2g} and scores by up to "
            f"{max(each.scores for each in other):.2g}; boxes overlap by at least "
            f"{min(each.iou for each in other):.4f}"
        )
        measured += f"; {alone} detections have no partner" if alone else ""
    passed = not any(result.resized_differently for result in other)
    return [CheckRow(CANVAS_RULE, passed, measured, warns=bool(other))] if compared else []


def golden_row(results: Sequence[GoldenResult]) -> CheckRow:
    """Returns what the network gave for the frames, as a rule of a check.

    A frame whose canvas differs more than is allowed says nothing of the network.

    Args:
        results: of `replay_golden`, at least one.
    """
    judged = [result for result in results if not result.resized_differently]
    bad = [result for result in judged if result.faults]
    excused = [result for result in judged if result.canvas and not result.faults]
    strict = [result for result in judged if result not in excused]
    measured, largest = "no frame has the export's canvas", None
    if strict:
        largest = float(np.max([result.tensors for result in strict]))
        allowed = results[0].allowed.tensors
        measured = (
            f"{len(strict) - len(bad)} of {len(strict)}, largest difference {largest:.2g} "
            f"(of {allowed:g} allowed)"
        )
    for result in bad:
        measured += f"; {result.name}: {', '.join(result.faults)}"
    if excused:
        measured += f"; {len(excused)} differ by no more than their canvas explains"
    return CheckRow(GOLDEN_RULE, not bad, measured, largest, warns=not strict)
