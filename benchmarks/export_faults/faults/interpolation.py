"""Nearest pixels."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "input", interpolation="nearest")


FAULT = Fault(
    name="interpolation",
    description="Pictures are resized by taking the nearest pixel.",
    change=change,
)
