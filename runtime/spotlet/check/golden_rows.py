"""What replayed golden frames come to, as rules of a check: the canvas's, and the network's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spotlet.check.golden import GoldenTolerance
from spotlet.check.replay import CanvasEffect, GoldenResult, replay_golden
from spotlet.check.report import CheckRow
from spotlet.detector import Detector
from spotlet.errors import ModelFileError

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
        levels = max(result.levels for result in other)
        measured += (
            f"; {', '.join(result.name for result in other)}: up to {levels} grey "
            f"level{'s' * (levels > 1)} apart, this OpenCV resizes differently; "
            f"{_effect_text([result.effect for result in other if result.effect])}"
        )
    passed = not any(result.resized_differently for result in other)
    return [CheckRow(CANVAS_RULE, passed, measured, warns=bool(other))] if compared else []


def golden_row(results: Sequence[GoldenResult]) -> CheckRow:
    """Returns what the network gave for the export's canvases, as a rule of a check.

    Args:
        results: of `replay_golden`, at least one.
    """
    judged = [result for result in results if result.judged]
    bad = [result for result in results if result.faults]
    rest = len(results) - len(judged)
    parts, largest = [], None
    if judged:
        largest = float(np.max([result.tensors for result in judged]))
        good = sum(not result.faults for result in judged)
        parts.append(
            f"{good} of {len(judged)}, largest difference {largest:.2g} "
            f"(of {results[0].allowed.tensors:g} allowed)"
        )
    parts += [f"{result.name}: {', '.join(result.faults)}" for result in bad]
    if rest:
        parts.append(f"{rest} judged loosely: their canvas at the export is unknown")
    return CheckRow(GOLDEN_RULE, not bad, "; ".join(parts), largest, warns=bool(rest))


def _effect_text(effects: Sequence[CanvasEffect]) -> str:
    """Returns what canvases that differ do to detections, all frames together, in words."""
    paired, unmatched = (
        sum(getattr(effect, name) for effect in effects) for name in ("paired", "unmatched")
    )
    parts = []
    if paired:
        pixels, scores = (
            max(getattr(effect, name) for effect in effects) for name in ("pixels", "scores")
        )
        parts.append(f"boxes move by up to {pixels:.2g} pixels and scores by up to {scores:.2g}")
    if unmatched:
        parts.append(f"{unmatched} detection{'s' * (unmatched > 1)} appear or disappear")
    return " and ".join(parts) or "nothing is detected in them with either canvas"
