"""Beyond the range of float16."""

import onnx
from benchmarks.export_faults.editing import constant, insert_after, middle_convolution, node
from benchmarks.export_faults.fault import Fault
from onnx import TensorProto

GAIN = 65504.0
"""The largest number of float16: activations over 1 exceed it."""


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensor = middle_convolution(model).output[0]
    scale = constant(model, GAIN)
    insert_after(
        model,
        tensor,
        lambda before, after: [
            node("Mul", [before, scale], f"{after}_large"),
            node("Cast", [f"{after}_large"], f"{after}_half", to=TensorProto.FLOAT16),
            node("Cast", [f"{after}_half"], f"{after}_back", to=TensorProto.FLOAT),
            node("Div", [f"{after}_back", scale], after),
        ],
    )


FAULT = Fault(
    name="float16_overflow",
    description=(
        "One layer computes in float16 and exceeds its range, so that its values become infinite."
    ),
    seen="NVIDIA/TensorRT#1122, Tencent/ncnn#5799",
    change=change,
)
