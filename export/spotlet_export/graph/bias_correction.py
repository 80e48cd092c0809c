"""Rounded weights shift the mean of a layer's results; its bias takes the shift back.

Source: Nagel et al. 2019, arXiv:1906.04721, section 4.2, with means over calibration images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from spotlet.letterbox import ImageArray

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort


def correct_biases(
    quantised: onnx.ModelProto,
    model: onnx.ModelProto,
    canvases: Sequence[ImageArray],
    scratch: Path,
) -> None:
    """Makes the mean of every channel of each eight-bit convolution what it is in float.

    The mean is over all places, as if each kernel always lay inside the picture.

    Args:
        quantised: in QDQ form, changed in place; convolutions keep their names.
        model: the float network, its weights initializers.
        canvases: (H, W, 3) uint8.
        scratch: folder for a temporary file.
    """
    makers = {name: node for node in quantised.graph.node for name in node.output}
    in_float = {node.name: node for node in model.graph.node}
    pairs = [
        (node, in_float[node.name])
        for node in quantised.graph.node
        if node.op_type == "Conv"
        and len(node.input) == 3
        and all(name in makers for name in node.input[1:])
    ]
    rounded = {tensor.name: tensor for tensor in quantised.graph.initializer}
    exact = {tensor.name: tensor for tensor in model.graph.initializer}
    means = _channel_means(model, [original.input[0] for _, original in pairs], canvases, scratch)
    for node, original in pairs:
        weight, weight_scale = (
            numpy_helper.to_array(rounded[name]) for name in makers[node.input[1]].input[:2]
        )
        bias_tensor = rounded[makers[node.input[2]].input[0]]
        bias_scale = numpy_helper.to_array(rounded[makers[node.input[2]].input[1]])
        scale = weight_scale.reshape(-1, *[1] * (weight.ndim - 1))
        errors = weight * scale - numpy_helper.to_array(exact[original.input[1]])
        shift = _shift(errors.sum(axis=tuple(range(2, weight.ndim))), means[original.input[0]])
        corrected = numpy_helper.to_array(bias_tensor) - np.round(shift / bias_scale)
        bias_tensor.CopyFrom(numpy_helper.from_array(corrected.astype(np.int32), bias_tensor.name))


def _shift(
    errors: npt.NDArray[np.float64], means: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns the mean error of each result.

    Args:
        errors: (outputs, inputs of a group): sums over the kernel.
        means: of all inputs.
    """
    groups = len(means) // errors.shape[1]
    by_group = errors.reshape(groups, -1, errors.shape[1])
    return (by_group @ means.reshape(groups, -1, 1)).ravel()


def _channel_means(
    model: onnx.ModelProto, names: Sequence[str], canvases: Sequence[ImageArray], scratch: Path
) -> dict[str, npt.NDArray[np.float64]]:
    """Returns the mean of each channel of tensors (N, C, H, W)."""
    wanted = sorted(set(names))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(map(helper.make_empty_tensor_value_info, wanted))
    file = scratch / "probe.onnx"
    file.write_bytes(probe.SerializeToString())
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    file.unlink()
    feed = session.get_inputs()[0].name
    means = [
        [tensor.mean(axis=(0, 2, 3)) for tensor in session.run(wanted, {feed: canvas[np.newaxis]})]
        for canvas in canvases
    ]
    return {
        name: np.mean(each, axis=0, dtype=float)
        for name, each in zip(wanted, zip(*means, strict=True), strict=True)
    }
