"""Control: other names inside."""

import onnx
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.editing import rename_tensors


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    graph = model.graph
    outside = {each.name for each in (*graph.input, *graph.output)}
    inside = {name for each in graph.node for name in (*each.input, *each.output) if name}
    rename_tensors(graph, {name: f"renamed_{name}" for name in inside - outside})


FAULT = Fault(
    name="renamed_tensors",
    description="All tensors inside the graph have other names.",
    kind="control",
    change=change,
)
