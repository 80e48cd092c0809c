"""Columns into channels: the first layer, made wide enough for integer kernels.

Of three channels an integer kernel gathers 27 bytes for every output, one by one, which is most of
its time: the first layer of `pico` at 384 pixels took 0.96 ms of 4.6, this way 0.39 (one thread,
onnxruntime 1.32). Without moving a byte, an image of (H, W, 3) is also one of (H, W/4, 12).
The 3x3 convolution of stride 2 becomes one of 3x2 over it, whose 2C outputs are two columns of the
C outputs before: the same products and sums, with some weights zero.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from spotlet_export.graph.editing import prune

COLUMNS = 4
"""Columns of the image that become channels of one."""

STEP = 2
"""Stride of the first layer."""

TIMES = COLUMNS // STEP
"""Output columns of the first layer in each folded column."""

PREFIX = ("DequantizeLinear", "QuantizeLinear", "Sub", "Cast", "Transpose")
"""From the first convolution back to the image; without `Sub` in networks that take bytes as they
are."""


def fold_columns(model: onnx.ModelProto) -> bool:
    """Rewrites the first layer of a quantised network, in place; returns whether it could.

    Precondition: QDQ form. Postcondition: the same integers after the first layer, except for the
    rounding of the input: byte - 127.5 is exact now, where it was rounded to eight bits, and the
    padding is 128 instead of 127.5. A network that starts differently, or whose first layer is in
    float, is not changed.
    """
    graph = _Graph(model)
    convolution = next((n for n in model.graph.node if n.op_type == "Conv"), None)
    if convolution is None:
        return False
    plain = tuple(kind for kind in PREFIX if kind != "Sub")
    chain = graph.back(convolution.input[0], PREFIX) or graph.back(convolution.input[0], plain)
    after = graph.ahead(convolution.output[0], ("QuantizeLinear", "DequantizeLinear"))
    if chain is None or after is None or not graph.fits(convolution, chain):
        return False
    weights = graph.back(convolution.input[1], ("DequantizeLinear",))
    biases = graph.back(convolution.input[2], ("DequantizeLinear",))
    if weights is None or biases is None:
        return False
    offset = float(graph.value(chain[2].input[1])) if chain[2].op_type == "Sub" else 0.0
    zero = int(np.ceil(offset))
    weight, weight_scale = (graph.value(name) for name in weights[0].input[:2])
    bias, bias_scale = (graph.value(name) for name in biases[0].input[:2])
    # The image's zero point is a whole number: the difference goes into the bias.
    sums = weight.astype(np.float64).sum(axis=(1, 2, 3)) * weight_scale
    real_bias = bias * bias_scale.astype(np.float64) + (zero - offset) * sums
    new_bias = np.round(real_bias / weight_scale).astype(np.int32)
    channels, width, result = len(weight), graph.width, after[1].output[0]
    quantised = after[0].input[1:3]  # scale and zero point of the layer's result
    node = helper.make_node
    fold = graph.put("fold", [0, 0, width // COLUMNS, 3 * COLUMNS])
    image_scale = graph.put("image_scale", np.float32(1))
    image_zero = graph.put("image_zero", np.uint8(zero))
    nodes = [
        node("Reshape", [chain[-1].input[0], fold], ["folded"]),
        node("DequantizeLinear", ["folded", image_scale, image_zero], ["folded_real"]),
        node("Transpose", ["folded_real"], ["folded_planes"], perm=[0, 3, 1, 2]),
        graph.dequantised("folded_weight", fold_weight(weight), np.tile(weight_scale, TIMES)),
        graph.dequantised("folded_bias", np.tile(new_bias, TIMES), np.tile(weight_scale, TIMES)),
        node(
            "Conv",
            ["folded_planes", "folded_weight_real", "folded_bias_real"],
            ["columns"],
            kernel_shape=[3, 2],
            strides=[STEP, 1],
            pads=[1, 1, 0, 0],
        ),
        node("QuantizeLinear", ["columns", *quantised], ["columns_bytes"]),
        node("DequantizeLinear", ["columns_bytes", *quantised], ["columns_real"]),
        node("Transpose", ["columns_real"], ["columns_last"], perm=[0, 2, 3, 1]),
        node(
            "Reshape",
            ["columns_last", graph.put("unfold", [0, 0, width // STEP, channels])],
            ["unfolded_last"],
        ),
        node("Transpose", ["unfolded_last"], ["unfolded"], perm=[0, 3, 1, 2]),
        node("QuantizeLinear", ["unfolded", *quantised], ["unfolded_bytes"]),
        node("DequantizeLinear", ["unfolded_bytes", *quantised], [result]),
    ]
    graph.replace([*chain, *weights, *biases, convolution, *after], nodes)
    return True


def fold_weight(weight: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Returns the weights over folded columns that do what a 3x3 convolution of stride 2 does.

    Args:
        weight: (C, 3, 3, 3): outputs, colours, rows, columns; padded by 1.

    Returns:
        (2C, 12, 3, 2), padded by 1 above and to the left.
    """
    channels = len(weight)
    folded = np.zeros((TIMES * channels, 3 * COLUMNS, 3, 2), weight.dtype)
    for output in range(TIMES):
        for tap in range(3):
            # Counted from the first column of the cell to the left.
            cell, column = divmod(COLUMNS + STEP * output - 1 + tap, COLUMNS)
            rows = slice(output * channels, (output + 1) * channels)
            folded[rows, 3 * column : 3 * column + 3, :, cell] = weight[:, :, :, tap]
    return folded


class _Graph:
    """A graph to look things up in and to change."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._values = {tensor.name: tensor for tensor in model.graph.initializer}
        shape = model.graph.input[0].type.tensor_type.shape.dim
        self.height, self.width = (int(side.dim_value) for side in shape[1:3])

    def value(self, name: str) -> npt.NDArray[Any]:
        """Returns a constant."""
        array: npt.NDArray[Any] = numpy_helper.to_array(self._values[name])
        return array

    def back(self, name: str, kinds: tuple[str, ...]) -> list[onnx.NodeProto] | None:
        """Returns the makers of a tensor, of its first input, and so on; None if of other kinds."""
        chain = []
        for kind in kinds:
            node = self._makers.get(name)
            if node is None or node.op_type != kind:
                return None
            chain.append(node)
            name = node.input[0]
        return chain

    def ahead(self, name: str, kinds: tuple[str, ...]) -> list[onnx.NodeProto] | None:
        """Returns the only user of a tensor, of its output, and so on; None if of other kinds."""
        chain = []
        for kind in kinds:
            users = [node for node in self._graph.node if name in node.input]
            if len(users) != 1 or users[0].op_type != kind:
                return None
            chain.append(users[0])
            name = users[0].output[0]
        return chain

    def fits(self, convolution: onnx.NodeProto, chain: list[onnx.NodeProto]) -> bool:
        """Returns whether it is a 3x3 of stride 2 over an image that can be folded."""
        attributes = {a.name: helper.get_attribute_value(a) for a in convolution.attribute}
        return (
            list(attributes.get("kernel_shape", ())) == [3, 3]
            and list(attributes.get("strides", ())) == [STEP, STEP]
            and list(attributes.get("pads", ())) == [1, 1, 1, 1]
            and attributes.get("group", 1) == 1
            and len(convolution.input) == 3
            and chain[-1].input[0] == self._graph.input[0].name
            and self.width % COLUMNS == 0
            and self.height % STEP == 0
        )

    def put(self, name: str, value: object) -> str:
        """Adds a constant; returns its name."""
        array = np.array(value, np.int64) if isinstance(value, list) else np.asarray(value)
        self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def dequantised(
        self, name: str, value: npt.NDArray[Any], scale: npt.NDArray[np.float32]
    ) -> onnx.NodeProto:
        """Returns a node that makes `NAME_real` of a constant with a scale for each output."""
        zero = np.zeros(len(value), value.dtype)
        constants = [self.put(name, value), self.put(f"{name}_scale", scale)]
        constants.append(self.put(f"{name}_zero", zero))
        return helper.make_node("DequantizeLinear", constants, [f"{name}_real"], axis=0)

    def replace(self, old: list[onnx.NodeProto], new: list[onnx.NodeProto]) -> None:
        """Puts nodes in the place of others, at the start of the graph."""
        outputs = {node.output[0] for node in old}
        kept = [node for node in self._graph.node if node.output[0] not in outputs]
        del self._graph.node[:]
        self._graph.node.extend([*new, *kept])
        prune(self._graph)
        del self._graph.value_info[:]
