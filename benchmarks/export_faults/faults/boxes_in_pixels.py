"""Pixels for unit coordinates."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    height, width = manifest_of(model).input.size_hw
    sides = constant(model, [width, height, width, height])
    at_output(
        model,
        manifest_of(model).output.boxes,
        lambda before, after: [node("Mul", [before, sides], after)],
    )


FAULT = Fault(
    name="boxes_in_pixels",
    description="Boxes are in pixels of the canvas where 0 to 1 is expected.",
    change=change,
)
