"""The rewriting of another's graph to the one contract of Spotlet's runtime.

In front: from uint8 (N, H, W, 3) BGR to what the network wants. Behind: from its outputs to `boxes`
float32 (N, K, 4) xyxy in [0, 1] of the canvas and `scores` float32 (N, K, C). Between them the
network stays as it is.
"""

import copy

import numpy as np
import onnx
from onnx import helper

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_export.adoption.rewriting_nodes import NodeWriter, prune, rename_tensors, subgraphs
from spotlet_export.adoption.rewriting_outputs import write_behind
from spotlet_export.adoption.signature import InputSignature, Signature

OLDEST_IR, NEWEST_IR = 8, 10
"""ONNX file formats that are written; onnxruntime 1.18, the oldest that is supported, reads up to
10, and one below 4 takes weights for inputs."""


def rewrite(
    model: onnx.ModelProto, signature: Signature, manifest: Manifest, *, free_batch: bool
) -> onnx.ModelProto:
    """Returns a file of Spotlet's contract that computes what another's file does.

    Precondition: opset 11 to 21, weights in the model.

    Args:
        model: stays as it was.
        signature: how it is read.
        manifest: names the input and the outputs, and rides in the result.
        free_batch: whether the batch side is free, or 1.
    """
    result = copy.deepcopy(model)
    graph = result.graph
    names = (manifest.input.name, manifest.output.boxes, manifest.output.scores)
    moved = {name: f"adopted/{name}" for name in names}
    rename_tensors(graph, moved)
    front, behind = NodeWriter("front"), NodeWriter("behind")
    given = _front(front, signature.input, manifest.input.name)
    rename_tensors(graph, {moved.get(signature.input.name, signature.input.name): given})
    boxes, scores = write_behind(behind, signature.output, signature.input.size_hw, moved)
    behind.named(boxes, manifest.output.boxes)
    behind.named(scores, manifest.output.scores)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*front.nodes, *body, *behind.nodes])
    graph.initializer.extend([*front.constants, *behind.constants])
    for name, value in signature.input.fixed.items():
        graph.initializer.append(onnx.numpy_helper.from_array(value, moved.get(name, name)))
    _declare(graph, manifest, free_batch=free_batch)
    prune(graph)
    result.ir_version = min(max(result.ir_version, OLDEST_IR), NEWEST_IR)
    _forget(result)
    helper.set_model_props(result, {METADATA_KEY: manifest.to_json()})
    return result


def _front(write: NodeWriter, rule: InputSignature, image: str) -> str:
    """Writes the nodes in front; returns the name of what the network is given."""
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
    return write.cast(tensor, rule.dtype)


def _declare(graph: onnx.GraphProto, manifest: Manifest, *, free_batch: bool) -> None:
    """Makes the contract's input and outputs those of the graph."""
    batch = "batch" if free_batch else 1
    outputs = ((manifest.output.boxes, 4), (manifest.output.scores, len(manifest.classes)))
    # Shapes that were inferred for another batch would contradict.
    del graph.input[:], graph.output[:], graph.value_info[:]
    size = [batch, *manifest.input.size_hw, 3]
    image = helper.make_tensor_value_info(manifest.input.name, onnx.TensorProto.UINT8, size)
    graph.input.append(image)
    graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, "places", side])
        for name, side in outputs
    )


def _forget(model: onnx.ModelProto) -> None:
    """Removes what tells of the machine that exported: source lines, paths, module names."""
    model.doc_string = model.graph.doc_string = ""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.initializer):
            part.doc_string = ""
            del part.metadata_props[:]
        for node in graph.node:
            graphs.extend(subgraphs(node))
