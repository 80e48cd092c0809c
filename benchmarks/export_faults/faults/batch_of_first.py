"""Only the first of a batch."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    first = constant(model, [0], np.int64)
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [
            node("Gather", [before, first], f"{after}_first", axis=0),
            node("Shape", [before], f"{after}_shape"),
            node("Expand", [f"{after}_first", f"{after}_shape"], after),
        ],
    )


FAULT = Fault(
    name="batch_of_first",
    description="Every canvas of a batch gets the scores of the first; one at a time is right.",
    seen="ultralytics/ultralytics#21188, open-mmlab/mmdeploy#2207",
    change=change,
)
