"""Compares a rewritten file with its original, and sets the limits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from spotlet.check.tolerances import INT8_TOLERANCE, GoldenTolerance
from spotlet.session import ModelSession
from spotlet_export.adoption.signature import SUPPRESSED, Signature
from spotlet_export.gate.detection_parity import compare_detections
from spotlet_export.gate.reference import Reference
from spotlet_export.gate.report import Report, Row
from spotlet_export.gate.tensor_parity import (
    BATCH,
    batch_rows,
    compare_tensors,
    difference,
    in_batches,
)
from spotlet_export.gate.variants import FP32, FP32_LIMITS, Limits

HALF_LIMITS = Limits(
    exact=True,
    tensors=5e-3,
    unmatched=0.0,
    iou=0.98,
    scores=5e-3,
    accuracy=0.0,
    golden=GoldenTolerance(0.01, 0.02, 0.9, ties=True),
)
"""For networks in float16, whose steps near 1 are 0.001: onnxruntime computes some of their layers
in float32, others not, depending on neighbouring layers."""

INT8_LIMITS = Limits(
    exact=True,
    tensors=0.02,
    unmatched=0.0,
    iou=0.9,
    scores=0.03,
    accuracy=0.0,
    golden=INT8_TOLERANCE,
)
"""For networks in eight bits: a value at the edge of a step may fall to either side."""

HALF_TYPES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def limits_of(file: Path) -> Limits:
    """Returns the limits for a file, by the types that it computes with."""
    return limits_of_graph(onnx.load(file).graph)


def limits_of_graph(graph: onnx.GraphProto) -> Limits:
    """Returns the limits for a graph, by the types that it computes with."""
    if any("Quantize" in node.op_type or "QLinear" in node.op_type for node in graph.node):
        return INT8_LIMITS
    casts = (each.i for node in graph.node if node.op_type == "Cast" for each in node.attribute)
    if any(
        kind in HALF_TYPES for kind in [*casts, *(each.data_type for each in graph.initializer)]
    ):
        return HALF_LIMITS
    return FP32_LIMITS


def same_in_batches(session: ModelSession, reference: Reference, limits: Limits) -> bool:
    """Returns whether canvases in a batch give the same results as one by one.

    Measured on the canvases of the gate, so with objects at every position of a batch.

    Raises:
        ModelFileError: the file cannot be run.
    """
    return all(
        difference(one, many, "max") <= limits.golden.tensors
        for group in reference.groups
        for one, many in zip(
            in_batches(session, group.canvases, 1),
            in_batches(session, group.canvases, BATCH),
            strict=True,
        )
    )


def prove(
    reference: Reference,
    session: ModelSession,
    signature: Signature,
    limits: Limits,
    on_progress: Callable[[int, int], None] = lambda _, __: None,
) -> Report:
    """Returns the report on a rewritten file against its original.

    Args:
        reference: the original's side.
        session: of the rewritten file; the shipped runtime loads that file itself.
        signature: of the original.
        limits: the largest differences.
        on_progress: called with the number of compared files, and of all.
    """
    rows = tensor_rows(reference, session, signature, limits)
    rows += compare_detections(reference, session, limits, FP32, on_progress)
    return Report(tuple(rows))


def tensor_rows(
    reference: Reference, session: ModelSession, signature: Signature, limits: Limits
) -> list[Row]:
    """Returns the rows of the report on tensors; `prove` explains the arguments."""
    rule = signature.output
    if rule.layout in SUPPRESSED or (rule.grids is not None and rule.grids.peaks):
        # Rows with nearly equal scores may swap: their order depends on the suppression. So may
        # peaks, if neighbours are nearly equal.
        return _scores_in_order(reference, session, limits)
    return compare_tensors(reference, session, limits, FP32)


def _scores_in_order(reference: Reference, session: ModelSession, limits: Limits) -> list[Row]:
    """Returns the rows for the sorted scores of each class, and for batches."""
    rows = []
    for group in reference.groups:
        single = in_batches(session, group.canvases, 1)
        wanted, got = (np.sort(scores, axis=1) for _, scores in (group.tensors, single))
        rows.append(
            Row(
                variant=FP32,
                name="tensor scores, in order, max |Δ|",
                over=f"{len(group.canvases)} {group.name}",
                measured=difference(wanted, got, "max"),
                limit=limits.tensors,
            )
        )
        rows += batch_rows(session, group, single, limits, FP32)
    return rows
