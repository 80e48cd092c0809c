"""No sigmoid."""

import onnx
from benchmarks.export_faults.editing import logits
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    logits(model)


FAULT = Fault(
    name="activation_missing",
    description="Scores are left as logits.",
    seen="RangiLyu/nanodet#583",
    change=change,
)
