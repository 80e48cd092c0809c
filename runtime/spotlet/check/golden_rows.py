"""The results of replayed golden frames, and the rows of a check made from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.check.agreement import Agreement
from spotlet.check.report import CheckRow
from spotlet.check.tolerances import GoldenTolerance

CANVAS_RULE = "golden frames are resized as at export"
GOLDEN_RULE = "golden frames match the export"
DETECTIONS_RULE = "golden frames hold detections"

INFINITE = float("inf")

DIGEST_SLACK = 1e-3
"""Grey levels that a digest's rounding to seven digits may add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How this machine's results for one frame differ from the export's.

    Attributes:
        name: of the frame.
        allowed: the tolerance.
        faults: what is wrong with the network and by how much, as text; empty if nothing is.
        canvas: greatest |Δ| of the letterboxed canvas, grey levels; infinite if there is none to
            compare. If it is not 0, the network runs on the export's canvas, made without OpenCV.
        effect: of this machine's canvas on the detections; None if it is the export's.
        same_input: whether the network ran on the export's canvas, which cannot be made for some
            interpolations.
        tensors: greatest |Δ| of boxes, in [0, 1] of the canvas, and scores; NaN if the model
            returned one, infinite if the picture is not the export's.
        agreement: of the detections, if they were compared.
        objects: how many detections of the export need a partner here: those that are further over
            the score threshold than the tolerance.
    """

    name: str
    allowed: GoldenTolerance
    faults: tuple[str, ...]
    canvas: float = INFINITE
    effect: Agreement | None = None
    same_input: bool = True
    tensors: float = INFINITE
    agreement: Agreement | None = None
    objects: int = 0

    @property
    def levels(self) -> int:
        """The canvas's difference in whole grey levels: at least 1 unless it is the same."""
        return 0 if self.canvas == 0 else max(round(self.canvas), 1)

    @property
    def resized_differently(self) -> bool:
        """Whether the canvas differs from the export's by more than is allowed."""
        return self.allowed.canvas + DIGEST_SLACK < self.canvas < INFINITE

    @property
    def passed(self) -> bool:
        """Whether the frame is within every tolerance."""
        return not self.faults and not self.resized_differently


def canvas_rows(results: Sequence[GoldenResult]) -> list[CheckRow]:
    """Returns the row on how this machine resized the frames; none if nothing was compared."""
    compared = [result for result in results if result.canvas != INFINITE]
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
    """Returns the row on what the network computed, for at least one result."""
    strict = [result for result in results if result.same_input]
    bad = [result for result in results if result.faults]
    rest = len(results) - len(strict)
    parts, largest = [], None
    if strict:
        largest = float(np.max([result.tensors for result in strict]))
        good = sum(not result.faults for result in strict)
        parts.append(
            f"{good} of {len(strict)}, largest difference {largest:.2g} "
            f"(of {results[0].allowed.tensors:g} allowed)"
        )
    parts += [f"{result.name}: {', '.join(result.faults)}" for result in bad]
    if rest:
        parts.append(f"{rest} compared loosely: the export's canvas is unknown")
    return CheckRow(GOLDEN_RULE, not bad, "; ".join(parts), largest, warns=bool(rest))


def detection_rows(results: Sequence[GoldenResult]) -> list[CheckRow]:
    """Returns the row that no detection could be compared; none if some were."""
    if any(result.objects for result in results):
        return []
    measured = (
        f"none in {len(results)} frames, so nothing is proven about detections; export or adopt "
        "the model again with images that show its objects"
    )
    return [CheckRow(DETECTIONS_RULE, True, measured, warns=True, unproven=True)]


def _effect_text(effects: Sequence[Agreement]) -> str:
    """Returns the effect of different canvases on the detections of all frames, as text."""
    moved = np.concatenate([effect.moved for effect in effects])
    unmatched = sum(effect.unmatched for effect in effects)
    parts = []
    if len(moved):
        pixels, scores = moved.max(), max(effect.score_difference for effect in effects)
        parts.append(f"boxes move by up to {pixels:.2g} pixels and scores by up to {scores:.2g}")
    if unmatched:
        parts.append(f"{unmatched} detection{'s' * (unmatched > 1)} appear or disappear")
    return " and ".join(parts) or "nothing is detected in them with either canvas"
