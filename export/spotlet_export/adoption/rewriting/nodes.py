"""Writes the nodes that are added to a graph, with operators that every opset from 11 on has."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

PREFIX = "spotlet/"
"""Of the names of added nodes, tensors and constants."""


class NodeWriter:
    """Writes nodes one after the other; each method returns the name of its output tensor.

    Attributes:
        nodes: in the order in which they were written.
        constants: what they refer to.
    """

    def __init__(self, part: str) -> None:
        """Starts with no nodes; `part` is in the names of all that are added."""
        self.part = part
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output."""
        name = f"{PREFIX}{self.part}_{len(self.nodes)}_{op}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Adds a constant."""
        name = f"{PREFIX}{self.part}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def cast(self, tensor: str, dtype: npt.DTypeLike) -> str:
        """Adds a conversion to another type."""
        return self.node("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def columns(self, tensor: str, start: int, end: int, axis: int = 2) -> str:
        """Adds a slice of an axis, from `start` to before `end`."""
        bounds = [self.constant([value], np.int64) for value in (start, end, axis)]
        return self.node("Slice", tensor, *bounds)

    def reordered(self, tensor: str, order: list[int], axis: int) -> str:
        """Adds a reordering of an axis."""
        return self.node("Gather", tensor, self.constant(order, np.int64), axis=axis)

    def clipped(self, tensor: str) -> str:
        """Adds a clip to [0, 1]."""
        return self.node("Clip", tensor, self.constant(0.0), self.constant(1.0))

    def best(self, tensor: str, count: int) -> str:
        """Adds the indices on axis 1 of the greatest values, best first."""
        values = self.node("TopK", tensor, self.constant([count], np.int64), axis=1)
        self.nodes[-1].output.append(f"{values}_places")
        return f"{values}_places"

    def named(self, tensor: str, name: str) -> None:
        """Adds a copy of a tensor under the name of an output."""
        self.nodes.append(
            helper.make_node("Identity", [tensor], [name], name=f"{PREFIX}{self.part}_{name}")
        )
