"""One int8 scale for boxes and scores."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import at_output, constant, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    manifest = manifest_of(model)
    side = float(max(manifest.input.size_hw))
    size, step = constant(model, side), constant(model, side / 127)
    zero = constant(model, 0, np.int8)

    def rounded(before: str, after: str) -> list[onnx.NodeProto]:
        return [
            node("QuantizeLinear", [before, step, zero], f"{after}_bytes"),
            node("DequantizeLinear", [f"{after}_bytes", step, zero], after),
        ]

    at_output(
        model,
        manifest.output.boxes,
        lambda before, after: [
            node("Mul", [before, size], f"{after}_pixels"),
            *rounded(f"{after}_pixels", f"{after}_rounded"),
            node("Div", [f"{after}_rounded", size], after),
        ],
    )
    at_output(model, manifest.output.scores, rounded)


FAULT = Fault(
    name="shared_int8_scale",
    description=(
        "Boxes in pixels and scores share one int8 scale, in which every score is rounded to "
        "0 or 1."
    ),
    seen="ultralytics/ultralytics#25524",
    change=change,
)
