"""Black borders."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    change_manifest(model, "input", pad_value=0)


FAULT = Fault(
    name="pad_value",
    description="The letterbox has black borders where the network was trained with grey ones.",
    change=change,
)
