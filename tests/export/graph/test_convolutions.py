"""Which layers of another program's graph can be in eight bits."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spotlet_export.graph.convolutions import convolution_layers, prepare


def graph_of(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Returns a model whose convolutions have constant weights."""
    weights = {node.input[1] for node in nodes if node.op_type == "Conv" and "w" in node.input[1]}
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    constants = [
        numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), name) for name in sorted(weights)
    ]
    graph = helper.make_graph(list(nodes), "graph", [image], [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def layers_of(model: onnx.ModelProto) -> list[list[str]]:
    """Returns the kinds of nodes in each layer."""
    prepared = prepare(model)
    kinds = {node.name: node.op_type for node in prepared.graph.node}
    return [[kinds[name] for name in names] for names in convolution_layers(prepared).values()]


def test_a_layer_is_a_convolution_and_what_follows_it_up_to_the_next() -> None:
    node = helper.make_node
    model = graph_of(
        node("Conv", ["image", "w0"], ["a"]),
        node("Sigmoid", ["a"], ["b"]),
        node("Mul", ["a", "b"], ["c"]),
        node("Conv", ["c", "w1"], ["d"]),
        node("Tanh", ["d"], ["e"]),
        node("Add", ["e", "c"], ["f"]),
        node("Conv", ["f", "w2"], ["g"]),
    )
    # The last predicts; of Tanh there is no integer kernel, so the sum after it stays in float.
    assert layers_of(model) == [["Conv", "Sigmoid", "Mul"], ["Conv"]]


def test_a_convolution_that_decodes_boxes_hides_none_before_the_softmax() -> None:
    node = helper.make_node
    model = graph_of(
        node("Conv", ["image", "w0"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w1"], ["c"]),
        node("Softmax", ["c"], ["d"], axis=1),
        node("Conv", ["d", "w2"], ["e"]),
    )
    assert layers_of(model) == [["Conv", "Relu"]]


def test_nodes_get_unique_names_and_constants_become_weights() -> None:
    node = helper.make_node
    values = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32))
    model = graph_of(
        node("Constant", [], ["made"], name="same", value=values),
        node("Conv", ["image", "made"], ["a"], name="same"),
        node("Conv", ["a", "w1"], ["b"], name="same"),
    )
    prepared = prepare(model)
    names = [node.name for node in prepared.graph.node]
    assert len(set(names)) == len(names) == 2
    assert {each.name for each in prepared.graph.initializer} == {"made", "w1"}
    assert layers_of(model) == [["Conv"]]
    assert [node.name for node in model.graph.node] == ["same"] * 3


def test_a_convolution_with_computed_weights_stays_in_float() -> None:
    node = helper.make_node
    model = graph_of(
        node("Conv", ["image", "image"], ["a"]),
        node("Conv", ["a", "w1"], ["b"]),
        node("Conv", ["b", "w2"], ["c"]),
    )
    assert layers_of(model) == [["Conv"]]
