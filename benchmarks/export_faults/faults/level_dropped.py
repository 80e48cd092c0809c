"""The coarsest level lost."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import at_output, cells, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of

COARSEST_SHARE = 21
"""Of strides 8, 16 and 32: 16 + 4 + 1 parts."""


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    output = manifest_of(model).output
    kept = cells(model) - cells(model) // COARSEST_SHARE
    start, end, axis = (constant(model, [value], np.int64) for value in (0, kept, 1))
    for name in (output.boxes, output.scores):
        at_output(
            model,
            name,
            lambda before, after: [node("Slice", [before, start, end, axis], after)],
        )
    for item in model.graph.output:
        item.type.tensor_type.shape.dim[1].dim_value = kept


FAULT = Fault(
    name="level_dropped",
    description="The cells of the coarsest level, which find the largest objects, are missing.",
    change=change,
)
