"""Copies of an ONNX file that compute otherwise: from other pixels, in another precision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet.postprocess import cells_from_detections
from spotlet_export.adoption.proof import HALF_TYPES
from spotlet_export.graph.editing import subgraphs

LARGEST_HALF = float(np.finfo(np.float16).max)
"""65504: what is larger becomes infinite in float16."""

LARGEST_FLOAT = float(np.finfo(np.float32).max)

ANY_SIZE = ("Clip", "Min", "Max")
"""Operators that may hold a number back to what float16 can express."""


class GraphSession:
    """A changed copy of a model file on onnxruntime's CPU: canvases in, cells out."""

    def __init__(self, model: onnx.ModelProto, manifest: Manifest) -> None:
        """Loads a copy.

        Args:
            model: from `with_float_input`, or as it was.
            manifest: of the file.
        """
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._manifest = manifest
        rule = manifest.output
        self._names = [rule.boxes, rule.scores]
        if rule.form == "detections":
            self._names += [rule.class_ids, rule.count]
        wanted = self._session.get_inputs()[0].type
        self._dtype: Any = np.uint8 if wanted == "tensor(uint8)" else np.float32

    def run(self, canvas: ImageArray | FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns boxes (K, 4) and scores (K, C) for a canvas (H, W, 3), BGR."""
        boxes, scores, *found = self.values(canvas, self._names)
        if found:
            class_ids, count = found
            scores = cells_from_detections(scores, class_ids, count, len(self._manifest.classes))
        return boxes[0], scores[0]

    def values(self, canvas: ImageArray | FloatArray, names: Sequence[str]) -> list[Any]:
        """Returns outputs of the graph for a canvas (H, W, 3), by name."""
        feeds = {self._manifest.input.name: canvas[np.newaxis].astype(self._dtype)}
        found: list[Any] = self._session.run(list(names), feeds)
        return found


def with_float_input(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Returns a copy whose canvas is float32, so that its pixels need not be bytes.

    Args:
        model: not changed.
        name: of the input, uint8.
    """
    changed = _copy(model)
    for each in changed.graph.input:
        if each.name == name:
            each.type.tensor_type.elem_type = TensorProto.FLOAT
    del changed.graph.value_info[:]  # the types of what is computed from it
    return changed


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Returns a copy that computes in float32 what the file computes in 16 bits.

    Numbers that are held back to what float16 can express are set free.

    Returns:
        None if the file does neither.
    """
    changed = _copy(model)
    found = _widen(changed.graph)
    del changed.graph.value_info[:]
    return changed if found else None


def in_16_bits(model: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """Returns a copy in which every weight and result passes through 16 bits.

    onnxruntime's CPU lacks most operators in 16 bits; so each computes in float32, and what it
    reads and returns is rounded, or becomes infinite, as on hardware that stores 16 bits.

    Args:
        model: not changed.
        kind: one of `HALF_TYPES`.
    """
    changed = onnx.shape_inference.infer_shapes(_copy(model))
    graph = changed.graph
    floats = {
        each.name
        for each in (*graph.value_info, *graph.output)
        if each.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    weights = {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    nodes = [node for name in sorted(weights) for node in _rounding(name, f"{name}/16", kind)]
    for node in graph.node:
        node.input[:] = [f"{name}/16" if name in weights else name for name in node.input]
        results = [name for name in node.output if name in floats and node.op_type != "Constant"]
        node.output[:] = [f"{name}/exact" if name in results else name for name in node.output]
        nodes.append(node)
        nodes += [each for name in results for each in _rounding(f"{name}/exact", name, kind)]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return changed


def _rounding(name: str, rounded: str, kind: int) -> list[onnx.NodeProto]:
    half = f"{rounded}/half"
    return [
        helper.make_node("Cast", [name], [half], to=kind),
        helper.make_node("Cast", [half], [rounded], to=TensorProto.FLOAT),
    ]


def _widen(graph: onnx.GraphProto) -> bool:
    found = False
    for each in (*graph.input, *graph.output, *graph.value_info):
        if each.type.tensor_type.elem_type in HALF_TYPES:
            each.type.tensor_type.elem_type = TensorProto.FLOAT
            found = True
    read = {name for node in graph.node if node.op_type in ANY_SIZE for name in node.input}
    for tensor in graph.initializer:
        found |= _widen_tensor(tensor, held_back=tensor.name in read)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in HALF_TYPES:
                attribute.i, found = TensorProto.FLOAT, True
            if attribute.name in ("min", "max") and abs(attribute.f) == LARGEST_HALF:
                attribute.f, found = float(np.sign(attribute.f)) * LARGEST_FLOAT, True
            if attribute.HasField("t"):
                found |= _widen_tensor(attribute.t, held_back=bool(read & set(node.output)))
        for inner in subgraphs(node):
            found |= _widen(inner)
    return found


def _widen_tensor(tensor: TensorProto, *, held_back: bool) -> bool:
    if tensor.data_type in HALF_TYPES:
        values = numpy_helper.to_array(tensor).astype(np.float32)
    elif held_back and tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor)
        if not (np.abs(values) == LARGEST_HALF).any():
            return False
    else:
        return False
    if held_back:
        bound = np.abs(values) == LARGEST_HALF
        values = np.where(bound, np.sign(values) * LARGEST_FLOAT, values).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return True


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
