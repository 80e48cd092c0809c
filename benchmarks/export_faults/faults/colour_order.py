"""Red and blue exchanged."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import constant, insert_after, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    order = constant(model, [2, 1, 0], np.int64)
    insert_after(
        model,
        manifest_of(model).input.name,
        lambda before, after: [node("Gather", [before, order], after, axis=3)],
    )


FAULT = Fault(
    name="colour_order",
    description="The network gets RGB where it was trained on BGR.",
    seen="CondadosAI/modern-yolonas#7, open-mmlab/mmdetection#4777",
    change=change,
)
