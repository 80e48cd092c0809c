"""Softmax for sigmoid."""

import onnx
from benchmarks.export_faults.editing import at_output, logits, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    logits(model)
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [node("Softmax", [before], after, axis=2)],
    )


FAULT = Fault(
    name="softmax",
    description="The classes of a cell share one softmax where each has its own sigmoid.",
    change=change,
)
