"""Control: optimised by onnxruntime."""

import tempfile
from pathlib import Path

import onnx
from benchmarks.export_faults.fault import Fault
from onnx import helper

import spotlet  # noqa: F401

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(file)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        texts = {item.key: item.value for item in model.metadata_props}
        model.CopyFrom(onnx.load(file))
    helper.set_model_props(model, texts)


FAULT = Fault(
    name="optimised_graph",
    description="The graph as onnxruntime's basic optimisations leave it.",
    kind="control",
    change=change,
)
