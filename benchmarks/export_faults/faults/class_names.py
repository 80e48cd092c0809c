"""Names in another order."""

import onnx
from benchmarks.export_faults.editing import change_manifest
from benchmarks.export_faults.fault import Fault, NotApplicableError

from spotlet_export.graph.suppression import manifest_of


def change(model: onnx.ModelProto) -> None:
    """Plants it."""
    names = tuple(sorted(manifest_of(model).classes))
    if names == manifest_of(model).classes:
        names = names[::-1]
    if len(names) < 2:
        raise NotApplicableError("one class has no order")
    change_manifest(model, "", classes=names)


FAULT = Fault(
    name="class_names",
    description="The names are sorted by the alphabet, the classes are not.",
    seen="ultralytics/yolov5#7749",
    change=change,
)
