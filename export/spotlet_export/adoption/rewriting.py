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
from spotlet_export.adoption.nodes import NodeWriter, prune, rename_tensors, subgraphs
from spotlet_export.adoption.reading import SUPPRESSED, InputReading, OutputReading, Reading

OLDEST_IR, NEWEST_IR = 8, 10
"""ONNX file formats that are written; onnxruntime 1.18, the oldest that is supported, reads up to
10, and one below 4 takes weights for inputs."""


def rewrite(
    model: onnx.ModelProto, reading: Reading, manifest: Manifest, *, free_batch: bool
) -> onnx.ModelProto:
    """Returns a file of Spotlet's contract that computes what another's file does.

    Precondition: opset 11 to 21, weights in the model.

    Args:
        model: stays as it was.
        reading: how it is read.
        manifest: names the input and the outputs, and rides in the result.
        free_batch: whether the batch side is free, or 1.
    """
    result = copy.deepcopy(model)
    graph = result.graph
    names = (manifest.input.name, manifest.output.boxes, manifest.output.scores)
    moved = {name: f"adopted/{name}" for name in names}
    rename_tensors(graph, moved)
    front, behind = NodeWriter("front"), NodeWriter("behind")
    given = _front(front, reading.input, manifest.input.name)
    rename_tensors(graph, {moved.get(reading.input.name, reading.input.name): given})
    boxes, scores = _behind(behind, reading.output, reading.input.size_hw, moved)
    behind.named(boxes, manifest.output.boxes)
    behind.named(scores, manifest.output.scores)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*front.nodes, *body, *behind.nodes])
    graph.initializer.extend([*front.constants, *behind.constants])
    for name, value in reading.input.fixed.items():
        graph.initializer.append(onnx.numpy_helper.from_array(value, moved.get(name, name)))
    _declare(graph, manifest, free_batch=free_batch)
    prune(graph)
    result.ir_version = min(max(result.ir_version, OLDEST_IR), NEWEST_IR)
    _forget(result)
    helper.set_model_props(result, {METADATA_KEY: manifest.to_json()})
    return result


def _front(write: NodeWriter, rule: InputReading, image: str) -> str:
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


def _behind(
    write: NodeWriter, rule: OutputReading, size_hw: tuple[int, int], moved: dict[str, str]
) -> tuple[str, str]:
    """Writes the nodes behind; returns the names of boxes and scores."""
    tensors = {
        role: write.cast(moved.get(name, name), np.float32)
        for role, name in (("boxes", rule.boxes), ("scores", rule.scores), ("ids", rule.ids))
        if name is not None
    }
    if rule.layout in SUPPRESSED:
        raw, scores = _suppressed(write, rule, tensors)
    else:
        raw, scores = _cells(write, rule, tensors)
    return _boxes(write, rule, raw, size_hw), scores


def _suppressed(write: NodeWriter, rule: OutputReading, tensors: dict[str, str]) -> tuple[str, str]:
    """Writes cells with one class each, for rows of box, score and class id."""
    boxes = tensors["boxes"]
    if rule.layout == "K,6":
        boxes, score, ids = (
            write.columns(boxes, start, end) for start, end in ((0, 4), (4, 5), (5, 6))
        )
    else:
        as_column = write.constant([0, -1, 1], np.int64)
        score, ids = (write.node("Reshape", tensors[each], as_column) for each in ("scores", "ids"))
    first = 1 if rule.background == "first" else 0
    known = write.constant(np.arange(first, first + rule.classes), np.int64)
    is_class = write.node("Equal", write.cast(ids, np.int64), known)
    scores = write.node("Mul", write.cast(is_class, np.float32), _activated(write, rule, score))
    return boxes, scores


def _cells(write: NodeWriter, rule: OutputReading, tensors: dict[str, str]) -> tuple[str, str]:
    """Writes boxes as they come, and scores, activated and without background."""
    columns = rule.classes + (rule.background != "none")
    if rule.scores is not None:
        boxes = write.columns(tensors["boxes"], 0, 4)
        scores = write.columns(tensors["scores"], 0, columns)
        return boxes, _without_background(write, rule, _activated(write, rule, scores))
    whole, axis = tensors["boxes"], 1 if rule.layout == "4+C,K" else 2
    first = 5 if rule.layout == "K,5+C" else 4
    parts = [
        write.columns(whole, 0, 4, axis),
        write.columns(whole, first, first + columns, axis),
    ]
    if axis == 1:
        parts = [write.node("Transpose", part, perm=[0, 2, 1]) for part in parts]
    boxes, scores = parts[0], _without_background(write, rule, _activated(write, rule, parts[1]))
    if first == 5:
        objectness = _activated(write, rule, write.columns(whole, 4, 5))
        scores = write.node("Mul", scores, objectness)
    return boxes, scores


def _activated(write: NodeWriter, rule: OutputReading, scores: str) -> str:
    if rule.activation == "sigmoid":
        return write.node("Sigmoid", scores)
    if rule.activation == "softmax":
        return write.node("Softmax", scores, axis=2)
    return write.clipped(scores)


def _without_background(write: NodeWriter, rule: OutputReading, scores: str) -> str:
    if rule.background == "none":
        return scores
    first = 1 if rule.background == "first" else 0
    return write.columns(scores, first, first + rule.classes)


def _boxes(write: NodeWriter, rule: OutputReading, raw: str, size_hw: tuple[int, int]) -> str:
    """Writes the decoding of (N, K, 4) to corners in [0, 1]."""
    height, width = size_hw
    if rule.box_format in ("yxyx", "cycxhw"):
        raw = write.reordered(raw, [1, 0, 3, 2], 2)
    if rule.box_format in ("cxcywh", "cycxhw"):
        centre, size = write.columns(raw, 0, 2), write.columns(raw, 2, 4)
        if rule.layout == "ssd":
            centre, size = _from_anchors(write, rule, centre, size, size_hw)
        elif rule.strides:
            centre, size = _from_grid(write, rule, centre, size, size_hw)
        half = write.node("Mul", size, write.constant(0.5))
        corners = [write.node(op, centre, half) for op in ("Sub", "Add")]
        raw = write.node("Concat", *corners, axis=2)
    if rule.box_unit == "pixels" and rule.layout != "ssd":
        raw = write.node("Mul", raw, write.constant([1 / width, 1 / height] * 2))
    return write.clipped(raw)


def _from_grid(
    write: NodeWriter, rule: OutputReading, centre: str, size: str, size_hw: tuple[int, int]
) -> tuple[str, str]:
    """Writes (offset + cell) * stride and exp(size) * stride; cells row by row, finest first."""
    cells, steps = [], []
    for stride in rule.strides:
        rows, columns = size_hw[0] // stride, size_hw[1] // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full((rows * columns, 1), stride))
    step = write.constant(np.concatenate(steps)[np.newaxis])
    moved = write.node("Add", centre, write.constant(np.concatenate(cells)[np.newaxis]))
    return (
        write.node("Mul", moved, step),
        write.node("Mul", write.node("Exp", size), step),
    )


def _from_anchors(
    write: NodeWriter, rule: OutputReading, centre: str, size: str, size_hw: tuple[int, int]
) -> tuple[str, str]:
    """Writes the boxes of offsets from anchors.

    Source: Liu et al. 2016, SSD, section 2.2, equation 2, solved for the box.
    """
    assert rule.anchors is not None
    place, extent = rule.anchors[np.newaxis, :, :2], rule.anchors[np.newaxis, :, 2:]
    if rule.offsets == "pixels":
        by_centre = by_size = 1 / np.array([size_hw[1], size_hw[0]])
    else:
        by_centre, by_size = np.array(rule.variances[:2]), np.array(rule.variances[2:])
    moved = write.node("Mul", centre, write.constant(extent * by_centre))
    centre = write.node("Add", moved, write.constant(place))
    if rule.offsets == "pixels":
        return centre, write.node("Mul", size, write.constant(extent * by_size))
    grown = write.node("Exp", write.node("Mul", size, write.constant(by_size)))
    return centre, write.node("Mul", grown, write.constant(extent))


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
