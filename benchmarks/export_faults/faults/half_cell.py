"""Corners of cells for their centres."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node, steps
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    height, width = manifest_of(model).input.size_hw
    shift = constant(model, steps(model)[:, None] / 2 / [width, height, width, height])
    at_output(
        model,
        manifest_of(model).output.boxes,
        lambda before, after: [node("Sub", [before, shift], after)],
    )


FAULT = Fault(
    name="half_cell",
    description="Boxes are measured from the corner of their cell, not from its centre.",
    seen="pytorch/vision#1765",
    change=change,
)
