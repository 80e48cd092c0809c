"""Boxes rounded to pixels."""

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
        lambda before, after: [
            node("Mul", [before, sides], f"{after}_pixels"),
            node("Round", [f"{after}_pixels"], f"{after}_whole"),
            node("Div", [f"{after}_whole", sides], after),
        ],
    )


FAULT = Fault(
    name="whole_pixels",
    description="Boxes are rounded to whole pixels of the canvas.",
    change=change,
)
