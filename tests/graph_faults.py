"""Faults to plant in a graph, as exporters have had them."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def _weight(model: onnx.ModelProto) -> onnx.TensorProto:
    found: onnx.TensorProto = next(t for t in model.graph.initializer if len(t.dims) == 4)
    return found


def perturb_one_weight(model: onnx.ModelProto) -> None:
    tensor = _weight(model)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[5] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def round_weights_to_float16(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def swap_colour_order(model: onnx.ModelProto) -> None:
    """Feeds the network RGB, as an exporter that also converts colours would."""
    indices = numpy_helper.from_array(np.array([2, 1, 0], np.int64), "rgb_order")
    model.graph.initializer.append(indices)
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            if name == "image":
                node.input[position] = "image_rgb"
    model.graph.node.insert(
        0, helper.make_node("Gather", ["image", "rgb_order"], ["image_rgb"], axis=3)
    )


def drop_an_activation(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"


def _replace_output(model: onnx.ModelProto, output: str, order: list[int]) -> None:
    for node in model.graph.node:
        for position, name in enumerate(node.output):
            if name == output:
                node.output[position] = f"{output}_before"
    indices = numpy_helper.from_array(np.array(order, np.int64), f"{output}_order")
    model.graph.initializer.append(indices)
    model.graph.node.append(
        helper.make_node("Gather", [f"{output}_before", f"{output}_order"], [output], axis=2)
    )


def transpose_boxes(model: onnx.ModelProto) -> None:
    _replace_output(model, "boxes", [1, 0, 3, 2])


def swap_the_classes(model: onnx.ModelProto) -> None:
    _replace_output(model, "scores", [1, 0])


def drop_the_scores(model: onnx.ModelProto) -> None:
    """Makes every score zero, as one scale for pixels and scores does."""
    for node in model.graph.node:
        if "scores" in node.output:
            node.output[list(node.output).index("scores")] = "scores_before"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    model.graph.node.append(helper.make_node("Mul", ["scores_before", "nothing"], ["scores"]))


def mix_up_the_batch(model: onnx.ModelProto) -> None:
    """Gives every canvas of a batch the scores of the first."""
    for node in model.graph.node:
        if "scores" in node.output:
            node.output[list(node.output).index("scores")] = "scores_before"
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first_canvas")
    model.graph.initializer.append(first)
    nodes = [
        helper.make_node("Gather", ["scores_before", "first_canvas"], ["scores_first"], axis=0),
        helper.make_node("Shape", ["scores_before"], ["scores_shape"]),
        helper.make_node("Expand", ["scores_first", "scores_shape"], ["scores"]),
    ]
    model.graph.node.extend(nodes)
