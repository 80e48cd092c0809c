"""Recovers a network from the float32 file of a package, to export it again without a checkpoint.

For packages of an older spotlet. Each BatchNorm stays folded into its convolution, so the network
can be exported, but not trained further.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper

from spotlet.check.probe import PROBE_TOLERANCE, synthetic_canvases
from spotlet.errors import CheckpointError
from spotlet.model import locate_model
from spotlet.session import ModelSession
from spotlet_export.graph.editing import spread_weights
from spotlet_export.graph.graph import fold_batch_norms
from spotlet_export.package.describing import make_manifest
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.network.checkpoint import Checkpoint

Weights = Mapping[str, npt.NDArray[np.float32]]

RENAMED = (
    (r"heads\.(\d)\.(class|box)_tower\.(\d)\.0\.", r"\2_head.tower.\3.convolutions.\1."),
    (r"heads\.(\d)\.(class|box)_prediction\.", r"\2_head.predictions.\1."),
)
"""Names in files of the first versions, whose heads shared no layers between levels, and in a
folded network today."""


def recover_checkpoint(package: Path) -> Checkpoint:
    """Returns the network of a package's float32 file, proven to compute the same.

    Args:
        package: a folder that `spotlet export` wrote, or its `model.onnx`.

    Raises:
        CheckpointError: the file is not a two-head detector of `spotlet export`, or its manifest
            was changed later.
        ModelFileError: the file is missing or cannot be used.
    """
    session = ModelSession(locate_model(package))
    path, manifest = session.path, session.manifest
    if manifest.output.form != "cells":
        _refuse(path, "has suppression in its graph")
    try:
        graph = spread_weights(onnx.load(path)).graph
        weights = _convolution_weights(graph)
        shape = _settings(weights, len(manifest.classes), manifest.input.size_hw)
        centre, scale = _byte_range(graph)
        weights["backbone.stem.0.weight"] = weights["backbone.stem.0.weight"] / np.float32(scale)
        settings = replace(shape, centre=centre, scale=1.0)
        network = fold_batch_norms(TwoHeadDetector(settings).eval())
        wanted = network.state_dict()
        network.load_state_dict({name: torch.from_numpy(weights[name].copy()) for name in wanted})
    except (KeyError, RuntimeError) as error:
        _refuse(path, "not the float32 file of a two-head detector by `spotlet export`", error)
    canvases = synthetic_canvases(manifest.input.size_hw)
    with torch.no_grad():
        outputs = [each.numpy() for each in network(torch.from_numpy(canvases))]
    pairs = zip(outputs, session.run(canvases), strict=True)
    difference = float(np.max([np.abs(mine - theirs).max() for mine, theirs in pairs]))
    if not difference <= PROBE_TOLERANCE:
        _refuse(path, f"outputs of its weights differ from the file's by {difference:.2g}")
    checkpoint = Checkpoint(
        network=network, class_names=manifest.classes, training=manifest.training
    )
    anew = make_manifest(checkpoint, manifest.name)
    resized = replace(anew.input, interpolation=manifest.input.interpolation)
    if (resized, anew.output, anew.detection) != (
        manifest.input,
        manifest.output,
        manifest.detection,
    ):
        _refuse(path, "an export would not keep the rules in its manifest")
    return checkpoint


def _refuse(path: Path, why: str, error: Exception | None = None) -> NoReturn:
    raise CheckpointError(f"{path}: {why}; give the checkpoint instead") from error


def _convolution_weights(graph: onnx.GraphProto) -> dict[str, npt.NDArray[np.float32]]:
    """Returns the weight and bias of every convolution, by the names of a folded network.

    A bias is named by its convolution's weight: the exporter keeps one of several equal biases.

    Raises:
        KeyError: a convolution lacks them.
    """
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for node in graph.node:
        if node.op_type == "Conv":
            name = _name_today(node.input[1]).removesuffix(".weight")
            parts = zip(("weight", "bias"), node.input[1:], strict=False)
            weights |= {f"{name}.{part}": tensors[given] for part, given in parts}
    return weights


def _byte_range(graph: onnx.GraphProto) -> tuple[float, float]:
    """Returns what the network subtracts from a byte, and what it divides the rest by."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    first = [node.op_type for node in graph.node].index("Conv")
    found = {
        node.op_type: float(numpy_helper.to_array(values[node.input[1]]))
        for node in graph.node[:first]
        if node.op_type in ("Sub", "Div")
    }
    return found.get("Sub", 0.0), found.get("Div", 1.0)


def _name_today(name: str) -> str:
    for old, new in RENAMED:
        name = re.sub(old, new, name)
    return name


def _settings(weights: Weights, class_count: int, size_hw: tuple[int, int]) -> DetectorSettings:
    """Returns the settings of the network with these weights.

    Raises:
        KeyError: a layer is missing.
        RuntimeError: the number of stages is not four.
    """

    def layers(pattern: str) -> list[str]:
        return [name for name in weights if re.fullmatch(pattern + r"\.weight", name)]

    stages = range(len(layers(r"backbone\.stages\.\d\.0\.0")))
    units = ("backbone.stem.0", *(f"backbone.stages.{stage}.0.0" for stage in stages))
    channels = tuple(len(weights[f"{unit}.weight"]) for unit in units)
    blocks = tuple(len(layers(rf"backbone\.stages\.{stage}\.\d\.first\.0")) for stage in stages)
    if len(stages) != 4:
        raise RuntimeError(f"{len(stages)} stages")
    return DetectorSettings(
        class_count=class_count,
        size_hw=size_hw,
        channels=channels,  # type: ignore[arg-type]
        blocks=blocks,  # type: ignore[arg-type]
        pyramid_channels=len(weights["pyramid.smooth.0.0.weight"]),
        head_convolutions=len(layers(r"class_head\.tower\.\d\.convolutions\.0")),
    )
