"""A provider held against the CPU of the same machine, for a model that has no record."""

from dataclasses import replace

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.check.agreement import seen_among
from spotlet.check.golden import GoldenTolerance
from spotlet.check.probe import synthetic_canvases
from spotlet.check.report import CheckRow
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.postprocess import detections_from_outputs

TENSOR_RULE = "synthetic canvases give what the CPU gives here"
DETECTION_RULE = "the best candidates are those that the CPU finds here"

BEST_CELLS = 20
"""Of each canvas the candidates from the score of this one on are compared: the model's own
threshold would leave few on what is no picture of anything."""


def compare_with_cpu(
    detector: Detector, outputs: tuple[FloatArray, FloatArray], allowed: GoldenTolerance
) -> tuple[CheckRow, ...]:
    """Returns how far a provider is from the CPU on `synthetic_canvases`, as rules of a check.

    Candidates are compared before suppression, which may keep either of two that are as good.

    Args:
        detector: of the model, with the provider.
        outputs: what its session gave for each canvas: boxes (N, K, 4) and scores (N, K, C).
        allowed: what it may differ by.

    Raises:
        ModelFileError: the CPU cannot run the model.
    """
    reference = Detector(detector.session.path).session
    canvases = synthetic_canvases(detector.manifest.input.size_hw)
    pairs = zip(*(reference.run(canvas[np.newaxis]) for canvas in canvases), strict=True)
    on_cpu = tuple(np.concatenate(parts) for parts in pairs)
    if any(mine.shape != theirs.shape for mine, theirs in zip(outputs, on_cpu, strict=True)):
        return (CheckRow(TENSOR_RULE, False, "tensors of another shape"),)
    rows = []
    # Of a graph with suppression in it, a cell is a detection: its place says nothing.
    if detector.manifest.output.form == "cells":
        # Not max() of Python, which would pass over a NaN.
        largest = float(np.max([np.abs(a - b).max() for a, b in zip(outputs, on_cpu, strict=True)]))
        measured = f"largest difference {largest:.2g}, allowed {allowed.tensors:g}"
        rows.append(CheckRow(TENSOR_RULE, largest <= allowed.tensors, measured))
    missing = compared = 0
    for boxes, scores, cpu_boxes, cpu_scores in zip(*outputs, *on_cpu, strict=True):
        threshold = float(np.sort(cpu_scores, axis=None)[-BEST_CELLS:][0])
        wanted = _candidates(detector, cpu_boxes, cpu_scores, threshold)
        found = _candidates(detector, boxes, scores, threshold)
        for best, tensors in ((wanted, (boxes, scores)), (found, (cpu_boxes, cpu_scores))):
            lower = _candidates(detector, *tensors, max(threshold - allowed.scores, 0.0))
            seen = seen_among(best, lower, least_iou=allowed.iou, score_difference=allowed.scores)
            missing += int((~seen).sum())
            compared += len(best)
    measured = (
        f"{compared - missing} of {compared}, by a score within {allowed.scores:g} and an "
        f"overlap of {allowed.iou:g}"
    )
    return (*rows, CheckRow(DETECTION_RULE, not missing, measured))


def _candidates(
    detector: Detector, boxes: FloatArray, scores: FloatArray, threshold: float
) -> Detections:
    """Returns what is on a canvas from a score on, before suppression."""
    rule = replace(
        detector.manifest.detection,
        score_threshold=threshold,
        iou_threshold=1.0,
        max_detections=scores.size,
        every_class=True,
    )
    letterbox = detector.manifest.input.letterbox(detector.manifest.input.size_hw)
    return detections_from_outputs(boxes, scores, letterbox, detector.class_names, rule)
