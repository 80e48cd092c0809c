"""Class ids off by one."""

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
    order = constant(model, np.roll(np.arange(count), 1), np.int64)
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [node("Gather", [before, order], after, axis=2)],
    )


FAULT = Fault(
    name="classes_rotated",
    description=(
        "Each score is that of the class before, as with a background class counted on one side."
    ),
    seen="dusty-nv/jetson-inference#984, roboflow/rf-detr#961",
    change=change,
)
