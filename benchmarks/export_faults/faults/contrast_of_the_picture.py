"""Division by the brightest pixel."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import constant, float_pixels, insert_after, node
from benchmarks.export_faults.fault import Fault
from onnx import helper


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensor, _ = float_pixels(model)
    one, white = constant(model, [1], np.int64), constant(model, 255.0)
    as_picture = constant(model, [-1, 1, 1, 1], np.int64)
    insert_after(
        model,
        tensor,
        lambda before, after: [
            node("Flatten", [before], f"{after}_flat", axis=1),
            helper.make_node("TopK", [f"{after}_flat", one], [f"{after}_most", f"{after}_where"]),
            node("Reshape", [f"{after}_most", as_picture], f"{after}_brightest"),
            node("Div", [before, f"{after}_brightest"], f"{after}_unit"),
            node("Mul", [f"{after}_unit", white], after),
        ],
    )


FAULT = Fault(
    name="contrast_of_the_picture",
    description=(
        "Pixels are divided by the brightest one of the picture, which only shows on dark pictures."
    ),
    change=change,
)
