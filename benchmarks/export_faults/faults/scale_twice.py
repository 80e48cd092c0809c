"""Division by 255 in the graph and before it."""

import onnx
from benchmarks.export_faults.editing import change_pixels
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_pixels(model, 1 / 255, 0.0)


FAULT = Fault(
    name="scale_twice",
    description="The network gets pixels that were divided by 255 once too often.",
    seen="NJU-Jet/SR_Mobile_Quantization#14",
    change=change,
)
