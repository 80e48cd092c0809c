"""Fewer detections."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "detection", max_detections=2)


FAULT = Fault(
    name="most_detections",
    description="At most two detections of a picture are kept.",
    change=change,
)
