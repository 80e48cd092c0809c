"""Control: constants as nodes."""

import onnx
from benchmarks.export_faults.fault import Fault
from onnx import helper


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    constants = [
        helper.make_node("Constant", [], [each.name], value=each)
        for each in model.graph.initializer
    ]
    nodes = [*constants, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)


FAULT = Fault(
    name="constants_as_nodes",
    description="The weights are outputs of Constant nodes, not initialisers.",
    kind="control",
    change=change,
)
