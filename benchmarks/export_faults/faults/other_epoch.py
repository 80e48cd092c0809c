"""Weights of another epoch."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import change_tensor, weights
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    rng = np.random.default_rng(0)
    for tensor in weights(model):
        change_tensor(tensor, lambda w: w + 0.03 * w.std() * rng.standard_normal(w.shape))


FAULT = Fault(
    name="other_epoch",
    description=(
        "The file holds the weights of another epoch, imitated by 3 % of each layer's deviation."
    ),
    change=change,
)
