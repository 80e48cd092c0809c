"""Quantises: from the float32 graph to the same network in eight-bit integers.

Weights are int8 with a scale for each channel. Activations are uint8: after ReLU no bit is needed
for a sign (Krishnamoorthi 2018, arXiv:1806.08342, sections 2 and 3). The layers after the last
hidden one of each head, that is predictions, activations and decoding of the boxes, stay in float:
boxes and scores, whose ranges differ greatly, never share a scale.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from spotlet.boxes import FloatArray
from spotlet.errors import GateError
from spotlet.letterbox import ImageArray
from spotlet.manifest import InputRule, Manifest
from spotlet.session import ModelSession
from spotlet_export.graph.bias_correction import correct_biases
from spotlet_export.graph.editing import spread_weights
from spotlet_export.graph.folding import fold_columns

CALIBRATION_IMAGES = 128
"""Training images whose activations set the ranges. On two of the shipped models, 64 to 240 images
cost 0.0001 to 0.005 AP, without a trend; 16 up to 0.007."""

RANKING_IMAGES = 16
"""How many of them measure the damage of a single layer, and the means that biases keep."""

RANKED_TOGETHER = 10
"""Layers after whose ranking the progress is reported."""

LEAST_SCORE = 0.05
"""Cells below it, in the float network, see no object, and their boxes mean nothing."""


class Sample(Protocol):
    """An image of a set."""

    @property
    def image_bgr(self) -> ImageArray:
        """(H, W, 3) uint8."""


class ImageSet(Protocol):
    """A set of images; every `spotlet_training.datasets.Dataset` is one."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Sample:
        """Returns an image."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Images of the kind that the network is for, best those that it was trained on.

    Attributes:
        dataset: the images, best the training split.
        rule: how an image becomes a canvas.
        count: how many images are used, evenly spread.
    """

    dataset: ImageSet
    rule: InputRule
    count: int

    @classmethod
    def of(cls, dataset: ImageSet, manifest: Manifest) -> "Calibration":
        """Returns the calibration images of a set.

        Raises:
            GateError: the set is empty.
        """
        if not len(dataset):
            raise GateError("the training split is empty: nothing to calibrate int8 on")
        return cls(dataset, manifest.input, min(CALIBRATION_IMAGES, len(dataset)))

    def canvases(self, count: int | None = None) -> Iterator[ImageArray]:
        """Yields canvases (H, W, 3) uint8 BGR, the same ones every time.

        Args:
            count: how many; all by default.
        """
        count = self.count if count is None else min(count, self.count)
        for number in range(count):
            image = self.dataset.load(number * len(self.dataset) // count).image_bgr
            yield self.rule.letterbox((image.shape[0], image.shape[1])).apply(image)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds canvases one by one to onnxruntime's calibration."""

    def __init__(self, name: str, canvases: Iterator[ImageArray]) -> None:
        self._name = name
        self._canvases = canvases

    def get_next(self) -> dict[str, ImageArray] | None:
        canvas = next(self._canvases, None)
        return None if canvas is None else {self._name: canvas[np.newaxis]}


def hidden_layers(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Returns the layers that can be quantised: for each its nodes, the convolution first.

    A convolution is hidden if its result passes a ReLU, directly or after an addition; one whose
    result is an output is not. Additions and resizings between hidden layers belong to them.

    Returns:
        By the layer's name in the network, in the graph's order.
    """
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)

    def after(node: onnx.NodeProto) -> list[onnx.NodeProto]:
        return consumers.get(node.output[0], [])

    layers = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        nodes = [node]
        follows = after(node)
        if len(follows) == 1 and follows[0].op_type == "Add":
            nodes.append(follows[0])
            follows = after(follows[0])
        if len(follows) != 1 or follows[0].op_type != "Relu":
            continue
        nodes.append(follows[0])
        nodes += [each for each in after(follows[0]) if each.op_type in ("Add", "Resize")]
        nodes += [
            last
            for each in after(follows[0])
            if each.op_type == "Resize"
            for last in after(each)
            if last.op_type == "Add"
        ]
        layers[layer_name(node)] = [each.name for each in nodes]
    return layers


def layer_name(convolution: onnx.NodeProto) -> str:
    """Returns a convolution's name in the network, from the name of its weight."""
    return str(convolution.input[1]).removesuffix(".weight").removesuffix(".0")


def quantise(
    model: onnx.ModelProto,
    layers: Mapping[str, Sequence[str]],
    chosen: Collection[str],
    calibration: Iterator[ImageArray],
    scratch: Path,
) -> onnx.ModelProto:
    """Returns the network with the chosen layers in eight bits.

    Precondition: nodes have unique names and weights are initializers or products of two, as
    `build_graph` and `convolutions.prepare` return them. Postcondition: the same inputs, outputs
    and metadata, and every layer that was not chosen in float32.

    Weights use seven of their eight bits: processors without VNNI add two eight-bit products in
    sixteen bits, which overflows and would make the file compute something else there (saturation,
    in onnxruntime's documentation).

    Args:
        model: not changed.
        layers: of `hidden_layers` or `convolution_layers`.
        chosen: names of those to quantise, at least one.
        calibration: canvases (H, W, 3) uint8.
        scratch: folder for temporary files.
    """
    nodes = {node for name in chosen for node in layers[name]}
    kinds = sorted({node.op_type for node in model.graph.node if node.name in nodes})
    source, target = scratch / "float.onnx", scratch / "quantised.onnx"
    spread = spread_weights(model)
    source.write_bytes(spread.SerializeToString())
    first = list(islice(calibration, RANKING_IMAGES))
    with _quiet():
        quantize_static(
            source,
            target,
            _Reader(model.graph.input[0].name, chain(first, calibration)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=kinds,
            nodes_to_quantize=sorted(nodes),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
    quantised = onnx.load(target)
    source.unlink()
    target.unlink()
    quantised.ir_version = model.ir_version
    quantised.producer_name, quantised.producer_version = "", ""
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    correct_biases(quantised, spread, first, scratch)
    fold_columns(quantised)
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def damage_by_layer(
    model: onnx.ModelProto,
    layers: Mapping[str, Sequence[str]],
    calibration: Calibration,
    scratch: Path,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, float]:
    """Returns how much each layer changes the outputs when it alone is in eight bits, worst first.

    Mean |Δ| of scores and of boxes, added, over cells in which the float network sees an object.
    """
    canvases = np.stack(list(calibration.canvases(RANKING_IMAGES)))
    wanted = _outputs(model, canvases, scratch)
    objects = wanted[1].max(axis=2) >= LEAST_SCORE
    if not objects.any():
        objects[:] = True
    damage = {}
    for number, name in enumerate(layers):
        if number and number % RANKED_TOGETHER == 0:
            on_step(f"ranking layers by their damage: {number} of {len(layers)}")
        alone = quantise(model, layers, [name], iter(canvases), scratch)
        got = _outputs(alone, canvases, scratch)
        damage[name] = float(
            sum(np.abs(a[objects] - b[objects]).mean() for a, b in zip(wanted, got, strict=True))
        )
    return dict(sorted(damage.items(), key=lambda item: -item[1]))


def _outputs(
    model: onnx.ModelProto, canvases: ImageArray, scratch: Path
) -> tuple[FloatArray, FloatArray]:
    file = scratch / "candidate.onnx"
    file.write_bytes(model.SerializeToString())
    outputs = ModelSession(file).run(canvases)
    file.unlink()
    return outputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the warnings that onnxruntime has for its own users."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
