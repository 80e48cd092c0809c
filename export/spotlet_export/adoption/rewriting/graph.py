"""Rewrites a graph to the contract of Spotlet's runtime.

Preprocessing: from uint8 (N, H, W, 3) BGR to what the network expects. Postprocessing: from its
outputs to `boxes` float32 (N, K, 4) xyxy in [0, 1] of the canvas and `scores` float32 (N, K, C).
The network between them does not change.
"""

import copy

import numpy as np
import onnx
from onnx import helper

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_export.adoption.rewriting.nodes import NodeWriter
from spotlet_export.adoption.rewriting.outputs import write_postprocessing
from spotlet_export.adoption.signature import InputSignature, Signature
from spotlet_export.graph.batches import batch_of
from spotlet_export.graph.editing import prune, rename_tensors, strip_traces

OLDEST_IR, NEWEST_IR = 8, 10
"""ONNX file formats that are written. onnxruntime 1.18, the oldest supported, reads up to 10;
below 4, weights count as inputs."""


def rewrite(
    model: onnx.ModelProto,
    signature: Signature,
    manifest: Manifest,
    *,
    free_batch: bool,
    copies: int = 1,
    rows: int = 1,
) -> onnx.ModelProto:
    """Returns a file with Spotlet's contract that computes what the original computes.

    Precondition: opset 11 to 21, weights in the model, nodes sorted.

    Args:
        model: not changed.
        signature: how to read the original.
        manifest: names the input and the outputs, and is stored in the result.
        free_batch: whether the batch side is free, or 1.
        copies: how often the network gets the picture, to fill its batch.
        rows: how many results it returns for the picture; the first counts.
    """
    result = copy.deepcopy(model)
    graph = result.graph
    names = (manifest.input.name, manifest.output.boxes, manifest.output.scores)
    moved = {name: f"adopted/{name}" for name in names}
    rename_tensors(graph, moved)
    before, after = NodeWriter("preprocessing"), NodeWriter("postprocessing")
    given = _write_preprocessing(before, signature.input, manifest.input.name)
    if copies > 1:
        given = before.node("Concat", *[given] * copies, axis=0)
    rename_tensors(graph, {moved.get(signature.input.name, signature.input.name): given})
    results = dict(moved)
    if rows > 1:
        rule = signature.output
        for name in rule.outputs:
            results[name] = after.columns(moved.get(name, name), 0, 1, axis=0)
    boxes, scores = write_postprocessing(after, signature.output, signature.input.size_hw, results)
    after.named(boxes, manifest.output.boxes)
    after.named(scores, manifest.output.scores)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before.nodes, *body, *after.nodes])
    graph.initializer.extend([*before.constants, *after.constants])
    batch = batch_of(model.graph, signature.input.name)
    for name, value in signature.input.fixed.items():
        one = value[:1] if rows < batch and value.shape[:1] == (batch,) else value
        graph.initializer.append(onnx.numpy_helper.from_array(one, moved.get(name, name)))
    _declare(graph, manifest, free_batch=free_batch)
    prune(graph)
    result.ir_version = min(max(result.ir_version, OLDEST_IR), NEWEST_IR)
    strip_traces(result)
    helper.set_model_props(result, {METADATA_KEY: manifest.to_json()})
    return result


def _write_preprocessing(write: NodeWriter, rule: InputSignature, image: str) -> str:
    """Writes the nodes before the network; returns the name of the tensor that it takes."""
    tensor, channel = image, 3
    # While it is bytes: a quarter of what floats would move.
    if rule.axes == "NCHW":
        tensor, channel = write.node("Transpose", tensor, perm=[0, 3, 1, 2]), 1
    if rule.colour == "RGB":
        tensor = write.reordered(tensor, [2, 1, 0], channel)
    if not rule.plain:
        tensor = write.cast(tensor, np.float32)
        shape = [1, 1, 1, 1]
        shape[channel] = 3
        factor = (rule.scale / np.array(rule.std)).reshape(shape)
        tensor = write.node("Mul", tensor, write.constant(factor))
        if any(rule.mean):
            shift = (np.array(rule.mean) / np.array(rule.std)).reshape(shape)
            tensor = write.node("Sub", tensor, write.constant(shift))
    if not rule.batch_axis:
        high, wide = rule.size_hw
        sides = [3, high, wide] if rule.axes == "NCHW" else [high, wide, 3]
        tensor = write.node("Reshape", tensor, write.constant(sides, np.int64))
    return write.cast(tensor, rule.dtype)


def _declare(graph: onnx.GraphProto, manifest: Manifest, *, free_batch: bool) -> None:
    """Declares the contract's input and outputs as the graph's."""
    batch = "batch" if free_batch else 1
    outputs = ((manifest.output.boxes, 4), (manifest.output.scores, len(manifest.classes)))
    # Shapes inferred for another batch would contradict.
    del graph.input[:], graph.output[:], graph.value_info[:]
    size = [batch, *manifest.input.size_hw, 3]
    image = helper.make_tensor_value_info(manifest.input.name, onnx.TensorProto.UINT8, size)
    graph.input.append(image)
    graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, "places", side])
        for name, side in outputs
    )
