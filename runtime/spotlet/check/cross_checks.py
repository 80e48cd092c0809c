"""Comparisons on one machine: a provider with its CPU, a suppressing graph with the runtime."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from spotlet.check.agreement import Agreement, agree, seen_among
from spotlet.check.report import CheckRow, difference_row
from spotlet.check.tolerances import FP32_TOLERANCE, GoldenTolerance
from spotlet.detections import Detections
from spotlet.detector import Detector, Outputs
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray

TENSOR_RULE = "synthetic canvases give what the CPU gives here"
DETECTION_RULE = "the best candidates are those that the CPU finds here"
SUPPRESSION_RULE = "the graph suppresses as the runtime does"

BEST_CELLS = 20
"""Candidates of each canvas are compared from the score of this one up: the model's own threshold
would leave few on a canvas that shows nothing."""

TIE = 1e-5
"""What the IoU threshold is moved by to see whether a tie decided a frame. The graph's arithmetic
and OpenCV's round an overlap differently, by less."""


def largest_difference(one: Iterable[Outputs], other: Iterable[Outputs]) -> float:
    """Returns the greatest |Δ| of tensors of the same shapes; NaN where one holds any."""
    gaps = [
        np.abs(mine - theirs).max(initial=0)
        for a, b in zip(one, other, strict=True)
        for mine, theirs in ((a.boxes, b.boxes), (a.scores, b.scores))
    ]
    # Not max() of Python, which could pass over a NaN.
    return float(np.max(gaps))


def compare_with_cpu(
    detector: Detector, outputs: Sequence[Outputs], allowed: GoldenTolerance
) -> list[CheckRow]:
    """Returns how far a provider is from the CPU on some canvases, as rules of a check.

    Candidates are compared before suppression, which may keep either of two that are as good.

    Args:
        detector: of the model, with the provider.
        outputs: of the detector, for each canvas.
        allowed: what it may differ by.

    Raises:
        ModelFileError: the CPU cannot run the model, or returns scores out of range.
    """
    reference = Detector(detector.session.path)
    on_cpu = [reference.outputs(each.canvas, canvas=each.canvas) for each in outputs]
    if any(a.scores.shape != b.scores.shape for a, b in zip(outputs, on_cpu, strict=True)):
        return [CheckRow(TENSOR_RULE, False, "tensors of another shape")]
    rows = []
    # In a graph that suppresses, a cell is a detection: its place says nothing.
    if detector.manifest.output.form == "cells":
        rows.append(
            difference_row(TENSOR_RULE, largest_difference(outputs, on_cpu), allowed.tensors)
        )
    missing = compared = 0
    for mine, theirs in zip(outputs, on_cpu, strict=True):
        threshold = float(np.sort(theirs.scores, axis=None)[-BEST_CELLS:][0])
        if not 0 <= threshold <= 1:
            path = detector.session.path
            raise ModelFileError(f"{path}: a score of {threshold:g} on the CPU; export it again")
        for best, others in ((mine, theirs), (theirs, mine)):
            wanted = detector.candidates(best, threshold)
            lower = detector.candidates(others, max(threshold - allowed.scores, 0.0))
            seen = seen_among(wanted, lower, least_iou=allowed.iou, score_difference=allowed.scores)
            missing += int((~seen).sum())
            compared += len(wanted)
    measured = (
        f"{compared - missing} of {compared}, by a score within {allowed.scores:g} and an "
        f"overlap of {allowed.iou:g}"
    )
    return [*rows, CheckRow(DETECTION_RULE, not missing, measured)]


def check_suppression(
    detector: Detector, source: Detector, images: Iterable[ImageArray]
) -> CheckRow:
    """Returns whether both find the same in some frames, as one rule of a check.

    It is one network on one machine, so it must be the same in eight bits too, where the record of
    another machine may differ by much more.

    Args:
        detector: of the file with suppression, with its own rule.
        source: of the one without.
        images: (H, W, 3) uint8 BGR each.
    """
    results = [compare_suppression(source, each, source(each), detector(each)) for each in images]
    same = sum(is_same(agreement) for agreement, _ in results)
    measured = f"{same} of {len(results)} frames as by {source.session.path.name}"
    return CheckRow(SUPPRESSION_RULE, same == len(results), measured)


def compare_suppression(
    source: Detector, image: ImageArray, want: Detections, got: Detections
) -> tuple[Agreement, bool]:
    """Returns how well the results for one frame agree, and whether a tie decided it.

    Args:
        source: of the file without suppression, with the other's thresholds.
        image: (H, W, 3) uint8 BGR.
        want: what `source` found.
        got: what the graph with suppression found.
    """
    agreement = agree(want, got)
    if is_same(agreement):
        return agreement, False
    outputs, iou = source.outputs(image), source.rule.iou_threshold
    for moved in (max(iou - TIE, TIE), min(iou + TIE, 1.0)):  # an overlap there falls either way
        judged = source.found_in(outputs, replace(source.rule, iou_threshold=moved))
        if is_same(again := agree(judged, got)):
            return again, True
    return agreement, False


def is_same(agreement: Agreement) -> bool:
    """Returns whether two results of one frame are the same but for float noise."""
    return agreement.within(FP32_TOLERANCE.iou, FP32_TOLERANCE.scores)
