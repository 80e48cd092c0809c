"""Another overlap for suppression."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "detection", iou_threshold=0.9)


FAULT = Fault(
    name="nms_overlap",
    description="Suppression allows boxes of a class to overlap by 0.9.",
    change=change,
)
