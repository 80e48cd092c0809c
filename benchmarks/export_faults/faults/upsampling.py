"""Another upsampling."""

import onnx
from benchmarks.export_faults.fault import Fault, NotApplicableError
from onnx import helper


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    found = [each for each in model.graph.node if each.op_type == "Resize"]
    if not found:
        raise NotApplicableError("nothing is enlarged")
    for each in found:
        del each.attribute[:]
        modes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        each.attribute.extend(helper.make_attribute(*item) for item in modes.items())


FAULT = Fault(
    name="upsampling",
    description="The pyramid enlarges its levels bilinearly where the network repeats cells.",
    seen="microsoft/onnxruntime#1179, NVIDIA/TensorRT#273",
    change=change,
)
