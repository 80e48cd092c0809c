"""A layer of the head is zero."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import change_tensor, weights
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_tensor(weights(model)[-1], np.zeros_like)


FAULT = Fault(
    name="head_zeroed",
    description="The last convolution of the graph has no weights.",
    change=change,
)
