"""Centre and size for corners."""

import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    to_centre = [[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]]
    matrix = constant(model, to_centre)
    at_output(
        model,
        manifest_of(model).output.boxes,
        lambda before, after: [node("MatMul", [before, matrix], after)],
    )


FAULT = Fault(
    name="centre_and_size",
    description="Boxes are centre, width and height where corners are expected.",
    seen="open-mmlab/mmyolo#844, ultralytics/ultralytics#14774",
    change=change,
)
