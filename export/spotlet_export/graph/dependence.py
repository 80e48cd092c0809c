"""Which tensors of a graph depend on the pixels, and which on the size of the picture alone."""

from collections.abc import Iterable

import onnx

from spotlet_export.graph.editing import read_by, subgraphs

SHAPES_AS_VALUES = frozenset({"Shape", "Size"})

VALUES_AS_SHAPE = frozenset({"NonZero", "NonMaxSuppression", "Compress", "Unique"})
"""Operators whose output is as long as the values of their inputs say."""

SHAPE_INPUTS = {
    **{"Reshape": (1,), "Expand": (1,), "Tile": (1,), "Pad": (1, 3), "TopK": (1,), "OneHot": (1,)},
    **{"Slice": (1, 2, 3, 4), "Resize": (1, 2, 3), "Range": (0, 1, 2), "ConstantOfShape": (0,)},
    **{"Split": (1,), "CenterCropPad": (1,), "Upsample": (1,), "MaxUnpool": (2,)},
}
"""Inputs whose values set the shape of an output, by operator."""


class Dependence:
    """What depends on the pixels. If in doubt, a tensor does.

    Attributes:
        values: names of tensors whose values depend on them.
        shapes: names of tensors whose shape does.
    """

    def __init__(self, graph: onnx.GraphProto, inputs: Iterable[str]) -> None:
        """Follows the pixels from `inputs` through a graph. Precondition: it is sorted."""
        self.values = set(inputs)
        self.shapes: set[str] = set()
        self._follow(graph)

    def turns_vary(self, loop: onnx.NodeProto) -> bool:
        """Returns whether the number of a loop's turns depends on the pixels."""
        if not self.values.isdisjoint(loop.input[:2]):
            return True
        body = loop_body(loop)
        going_on, *made = (each.name for each in body.output)
        names = [each.name for each in body.input[2:]]
        carried = list(zip(names, loop.input[2:], made[: len(names)], strict=True))
        inside = Dependence(onnx.GraphProto(), self.values)
        inside.shapes |= self.shapes
        for _ in range(len(carried) + 1):  # what one turn passes on, the next one reads
            for name, *sources in carried:
                for tensors in (inside.values, inside.shapes):
                    if not tensors.isdisjoint(sources):
                        tensors.add(name)
            inside._follow(body)
        return going_on in inside.values

    def _follow(self, graph: onnx.GraphProto) -> None:
        for node in graph.node:
            read = read_by(node)
            values, shapes = (not read.isdisjoint(names) for names in (self.values, self.shapes))
            if node.op_type in SHAPES_AS_VALUES:
                values, shapes = shapes, False
            elif node.op_type in VALUES_AS_SHAPE or next(subgraphs(node), None) is not None:
                values = shapes = values or shapes
            else:
                sizes = SHAPE_INPUTS.get(node.op_type, ())
                shapes |= any(node.input[i] in self.values for i in sizes if i < len(node.input))
            if values or shapes:
                self.values.update(node.output)
            if shapes:
                self.shapes.update(node.output)


def loop_body(loop: onnx.NodeProto) -> onnx.GraphProto:
    """Returns the graph that a loop repeats."""
    body: onnx.GraphProto = next(each.g for each in loop.attribute if each.name == "body")
    return body
