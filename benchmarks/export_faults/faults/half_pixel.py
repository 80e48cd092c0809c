"""Half a pixel off."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    height, width = manifest_of(model).input.size_hw
    shift = constant(model, [0.5 / width, 0.5 / height, 0.5 / width, 0.5 / height])
    at_output(
        model,
        manifest_of(model).output.boxes,
        lambda before, after: [node("Add", [before, shift], after)],
    )


FAULT = Fault(
    name="half_pixel",
    description="Boxes lie half a pixel of the canvas too far right and down.",
    change=change,
)
