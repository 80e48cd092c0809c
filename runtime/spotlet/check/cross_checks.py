"""Comparisons on one machine: a provider with the CPU, a suppressing graph with the runtime."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from spotlet.check.agreement import Agreement, agree, agreeing
from spotlet.check.report import CheckRow, difference_row
from spotlet.check.tolerances import FP32_TOLERANCE, GoldenTolerance
from spotlet.detections import Detections
from spotlet.detector import Detector, Outputs
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray

TENSOR_RULE = "synthetic canvases match the CPU here"
DETECTION_RULE = "the best candidates match the CPU here"
SUPPRESSION_RULE = "the graph suppresses as the runtime does"

BEST_CELLS = 20
"""How many of each canvas's best candidates are compared: on a canvas that shows nothing, few reach
the model's own threshold."""

TIE = 1e-5
"""Shift of the IoU threshold that shows whether a tie decided a frame. Overlaps computed by the
graph and by OpenCV differ by less."""


def largest_difference(one: Iterable[Outputs], other: Iterable[Outputs]) -> float:
    """Returns the greatest |Δ| of tensors of the same shapes; NaN if either holds one."""
    gaps = [
        np.abs(left - right).max(initial=0)
        for a, b in zip(one, other, strict=True)
        for left, right in ((a.boxes, b.boxes), (a.scores, b.scores))
    ]
    # Python's max() could skip a NaN.
    return float(np.max(gaps))


def compare_with_cpu(
    detector: Detector, outputs: Sequence[Outputs], allowed: GoldenTolerance
) -> list[CheckRow]:
    """Returns rows that compare a provider with the CPU on some canvases.

    Candidates are compared before suppression, which may keep either one of a tie.

    Args:
        detector: of the model, with the provider.
        outputs: of the detector, for each canvas.
        allowed: the tolerance.

    Raises:
        ModelFileError: the CPU cannot run the model, or returns scores out of range.
    """
    cpu = Detector(detector.session.path)
    on_cpu = [cpu.outputs(each.canvas, canvas=each.canvas) for each in outputs]
    if any(a.scores.shape != b.scores.shape for a, b in zip(outputs, on_cpu, strict=True)):
        return [CheckRow(TENSOR_RULE, False, "tensor shapes differ")]
    rows = []
    # In a graph that suppresses, a cell is a detection: its index means nothing.
    if detector.manifest.output.form == "cells":
        rows.append(
            difference_row(TENSOR_RULE, largest_difference(outputs, on_cpu), allowed.tensors)
        )
    missing = compared = 0
    for here, reference in zip(outputs, on_cpu, strict=True):
        threshold = float(np.sort(reference.scores, axis=None)[-BEST_CELLS:][0])
        if not 0 <= threshold <= 1:
            path = detector.session.path
            raise ModelFileError(f"{path}: a score of {threshold:g} on the CPU; export it again")
        for best, others in ((here, reference), (reference, here)):
            wanted = detector.candidates(best, threshold)
            lower = detector.candidates(others, max(threshold - allowed.scores, 0.0))
            found = agreeing(wanted, lower, least_iou=allowed.iou, score_difference=allowed.scores)
            missing += int((~found).sum())
            compared += len(wanted)
    measured = (
        f"{compared - missing} of {compared} with a score within {allowed.scores:g} and an "
        f"overlap of {allowed.iou:g}"
    )
    return [*rows, CheckRow(DETECTION_RULE, not missing, measured)]


def check_suppression(
    detector: Detector, source: Detector, images: Iterable[ImageArray]
) -> CheckRow:
    """Returns the row that compares a graph's suppression with the runtime's on some frames.

    One network on one machine must find the same even in eight bits, where another machine's
    record may differ by much more.

    Args:
        detector: of the file with suppression, with its own rule.
        source: of the file without.
        images: (H, W, 3) uint8 BGR each.
    """
    results = [compare_suppression(source, each, source(each), detector(each)) for each in images]
    same = sum(is_same(agreement) for agreement, _ in results)
    measured = f"{same} of {len(results)} frames match {source.session.path.name}"
    return CheckRow(SUPPRESSION_RULE, same == len(results), measured)


def compare_suppression(
    source: Detector, image: ImageArray, wanted: Detections, found: Detections
) -> tuple[Agreement, bool]:
    """Returns how well two results for one frame agree, and whether a tie decided it.

    Args:
        source: of the file without suppression, with the other's thresholds.
        image: (H, W, 3) uint8 BGR.
        wanted: what `source` found.
        found: what the graph with suppression found.
    """
    agreement = agree(wanted, found)
    if is_same(agreement):
        return agreement, False
    outputs, iou = source.outputs(image), source.rule.iou_threshold
    for shifted in (max(iou - TIE, TIE), min(iou + TIE, 1.0)):
        again = source.found_in(outputs, replace(source.rule, iou_threshold=shifted))
        if is_same(closer := agree(again, found)):
            return closer, True
    return agreement, False


def is_same(agreement: Agreement) -> bool:
    """Returns whether two results for one frame differ by float noise alone."""
    return agreement.within(FP32_TOLERANCE.iou, FP32_TOLERANCE.scores)
