"""Puts convolutions before a network of `foreign_networks`: each mixes a pixel's three colours."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Matrix = npt.NDArray[np.float64]

SAME = np.eye(3)
PURE = 2 * np.eye(3) - 1
"""Of a colour what is left without the two others: no drawing is as pure as a test's frame."""


def with_convolutions(model: onnx.ModelProto, *mixes: Matrix, bias: float = 0.0) -> onnx.ModelProto:
    """Returns the network behind convolutions of 1x1, each followed by a ReLU.

    Args:
        model: takes float32 (N, 3, H, W); is changed.
        mixes: (3, 3) of each convolution.
        bias: is added by the first and taken away by the second.
    """
    graph = model.graph
    image = graph.input[0].name
    tensor, nodes = image, []
    for number, mix in enumerate(mixes):
        values = {
            "weight": np.float32(mix).reshape(3, 3, 1, 1),
            "bias": np.full(3, {0: bias, 1: -bias}.get(number, 0.0), np.float32),
        }
        names = [f"mix{number}.{part}" for part in values]
        graph.initializer.extend(
            numpy_helper.from_array(value, name)
            for name, value in zip(names, values.values(), strict=True)
        )
        nodes.append(helper.make_node("Conv", [tensor, *names], [f"mixed{number}"]))
        tensor = f"rectified{number}"
        nodes.append(helper.make_node("Relu", [f"mixed{number}"], [tensor]))
    for node in graph.node:
        node.input[:] = [tensor if name == image else name for name in node.input]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    return model
