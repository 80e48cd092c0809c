"""Adds thresholding and suppression to a graph, for hosts without Spotlet's runtime."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxscript import OnnxFunction

from spotlet.errors import GateError
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.postprocess import LEAST_SCORE, MAX_CANDIDATES
from spotlet_export.graph.editing import rename_in_node, rename_tensors
from spotlet_export.graph.suppression_steps import (
    best_of_cell,
    every_of_cell,
    suppressed,
    usable_boxes,
)

LEAST_OPSET = 13
"""From this opset on, every operator used here has the inputs that it has in opset 18."""

NETWORK, SUPPRESSION = "network/", "suppression/"
"""Prefixes of names that would be used twice, and of all that is appended."""


def with_suppression(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the network with thresholding and suppression after it, by its manifest's rule.

    The outputs are boxes float32 (N, M, 4) xyxy in [0, 1] of the canvas, scores float32 (N, M),
    class_ids int64 (N, M) and count int64 (N,); M is the manifest's `max_detections`. Rows from
    the count on are zeros; those before come best score first, of equals the first cell's.

    The detections are those of `spotlet.postprocess.detections_from_outputs`, with two exceptions.
    That function drops boxes wholly in the letterbox's border before it counts `max_detections`;
    a graph does not know the frame. And an overlap within float noise of the threshold may fall
    either way: the operator computes it in float32, OpenCV in its own arithmetic. (The operator
    takes boxes in [0, 1], not in pixels: a scale along an axis cancels out of the overlap.)

    Args:
        model: of the form `cells`, with its manifest inside; not changed.

    Raises:
        GateError: it has suppression already, its opset is below `LEAST_OPSET`, or two outputs
            would have one name.
    """
    manifest = manifest_of(model)
    if manifest.output.form != "cells":
        raise GateError("the graph has suppression already; give the file without it")
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if opset < LEAST_OPSET:
        raise GateError(
            f"opset {opset}: suppression needs {LEAST_OPSET} or newer; convert the file with "
            "onnx.version_converter"
        )
    joined = onnx.ModelProto()
    joined.CopyFrom(model)
    output = replace(manifest.output, form="detections")
    results = [output.boxes, output.scores, output.class_ids, output.count]
    if len(set(results)) < len(results):
        raise GateError(f"outputs {', '.join(results)}: duplicate name; rename the model's outputs")
    rename_tensors(joined.graph, {name: NETWORK + name for name in results})
    _append_suppression(joined.graph, manifest, results)
    _declare_outputs(joined.graph, manifest.input.name, results, manifest.detection.max_detections)
    texts = {item.key: item.value for item in model.metadata_props}
    texts[METADATA_KEY] = replace(manifest, output=output).to_json()
    helper.set_model_props(joined, texts)
    onnx.checker.check_model(joined, full_check=True)
    return joined


def manifest_of(model: onnx.ModelProto) -> Manifest:
    """Returns the manifest of a graph. Precondition: it has one."""
    texts = {item.key: item.value for item in model.metadata_props}
    return Manifest.from_json(texts[METADATA_KEY])


def _append_suppression(graph: onnx.GraphProto, manifest: Manifest, results: Sequence[str]) -> None:
    """Appends the steps from the network's two outputs to `results`."""
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
        present = {tensor.name for tensor in graph.initializer}
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(constants[name]), SUPPRESSION + name)
            for name in used
            if SUPPRESSION + name not in present
        )


def _append_step(
    graph: onnx.GraphProto, step: OnnxFunction[..., Any], given: Sequence[str], made: Sequence[str]
) -> list[str]:
    """Appends a step's nodes; returns the names of the constants that it needs.

    Args:
        graph: is changed.
        step: one of `suppression_steps`.
        given: the tensors for its first parameters; the others are constants.
        made: names of its results.
    """
    body = step.to_function_proto()
    wanted = list(body.input[len(given) :])
    names = {name: f"{SUPPRESSION}{body.name}/{name}" for node in body.node for name in node.output}
    names |= dict(zip(body.input, [*given, *(SUPPRESSION + name for name in wanted)], strict=True))
    names |= dict(zip(body.output, made, strict=True))
    for node in body.node:
        rename_in_node(node, names)
        node.name = node.output[0]
    graph.node.extend(body.node)
    return wanted


def _declare_outputs(
    graph: onnx.GraphProto, image_name: str, results: Sequence[str], most: int
) -> None:
    """Declares `results` as the graph's outputs, M = `most`; the batch is the input's."""
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
