"""Unrolls the loops of a graph that always take the same number of turns.

Exporters of TensorFlow write a loop over the pictures of a batch; with one picture it takes one
turn. onnxruntime would follow a loop as long as the file says, so Spotlet's runtime loads none.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spotlet_export.graph.dependence import loop_body
from spotlet_export.graph.editing import rename_tensors
from spotlet_export.graph.opsets import opset_of

PREFIX = "unrolled/"
"""Of the names of added tensors."""

AXES_AS_INPUT = 13
"""From this opset on, Unsqueeze takes its axes as an input."""


def turn_counter(model: onnx.ModelProto, place: int) -> tuple[onnx.ModelProto, str]:
    """Returns a copy with one output, which has as many elements as a loop takes turns.

    Args:
        model: not changed.
        place: of the loop among the nodes of its graph.

    Returns:
        The copy, and the name of that output.
    """
    counting = onnx.ModelProto()
    counting.CopyFrom(model)
    loop = counting.graph.node[place]
    body, name = loop_body(loop), f"{PREFIX}turns"
    shape = helper.make_node("Shape", [body.output[0].name], [f"{name}/shape"])
    rank = helper.make_node("Size", shape.output, [f"{name}/rank"])
    body.node.extend([shape, rank])
    body.output.append(helper.make_tensor_value_info(rank.output[0], onnx.TensorProto.INT64, []))
    loop.output.append(name)
    del counting.graph.output[:]
    counting.graph.output.append(helper.make_empty_tensor_value_info(name))
    return counting, name


def unroll(model: onnx.ModelProto, place: int, turns: int) -> None:
    """Puts the nodes of a loop's turns in its place.

    Args:
        model: is changed.
        place: of the loop among the nodes of its graph.
        turns: that it takes, at least 1.
    """
    whole = list(model.graph.node)
    loop = whole[place]
    nodes, rows, state = list[onnx.NodeProto](), list[list[str]](), list(loop.input[2:])
    prefix = f"{PREFIX}{next(name for name in loop.output if name)}/"
    axis = f"{prefix}axis"
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), axis))
    for turn in range(turns):
        made, results = _turn(model.graph, loop_body(loop), state, f"{prefix}{turn}/", turn)
        nodes += made
        state, scans = results[: len(state)], results[len(state) :]
        rows.append([f"{prefix}{turn}/row_{number}" for number in range(len(scans))])
        for scan, row in zip(scans, rows[-1], strict=True):
            if opset_of(model) >= AXES_AS_INPUT:
                nodes.append(helper.make_node("Unsqueeze", [scan, axis], [row]))
            else:
                nodes.append(helper.make_node("Unsqueeze", [scan], [row], axes=[0]))
    for made, name in zip(state, loop.output, strict=False):
        if name:
            nodes.append(helper.make_node("Identity", [made], [name]))
    for parts, name in zip(zip(*rows, strict=True), loop.output[len(state) :], strict=False):
        if name:
            nodes.append(helper.make_node("Concat", parts, [name], axis=0))
    del model.graph.node[:]
    model.graph.node.extend([*whole[:place], *nodes, *whole[place + 1 :]])


def _turn(
    graph: onnx.GraphProto, body: onnx.GraphProto, state: Sequence[str], prefix: str, turn: int
) -> tuple[list[onnx.NodeProto], list[str]]:
    """Adds the constants of one turn; returns its nodes, and the names of its results."""
    inner = onnx.GraphProto()
    inner.CopyFrom(body)
    own = [each.name for each in inner.initializer]
    own += [name for node in inner.node for name in node.output if name]
    names = {name: prefix + name for name in own}
    number, going_on, *carried = inner.input
    rank = len(number.type.tensor_type.shape.dim)
    for port, value in ((number, np.full((1,) * rank, turn, np.int64)), (going_on, np.array(True))):
        names[port.name] = f"{prefix}{port.name}"
        graph.initializer.append(numpy_helper.from_array(value, names[port.name]))
    names |= {port.name: name for port, name in zip(carried, state, strict=True)}
    rename_tensors(inner, names)
    for node in inner.node:
        node.name = f"{prefix}{node.name}" if node.name else ""
    graph.initializer.extend(inner.initializer)
    return list(inner.node), [each.name for each in inner.output[1:]]
