"""Channels-last bytes read as channels-first."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import constant, insert_after, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    height, width = manifest_of(model).input.size_hw
    planes = constant(model, [0, 3, height, width], np.int64)
    insert_after(
        model,
        manifest_of(model).input.name,
        lambda before, after: [
            node("Reshape", [before, planes], f"{after}_planes"),
            node("Transpose", [f"{after}_planes"], after, perm=[0, 2, 3, 1]),
        ],
    )


FAULT = Fault(
    name="layout",
    description="The bytes of (height, width, channel) are read as (channel, height, width).",
    change=change,
)
