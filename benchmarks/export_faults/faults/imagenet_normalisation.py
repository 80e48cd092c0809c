"""Mean and deviation of ImageNet."""

import onnx
from benchmarks.export_faults.editing import normalise_as
from benchmarks.export_faults.fault import Fault


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    normalise_as(model, [103.53, 116.28, 123.675], [57.375, 57.12, 58.395])


FAULT = Fault(
    name="imagenet_normalisation",
    description=(
        "The pixels are normalised by the mean and deviation of ImageNet, not by the network's own."
    ),
    seen="open-mmlab/mmdetection#3491",
    change=change,
)
