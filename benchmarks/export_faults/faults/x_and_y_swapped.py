"""Boxes transposed."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    order = constant(model, [1, 0, 3, 2], np.int64)
    at_output(
        model,
        manifest_of(model).output.boxes,
        lambda before, after: [node("Gather", [before, order], after, axis=2)],
    )


FAULT = Fault(
    name="x_and_y_swapped",
    description="Boxes are top, left, bottom, right.",
    change=change,
)
