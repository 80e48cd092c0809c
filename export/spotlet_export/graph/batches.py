"""Loosens the fixed batch of a graph, so that it may take any number of pictures."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, shape_inference

from spotlet_export.graph.dependence import Dependence
from spotlet_export.graph.editing import read_by, rename_in_node

PREFIX = "loosened/"
"""Of the names of added constants and tensors."""

ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where"})


def batch_of(graph: onnx.GraphProto, image: str) -> int:
    """Returns how many pictures an input must have; 1 if their number is free."""
    port = next(each for each in graph.input if each.name == image)
    return max(int(port.type.tensor_type.shape.dim[0].dim_value), 1)


def with_loose_batch(
    model: onnx.ModelProto, image: str, batch: int, until: int | None = None
) -> onnx.ModelProto:
    """Returns a copy in which constants that repeat the batch do so no longer.

    The shapes to which the graph reshapes and expands say "the rest" or "as before" instead, and
    constants that are the same for every picture are there once. For the old batch the copy
    computes the same. Whether it computes the right things for another, only a comparison shows.

    Args:
        model: with sorted nodes; not changed. The declared inputs and outputs stay.
        image: the input with the pictures.
        batch: the fixed number of pictures, at least 2.
        until: the place of the last node that changes; None for all.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    pixels, sides = Dependence(graph, [image]).values, _first_sides(model)
    constants = _constants(graph)
    for number, node in enumerate(graph.node[: None if until is None else until + 1]):
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


def with_late_copies(model: onnx.ModelProto, image: str, batch: int, place: int) -> onnx.ModelProto:
    """Returns a copy with a loose batch up to a node, whose one result is repeated for the rest.

    Args:
        model: with sorted nodes; not changed.
        image: the input with the pictures.
        batch: the fixed number of pictures, at least 2.
        place: of the node, one of `narrow_places`.
    """
    result = with_loose_batch(model, image, batch, until=place)
    nodes = list(result.graph.node)
    name = nodes[place].output[0]
    for node in nodes[place + 1 :]:
        rename_in_node(node, {name: f"{PREFIX}copies"})
    copies = helper.make_node("Concat", [name] * batch, [f"{PREFIX}copies"], axis=0)
    result.graph.node.insert(place + 1, copies)
    return result


def narrow_places(model: onnx.ModelProto, image: str, outputs: Collection[str]) -> list[int]:
    """Returns the places of the nodes whose one result is all that the rest knows of the pixels.

    Args:
        model: with sorted nodes.
        image: the input with the pictures.
        outputs: of the graph, that are used.
    """
    nodes = list(model.graph.node)
    pixels = Dependence(model.graph, [image]).values
    last_use = dict.fromkeys(outputs, len(nodes))
    for place in range(len(nodes) - 1, -1, -1):
        for name in read_by(nodes[place]) & pixels:
            last_use.setdefault(name, place)
    places, alive = [], {image}
    for place, node in enumerate(nodes):
        made = {name for name in node.output if name in pixels and name in last_use}
        alive = {name for name in alive | made if last_use.get(name, 0) > place}
        if made == alive == {node.output[0]}:
            places.append(place)
    return places


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
