"""Stretched pictures."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "input", resize="stretch")


FAULT = Fault(
    name="stretch",
    description=(
        "Pictures are stretched to the canvas where the network was trained on letterboxed ones."
    ),
    seen="ultralytics/yolov5#12450, AlexeyAB/darknet#3478",
    change=change,
)
