"""Control: a newer operator set."""

import onnx
from benchmarks.export_faults.fault import Fault
from onnx import helper, version_converter

OPSET = 20
"""Which the oldest supported onnxruntime can read."""


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    texts = {item.key: item.value for item in model.metadata_props}
    newer = max(OPSET, model.opset_import[0].version)
    model.CopyFrom(version_converter.convert_version(model, newer))
    helper.set_model_props(model, texts)


FAULT = Fault(
    name="newer_opset",
    description="The graph is converted to a newer operator set.",
    kind="control",
    change=change,
)
