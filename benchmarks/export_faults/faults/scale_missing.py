"""No division by 255."""

import onnx
from benchmarks.export_faults.editing import change_pixels
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_pixels(model, 255.0, 0.0)


FAULT = Fault(
    name="scale_missing",
    description="The network gets pixels 255 times too large, as if nobody had divided by 255.",
    seen="deepinsight/insightface#2508, Deci-AI/super-gradients#1108",
    change=change,
)
