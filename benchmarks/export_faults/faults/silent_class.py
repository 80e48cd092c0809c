"""A class that never fires."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    count = len(manifest_of(model).classes)
    mask = constant(model, [1.0] * (count - 1) + [0.0])
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [node("Mul", [before, mask], after)],
    )


FAULT = Fault(
    name="silent_class",
    description="The scores of the last class are zero, which pictures without it do not show.",
    change=change,
)
