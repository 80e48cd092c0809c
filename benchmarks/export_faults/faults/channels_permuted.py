"""Control: hidden channels in another order."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import change_tensor
from benchmarks.export_faults.fault import Fault, NotApplicableError


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensors = {each.name: each for each in model.graph.initializer}
    convolutions = [each for each in model.graph.node if each.op_type == "Conv"]
    first = convolutions[0]
    readers = [each for each in model.graph.node if first.output[0] in each.input]
    if [each.op_type for each in readers] == ["Relu"]:
        readers = [each for each in model.graph.node if readers[0].output[0] in each.input]
    if [each.op_type for each in readers] != ["Conv"] or any(
        a.name == "group" and a.i != 1 for a in readers[0].attribute
    ):
        raise NotApplicableError("the first convolution is not followed by another")
    order = np.random.default_rng(0).permutation(tensors[first.input[1]].dims[0])
    for name in first.input[1:]:
        change_tensor(tensors[name], lambda values: values[order])
    change_tensor(tensors[readers[0].input[1]], lambda values: values[:, order])


FAULT = Fault(
    name="channels_permuted",
    description="The first convolution's channels are in another order, as the next expects.",
    kind="control",
    change=change,
)
