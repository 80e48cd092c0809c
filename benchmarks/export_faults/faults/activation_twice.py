"""Sigmoid twice."""

import onnx
from benchmarks.export_faults.editing import at_output, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [node("Sigmoid", [before], after)],
    )


FAULT = Fault(
    name="activation_twice",
    description="The sigmoid is applied to scores that are scores already.",
    change=change,
)
