"""Low scores lost."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    least, zero = constant(model, 0.3), constant(model, 0.0)
    at_output(
        model,
        manifest_of(model).output.scores,
        lambda before, after: [
            node("Less", [before, least], f"{after}_low"),
            node("Where", [f"{after}_low", zero, before], after),
        ],
    )


FAULT = Fault(
    name="low_scores_cut",
    description="Scores below 0.3 are zero, as with a threshold left in the graph.",
    change=change,
)
