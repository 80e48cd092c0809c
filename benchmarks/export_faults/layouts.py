"""A detector in the layout that another tool reads: float RGB pictures in, rows of a YOLO out."""

import numpy as np
import onnx
from benchmarks.export_faults.editing import constant, node
from onnx import TensorProto, helper

from spotlet_export.graph.editing import sort_nodes
from spotlet_export.graph.suppression import manifest_of


def with_float_pictures(model: onnx.ModelProto, batch: int | str = "batch") -> onnx.ModelProto:
    """Returns the detector with the input `images`, float32 (N, 3, H, W), RGB in [0, 1].

    Nodes before the graph turn it into the bytes that the graph reads, so a fault in the graph
    stays what it is.
    """
    other = onnx.ModelProto()
    other.CopyFrom(model)
    rule = manifest_of(model).input
    white, order = constant(other, 255.0), constant(other, [2, 1, 0], np.int64)
    other.graph.node.extend(
        [
            node("Mul", ["images", white], "images_scaled"),
            node("Round", ["images_scaled"], "images_whole"),
            node("Cast", ["images_whole"], "images_bytes", to=TensorProto.UINT8),
            node("Transpose", ["images_bytes"], "images_last", perm=[0, 2, 3, 1]),
            node("Gather", ["images_last", order], rule.name, axis=3),
        ]
    )
    del other.graph.input[:]
    shape = [batch, 3, *rule.size_hw]
    other.graph.input.append(helper.make_tensor_value_info("images", TensorProto.FLOAT, shape))
    del other.graph.value_info[:]
    sort_nodes(other.graph)
    return other


def as_yolo(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the detector as Ultralytics reads one: `output0` float32 (1, 4 + C, K).

    Rows are centre x, centre y, width and height in pixels of the canvas, then the scores.
    Source: docs.ultralytics.com, the layout of an exported detector before suppression, and the
    metadata of its ONNX files.
    """
    manifest = manifest_of(model)
    other = with_float_pictures(model, 1)
    height, width = manifest.input.size_hw
    to_centre = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])
    matrix = constant(other, to_centre * [width, height, width, height])
    boxes, scores = manifest.output.boxes, manifest.output.scores
    other.graph.node.extend(
        [
            node("MatMul", [boxes, matrix], "rows_boxes"),
            node("Concat", ["rows_boxes", scores], "rows", axis=2),
            node("Transpose", ["rows"], "output0", perm=[0, 2, 1]),
        ]
    )
    cells = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    shape = [1, 4 + len(manifest.classes), cells]
    del other.graph.output[:]
    other.graph.output.append(helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape))
    metadata = {
        "task": "detect", "stride": 32, "batch": 1, "imgsz": [height, width], "channels": 3,
        "names": dict(enumerate(manifest.classes)), "end2end": False,
    }  # fmt: skip
    helper.set_model_props(other, {key: str(value) for key, value in metadata.items()})
    return other
