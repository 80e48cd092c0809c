"""The picture in the corner."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "input", resize="letterbox_corner")


FAULT = Fault(
    name="corner_letterbox",
    description="The picture lies in the top left corner of the letterbox, not in its centre.",
    change=change,
)
