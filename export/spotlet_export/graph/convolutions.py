"""The layers of any network that can be in eight bits: hidden convolutions and what follows them.

Another program's graph has its own activations, and may lack names. A convolution is hidden if
another one follows it: predictions, activations of the outputs and decoding stay in float.
"""

from collections import Counter
from collections.abc import Mapping

import onnx

FOLLOWING = (
    "Relu", "LeakyRelu", "Clip", "Sigmoid", "Mul", "Add", "Concat", "MaxPool", "AveragePool",
    "GlobalAveragePool", "Resize",
)  # fmt: skip
"""Operators between convolutions that have integer kernels."""

BARRIERS = ("Softmax", "TopK", "ArgMax", "NonMaxSuppression", "NonZero")
"""Behind these, a convolution does not continue the features: YOLOv8 decodes its boxes by one."""


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy whose nodes have unique names and whose constants are initializers."""
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    graph = prepared.graph
    kept = []
    for node in graph.node:
        values = [each.t for each in node.attribute if each.name == "value"]
        if node.op_type == "Constant" and values:
            values[0].name = node.output[0]
            graph.initializer.append(values[0])
        else:
            kept.append(node)
    del graph.node[:]
    times = Counter(node.name for node in kept)
    for number, node in enumerate(kept):
        if not node.name or times[node.name] > 1:
            node.name = f"#{number} {node.op_type}"
    graph.node.extend(kept)
    return prepared


def convolution_layers(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Returns the layers that can be quantised: for each its nodes, the convolution first.

    Precondition: `prepare` returned the model.

    Returns:
        By the name of the convolution's node, in the graph's order.
    """
    graph = model.graph
    weights = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    constants = {each.name for each in graph.initializer}
    continued = _continued(graph)
    layer_of: dict[str, str] = {}  # by tensor
    layers: dict[str, list[str]] = {}
    for node in graph.node:
        if not continued.get(node.name):
            continue
        if node.op_type == "Conv" and weights.issuperset(node.input[1:]):
            layers[node.name] = [node.name]
            layer_of[node.output[0]] = node.name
        elif node.op_type in FOLLOWING:
            given = [name for name in node.input if name and name not in constants]
            if given and all(name in layer_of for name in given):
                layer_of[node.output[0]] = layer_of[given[-1]]
                layers[layer_of[given[-1]]].append(node.name)
    return layers


def _continued(graph: onnx.GraphProto) -> Mapping[str, bool]:
    """Returns of each node, by name, whether a convolution reads its result or what follows."""
    reaches: dict[str, bool] = {}  # by tensor
    found = {}
    for node in reversed(graph.node):
        ahead = any(reaches.get(name, False) for name in node.output)
        found[node.name] = ahead
        onward = node.op_type == "Conv" or (ahead and node.op_type not in BARRIERS)
        for name in node.input:
            reaches[name] = reaches.get(name, False) or onward
    return found
