"""Saturated at the range of float16."""

import onnx
from benchmarks.export_faults.editing import constant, insert_after, middle_convolution, node
from benchmarks.export_faults.fault import Fault

GAIN = 65504.0
"""The largest number of float16: activations over 1 exceed it."""


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensor = middle_convolution(model).output[0]
    scale, least, most = constant(model, GAIN), constant(model, -65504.0), constant(model, 65504.0)
    insert_after(
        model,
        tensor,
        lambda before, after: [
            node("Mul", [before, scale], f"{after}_large"),
            node("Clip", [f"{after}_large", least, most], f"{after}_back"),
            node("Div", [f"{after}_back", scale], after),
        ],
    )


FAULT = Fault(
    name="float16_saturation",
    description="One layer is held at the largest number of float16: finite, plausible, wrong.",
    seen="microsoft/onnxruntime#10079",
    change=change,
)
