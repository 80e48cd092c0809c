"""Thresholding and suppression as part of the graph, for hosts without our runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxscript import OnnxFunction

from spotlet.errors import GateError
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.postprocess import LEAST_SCORE, MAX_CANDIDATES
from spotlet_export.graph.suppression_steps import (
    best_of_cell,
    every_of_cell,
    suppressed,
    usable_boxes,
)

LEAST_OPSET = 13
"""From which on every operator used here takes the inputs that it takes in opset 18."""

NETWORK, SUPPRESSION = "network/", "suppression/"
"""What names begin with that would else be there twice, and those of what is appended."""


def with_suppression(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the network with thresholding and suppression after it, by its manifest's rule.

    The outputs are boxes float32 (N, M, 4) xyxy in [0, 1] of the canvas, scores float32 (N, M),
    class_ids int64 (N, M) and count int64 (N,); M is the manifest's `max_detections`. Rows from
    the count on are zeros; those before come best score first, of equals the first cell's.

    What is found is what `spotlet.postprocess.detections_from_outputs` finds, with two exceptions.
    That function drops boxes wholly in the letterbox's border before it counts `max_detections`;
    a graph does not know the frame. And an overlap within float noise of the threshold may fall
    either way: the operator computes it in float32, OpenCV in its own arithmetic. (It is given
    boxes in [0, 1], not in pixels: a scale along an axis cancels out of the overlap.)

    Args:
        model: of the form `cells`, with its manifest inside. It stays as it was.

    Raises:
        GateError: it has suppression in it already, or is of an opset before `LEAST_OPSET`.
    """
    manifest = manifest_of(model)
    if manifest.output.form != "cells":
        raise GateError("the graph has suppression in it already; give the file that has none")
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if opset < LEAST_OPSET:
        raise GateError(
            f"opset {opset}: suppression is written for {LEAST_OPSET} or newer; convert the file "
            "with onnx.version_converter"
        )
    joined = onnx.ModelProto()
    joined.CopyFrom(model)
    output = replace(manifest.output, form="detections")
    results = [output.boxes, output.scores, output.class_ids, output.count]
    if len(set(results)) < len(results):
        raise GateError(f"outputs {', '.join(results)}: two have one name; rename the model's")
    _rename(joined.graph, {name: NETWORK + name for name in results})
    _append_suppression(joined.graph, manifest, results)
    _declare_outputs(joined.graph, manifest.input.name, results, manifest.detection.max_detections)
    texts = {item.key: item.value for item in model.metadata_props}
    texts[METADATA_KEY] = replace(manifest, output=output).to_json()
    helper.set_model_props(joined, texts)
    onnx.checker.check_model(joined, full_check=True)
    return joined


def manifest_of(model: onnx.ModelProto) -> Manifest:
    """Returns the manifest that a graph carries.

    Precondition: it has one.
    """
    texts = {item.key: item.value for item in model.metadata_props}
    return Manifest.from_json(texts[METADATA_KEY])


def _append_suppression(graph: onnx.GraphProto, manifest: Manifest, results: Sequence[str]) -> None:
    """Adds the steps from the network's two outputs to `results`."""
    rule, classes = manifest.detection, len(manifest.classes)
    constants = {
        "least_score": np.float32(max(rule.score_threshold, LEAST_SCORE)),
        "iou_threshold": np.float32(rule.iou_threshold),
        "most_candidates": np.array([MAX_CANDIDATES], np.int64),
        "most_detections": np.array([rule.max_detections], np.int64),
        "class_count": np.array(classes, np.int64),
        "class_numbers": np.arange(classes, dtype=np.int64)[:, np.newaxis],
        "low": np.float32(0),
        "high": np.float32(1),
        "one": np.array([1], np.int64),
        "no_score": np.float32(-1),
        "no_class": np.array(0, np.int64),
    }
    boxes, scores = NETWORK + manifest.output.boxes, NETWORK + manifest.output.scores
    clipped, has_area = SUPPRESSION + "boxes", SUPPRESSION + "has_area"
    candidates = [SUPPRESSION + name for name in ("scores", "cells", "classes")]
    choose = every_of_cell if rule.every_class else best_of_cell
    for step, given, made in (
        (usable_boxes, [boxes], [clipped, has_area]),
        (choose, [scores, has_area], candidates),
        (suppressed, [clipped, *candidates], results),
    ):
        used = _append_step(graph, step, given, made)
        there = {tensor.name for tensor in graph.initializer}
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(constants[name]), SUPPRESSION + name)
            for name in used
            if SUPPRESSION + name not in there
        )


def _append_step(
    graph: onnx.GraphProto, step: OnnxFunction[..., Any], given: Sequence[str], made: Sequence[str]
) -> list[str]:
    """Adds a step's nodes; returns the names of the constants that it wants.

    Args:
        graph: is changed.
        step: one of `suppression_steps`.
        given: the tensors that its first parameters are; the others are constants.
        made: names of its results.
    """
    body = step.to_function_proto()
    wanted = list(body.input[len(given) :])
    names = {name: f"{SUPPRESSION}{body.name}/{name}" for node in body.node for name in node.output}
    names |= dict(zip(body.input, [*given, *(SUPPRESSION + name for name in wanted)], strict=True))
    names |= dict(zip(body.output, made, strict=True))
    for node in body.node:
        _rename_node(node, names)
        node.name = node.output[0]
    graph.node.extend(body.node)
    return wanted


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Gives tensors other names, wherever they are named."""
    for node in graph.node:
        _rename_node(node, names)
    for item in (*graph.initializer, *graph.value_info, *graph.output):
        item.name = names.get(item.name, item.name)


def _rename_node(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    for tensors in (node.input, node.output):
        tensors[:] = [names.get(name, name) for name in tensors]
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            _rename(inner, names)


def _declare_outputs(
    graph: onnx.GraphProto, image_name: str, results: Sequence[str], most: int
) -> None:
    """Makes `results` the graph's outputs, M = `most`; the batch is the input's."""
    image = next(item for item in graph.input if item.name == image_name)
    batch = image.type.tensor_type.shape.dim[0]
    frames = batch.dim_value or batch.dim_param or None
    del graph.output[:]
    for name, kind, sides in zip(
        results,
        (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT64),
        ([most, 4], [most], [most], []),
        strict=True,
    ):
        graph.output.append(helper.make_tensor_value_info(name, kind, [frames, *sides]))
