"""No mean subtracted."""

import onnx
from benchmarks.export_faults.editing import normalisation, normalise_as
from benchmarks.export_faults.fault import Fault, NotApplicableError


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    mean, deviation = normalisation(model)
    if not mean.any():
        raise NotApplicableError("the network subtracts no mean")
    normalise_as(model, [0, 0, 0], deviation)


FAULT = Fault(
    name="mean_missing",
    description="The mean that the network expects to be subtracted is not.",
    seen="open-mmlab/mmdetection#8255",
    change=change,
)
