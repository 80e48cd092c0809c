"""The comparison of a rewritten file with its original, and how near it must come."""

from pathlib import Path

import numpy as np
import onnx

from spotlet.check.tolerances import INT8_TOLERANCE, GoldenTolerance
from spotlet.errors import ModelFileError
from spotlet.session import ModelSession
from spotlet_export.adoption.reading import SUPPRESSED, Reading
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
"""Of networks in float16, whose steps next to 1 are 0.001: onnxruntime computes some of their
layers in float32, others not, by what stands beside them."""

INT8_LIMITS = Limits(
    exact=True,
    tensors=0.02,
    unmatched=0.0,
    iou=0.9,
    scores=0.03,
    accuracy=0.0,
    golden=INT8_TOLERANCE,
)
"""Of networks in eight bits: a value at the edge of a step may fall to either side."""

HALF_TYPES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def limits_of(file: Path) -> Limits:
    """Returns how near a file must come to its original, by what it computes in."""
    graph = onnx.load(file).graph
    if any("Quantize" in node.op_type or "QLinear" in node.op_type for node in graph.node):
        return INT8_LIMITS
    casts = (each.i for node in graph.node if node.op_type == "Cast" for each in node.attribute)
    if any(
        kind in HALF_TYPES for kind in [*casts, *(each.data_type for each in graph.initializer)]
    ):
        return HALF_LIMITS
    return FP32_LIMITS


def same_in_batches(file: Path, reference: Reference) -> bool:
    """Returns whether a file gives for canvases together what it gives for each.

    Asked on the very canvases of the gate, so on pictures with objects at every place of a batch.
    """
    limit = limits_of(file).golden.tensors
    try:
        session = ModelSession(file)
        return all(
            difference(one, many, "max") <= limit
            for group in reference.groups
            for one, many in zip(
                in_batches(session, group.canvases, 1),
                in_batches(session, group.canvases, BATCH),
                strict=True,
            )
        )
    except ModelFileError:
        return False


def prove(reference: Reference, session: ModelSession, reading: Reading, limits: Limits) -> Report:
    """Returns the rows for a rewritten file against its original.

    Args:
        reference: the original's side.
        session: of the rewritten file, which the shipped runtime loads for itself.
        reading: by which both were made.
        limits: how near it must come.
    """
    if reading.output.layout in SUPPRESSED:
        # Rows of nearly equal scores may change places: which is which only suppression knew.
        rows = _scores_in_order(reference, session, limits)
    else:
        rows = compare_tensors(reference, session, limits, FP32)
    rows += compare_detections(reference, session, limits, FP32)
    return Report(tuple(rows))


def _scores_in_order(reference: Reference, session: ModelSession, limits: Limits) -> list[Row]:
    """Returns the rows for the scores of each class, best first, and for batches."""
    rows = []
    for group in reference.groups:
        over = f"{len(group.canvases)} {group.name}"
        single = in_batches(session, group.canvases, 1)
        rows.append(
            Row(
                variant=FP32,
                name="tensor scores, in order, max |Δ|",
                over=over,
                measured=difference(
                    np.sort(group.tensors[1], axis=1), np.sort(single[1], axis=1), "max"
                ),
                limit=limits.tensors,
            )
        )
        rows += batch_rows(session, group.canvases, single, over, limits, FP32)
    return rows
