"""One wrong weight."""

import onnx
from benchmarks.export_faults.editing import change_tensor, weights
from benchmarks.export_faults.fault import Fault

from spotlet.boxes import FloatArray


def change(model: onnx.ModelProto) -> None:
    """Plants it."""

    def change_one(values: FloatArray) -> FloatArray:
        values = values.copy()
        values.flat[5] += 0.05
        return values

    change_tensor(weights(model)[0], change_one)


FAULT = Fault(
    name="one_weight",
    description="One weight of the first convolution is off by 0.05.",
    change=change,
)
