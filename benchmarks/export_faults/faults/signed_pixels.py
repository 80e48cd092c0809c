"""Bytes read as signed."""

import onnx
from benchmarks.export_faults.editing import constant, float_pixels, insert_after, node
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    tensor, _ = float_pixels(model)
    half, whole, zero = (constant(model, value) for value in (127.5, 256.0, 0.0))
    insert_after(
        model,
        tensor,
        lambda before, after: [
            node("Greater", [before, half], f"{after}_bright"),
            node("Where", [f"{after}_bright", whole, zero], f"{after}_wrap"),
            node("Sub", [before, f"{after}_wrap"], after),
        ],
    )


FAULT = Fault(
    name="signed_pixels",
    description="Pixels of 128 and more become negative, as unsigned bytes read as signed do.",
    change=change,
)
