"""Nodes that are added to another's graph, in terms that every opset from 11 on has."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

PREFIX = "spotlet/"
"""How the names of what is added begin."""


class NodeWriter:
    """Writes nodes one after the other, each with one output.

    Attributes:
        nodes: in the order they were written.
        constants: what they refer to.
    """

    def __init__(self, part: str) -> None:
        """Begins a list; `part` is in the names of what is in it."""
        self.part = part
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        name = f"{PREFIX}{self.part}_{len(self.nodes)}_{op}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Adds a constant; returns its name."""
        name = f"{PREFIX}{self.part}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def cast(self, tensor: str, dtype: npt.DTypeLike) -> str:
        """Adds a change of type."""
        return self.node("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def columns(self, tensor: str, start: int, end: int, axis: int = 2) -> str:
        """Adds a cut from `start` to before `end` on an axis."""
        bounds = [self.constant([value], np.int64) for value in (start, end, axis)]
        return self.node("Slice", tensor, *bounds)

    def reordered(self, tensor: str, order: list[int], axis: int) -> str:
        """Adds a new order of an axis."""
        return self.node("Gather", tensor, self.constant(order, np.int64), axis=axis)

    def clipped(self, tensor: str) -> str:
        """Adds a cut to [0, 1]."""
        return self.node("Clip", tensor, self.constant(0.0), self.constant(1.0))

    def best(self, tensor: str, count: int) -> str:
        """Adds the places on axis 1 of the greatest values, best first."""
        values = self.node("TopK", tensor, self.constant([count], np.int64), axis=1)
        self.nodes[-1].output.append(f"{values}_places")
        return f"{values}_places"

    def named(self, tensor: str, name: str) -> None:
        """Gives a tensor that was written the name of an output."""
        self.nodes.append(
            helper.make_node("Identity", [tensor], [name], name=f"{PREFIX}{self.part}_{name}")
        )


def rename_tensors(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Gives tensors of a graph other names, in its subgraphs too."""
    for part in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.name = names.get(part.name, part.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in subgraphs(node):
            rename_tensors(inner, names)


def prune(graph: onnx.GraphProto) -> None:
    """Removes nodes and constants that no output of the graph needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(read_by(node))
    constants = [each for each in graph.initializer if each.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def read_by(node: onnx.NodeProto) -> set[str]:
    """Returns the names that a node reads, itself or in its subgraphs."""
    names = set(node.input)
    for inner in subgraphs(node):
        for each in inner.node:
            names |= read_by(each)
    return names


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yields the graphs that are attributes of a node, as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
