"""Another score threshold."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "detection", score_threshold=0.9)


FAULT = Fault(
    name="score_threshold",
    description="Detections of a score below 0.9 are dropped.",
    change=change,
)
