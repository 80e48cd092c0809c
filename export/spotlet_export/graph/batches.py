"""Loosens the fixed batch of a graph, so that it may take any number of pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper, shape_inference

from spotlet_export.graph.dependence import Dependence

PREFIX = "loosened/"
"""Of the names of changed constants."""

ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where"})


def batch_of(graph: onnx.GraphProto, image: str) -> int:
    """Returns how many pictures an input must have; 1 if their number is free."""
    port = next(each for each in graph.input if each.name == image)
    return max(int(port.type.tensor_type.shape.dim[0].dim_value), 1)


def with_loose_batch(model: onnx.ModelProto, image: str, batch: int) -> onnx.ModelProto:
    """Returns a copy in which constants that repeat the batch do so no longer.

    The shapes to which the graph reshapes and expands say "the rest" or "as before" instead, and
    constants that are the same for every picture are there once. For the old batch the copy
    computes the same. Whether it computes the right things for another, only a comparison shows.

    Args:
        model: with sorted nodes; not changed. The declared inputs and outputs stay.
        image: the input with the pictures.
        batch: the fixed number of pictures, at least 2.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    pixels, sides = Dependence(graph, [image]).values, _first_sides(model)
    constants = _constants(graph)
    for number, node in enumerate(graph.node):
        for place, name in enumerate(node.input):
            if name not in constants or pixels.isdisjoint(node.input):
                continue
            value = numpy_helper.to_array(constants[name])
            whole = sides.get(node.input[0]) == batch
            loose = _loosened(node, place, value, batch, whole=whole)
            if loose is not None:
                node.input[place] = f"{PREFIX}{number}_{place}"
                graph.initializer.append(numpy_helper.from_array(loose, node.input[place]))
    return result


def _loosened(
    node: onnx.NodeProto, place: int, value: npt.NDArray[Any], batch: int, *, whole: bool
) -> npt.NDArray[Any] | None:
    """Returns what takes the place of a constant input; None if it stays.

    Args:
        node: that reads it.
        place: among its inputs.
        value: of the constant.
        batch: the number of pictures.
        whole: whether the node's first input has the batch as its first side.
    """
    if node.op_type in ELEMENTWISE:
        same = value.ndim > 2 and len(value) == batch and bool((value == value[:1]).all())
        return value[:1] if same else None
    if place != 1 or node.op_type not in ("Reshape", "Expand") or value.ndim != 1:
        return None
    if not len(value) or value[0] != batch:
        return None
    if node.op_type == "Expand":
        first = 1 if whole else None
    elif any(each.name == "allowzero" and each.i for each in node.attribute):
        first = None
    else:
        first = -1 if -1 not in value else 0 if whole else None
    return None if first is None else np.array([first, *value[1:]], value.dtype)


def _constants(graph: onnx.GraphProto) -> Mapping[str, onnx.TensorProto]:
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = attribute.t
    return constants


def _first_sides(model: onnx.ModelProto) -> dict[str, int]:
    """Returns the first side of each tensor, if it is known."""
    graph = shape_inference.infer_shapes(model).graph
    sides = {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        dims = info.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value"):
            sides[info.name] = dims[0].dim_value
    return sides
