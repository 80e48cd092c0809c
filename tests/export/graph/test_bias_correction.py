"""Biases of an eight-bit network that keep the means of its channels."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet_export.graph.bias_correction import correct_biases

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort

SIDE = 12
STEP = 0.02
"""Of the rounded weights: coarse, so that the means move."""


def model_of(weight: np.ndarray, *, rounded: bool) -> onnx.ModelProto:
    """Returns a convolution over the image, in float or with rounded weights."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["values"], to=TensorProto.FLOAT),
    ]
    values = {"weight": weight, "bias": np.zeros(len(weight), np.float32)}
    if rounded:
        scale = np.full(len(weight), STEP, np.float32)
        values = {
            "w": np.round(weight / STEP).astype(np.int8),
            "b": np.zeros(len(weight), np.int32),
            "scale": scale,
            "w_zero": np.zeros(len(weight), np.int8),
            "b_zero": np.zeros(len(weight), np.int32),
        }
        nodes += [
            node("DequantizeLinear", ["w", "scale", "w_zero"], ["weight"], axis=0),
            node("DequantizeLinear", ["b", "scale", "b_zero"], ["bias"], axis=0),
        ]
    groups = 3 // weight.shape[1]
    nodes.append(node("Conv", ["values", "weight", "bias"], ["out"], "first", group=groups))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def channel_means(model: onnx.ModelProto, canvases: list[np.ndarray]) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = [session.run(None, {"image": canvas[None]})[0] for canvas in canvases]
    means: np.ndarray = np.mean(outputs, axis=(0, 1, 3, 4))
    return means


@pytest.mark.parametrize("inputs", [3, 1], ids=["dense", "depthwise"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_means_of_all_channels_are_those_of_the_float_network(
    inputs: int, kernel: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.3, (6, inputs, kernel, kernel)).astype(np.float32)
    light = np.array([200, 90, 20])  # a different mean in each channel
    canvases = [(light + rng.integers(-20, 20, (SIDE, SIDE, 3))).astype(np.uint8) for _ in range(3)]
    exact, rounded = (model_of(weight, rounded=each) for each in (False, True))
    wanted = channel_means(exact, canvases)
    assert np.abs(channel_means(rounded, canvases) - wanted).max() > 10 * STEP
    correct_biases(rounded, exact, canvases, tmp_path)
    assert (
        np.abs(channel_means(rounded, canvases) - wanted).max()
        <= (0.51 if kernel == 1 else 5) * STEP
    )
    assert list(tmp_path.iterdir()) == []
