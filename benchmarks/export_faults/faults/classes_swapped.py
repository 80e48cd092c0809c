"""Two classes exchanged."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault, NotApplicableError

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    count = len(manifest_of(model).classes)
    if count < 2:
        raise NotApplicableError("one class has no order")
    order = constant(model, [1, 0, *range(2, count)], np.int64)
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [node("Gather", [before, order], after, axis=2)],
    )


FAULT = Fault(
    name="classes_swapped",
    description="The scores of the first two classes are exchanged.",
    seen="ultralytics/yolov5#7749",
    change=change,
)
