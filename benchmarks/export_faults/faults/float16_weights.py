"""Weights in float16."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import change_tensor, weights
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    for tensor in weights(model):
        change_tensor(tensor, lambda values: values.astype(np.float16))


FAULT = Fault(
    name="float16_weights",
    description="Weights are rounded to float16; everything is computed in float32.",
    kind="rounding",
    change=change,
)
