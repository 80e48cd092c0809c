"""No division by the deviation."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import normalisation, normalise_as
from benchmarks.export_faults.fault import Fault, NotApplicableError


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    mean, deviation = normalisation(model)
    if not mean.any():
        raise NotApplicableError("the network subtracts no mean")
    normalise_as(model, mean, np.full_like(deviation, 255))


FAULT = Fault(
    name="deviation_missing",
    description=(
        "The mean is subtracted on the scale of 0 to 1, but nothing is divided by the deviation."
    ),
    seen="open-mmlab/mmdeploy#421",
    change=change,
)
