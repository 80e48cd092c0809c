"""Padding on one side."""

import onnx
from benchmarks.export_faults.fault import Fault, NotApplicableError


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    found = 0
    for each in model.graph.node:
        attributes = {item.name: item for item in each.attribute}
        if (
            each.op_type == "Conv"
            and list(attributes["strides"].ints if "strides" in attributes else ()) == [2, 2]
            and list(attributes["pads"].ints if "pads" in attributes else ()) == [1, 1, 1, 1]
        ):
            attributes["pads"].ints[:] = [0, 0, 1, 1]
            found += 1
    if not found:
        raise NotApplicableError("no padded convolution of stride 2")


FAULT = Fault(
    name="same_padding",
    description="Convolutions of stride 2 pad right and below only, as TensorFlow does.",
    seen="taehoonlee/tensornets#25, pytorch/pytorch#67551",
    change=change,
)
