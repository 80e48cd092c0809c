"""Half the pixels."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import constant, insert_after, node
from benchmarks.export_faults.fault import Fault

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    height, width = manifest_of(model).input.size_hw
    rows, columns = (
        constant(model, np.arange(side) // 2 * 2, np.int64) for side in (height, width)
    )
    insert_after(
        model,
        manifest_of(model).input.name,
        lambda before, after: [
            node("Gather", [before, rows], f"{after}_rows", axis=1),
            node("Gather", [f"{after}_rows", columns], after, axis=2),
        ],
    )


FAULT = Fault(
    name="half_resolution",
    description=(
        "The picture was reduced to half its size and enlarged again before the network sees it."
    ),
    change=change,
)
