"""A BatchNorm not folded."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import change_tensor, weights
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensor = weights(model)[len(weights(model)) // 2]
    rng = np.random.default_rng(0)
    factors = np.exp2(rng.uniform(-1, 1, (tensor.dims[0], 1, 1, 1))).astype(np.float32)
    change_tensor(tensor, lambda values: values * factors)


FAULT = Fault(
    name="layer_scale_lost",
    description="The channels of one convolution lost the scale that its BatchNorm gave them.",
    change=change,
)
