"""Columns into channels: the first layer, made wide enough for integer kernels.

Of three channels an integer kernel gathers 27 bytes for every output, one by one, and that is most
of its time: the first layer of `pico` at 384 pixels took 0.96 ms of 4.6, this way 0.36 (one thread,
onnxruntime 1.32). A picture of (H, W, 3) bytes is, without moving one, a picture of (H, W/8, 24),
and the 3x3 convolution of stride 2 over it one of 3x2 whose 4C outputs are four columns of the C
outputs before: the same products and sums, some weights zero.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

COLUMNS = 8
"""Columns of the picture that become channels of one."""

STEP = 2
"""Stride of the first layer."""

PREFIX = ("DequantizeLinear", "QuantizeLinear", "Div", "Sub", "Cast", "Transpose")
"""From the first convolution back to the picture."""


def fold_columns(model: onnx.ModelProto) -> bool:
    """Rewrites the first layer of a quantised network, in place; returns whether it could.

    Precondition: QDQ form. Postcondition: the same integers after the first layer, but for the
    input's rounding: (byte - 127.5) / 64 is now exact, where it was rounded to eight bits, and
    beyond the border lies 128 instead of 127.5. A network that begins otherwise, or whose first
    layer is in float, stays as it was.
    """
    graph = _Graph(model)
    convolution = next((n for n in model.graph.node if n.op_type == "Conv"), None)
    if convolution is None:
        return False
    chain = graph.back(convolution.input[0], PREFIX)
    after = graph.ahead(convolution.output[0], ("QuantizeLinear", "DequantizeLinear"))
    if chain is None or after is None or not graph.fits(convolution, chain):
        return False
    weights = graph.back(convolution.input[1], ("DequantizeLinear",))
    biases = graph.back(convolution.input[2], ("DequantizeLinear",))
    if weights is None or biases is None:
        return False
    divisor, offset = (float(graph.value(chain[n].input[1])) for n in (2, 3))
    zero = int(np.ceil(offset))
    weight, weight_scale = (graph.value(name) for name in weights[0].input[:2])
    bias, bias_scale = (graph.value(name) for name in biases[0].input[:2])
    # The picture's zero point is a whole number: what it is off by goes into the bias.
    sums = weight.astype(np.float64).sum(axis=(1, 2, 3)) * weight_scale
    real_bias = bias * bias_scale.astype(np.float64) + (zero - offset) / divisor * sums
    new_scale = (weight_scale / divisor).astype(np.float32)
    new_bias = np.round(real_bias / new_scale).astype(np.int32)
    image = chain[-1].input[0]
    width = graph.width
    channels = len(weight)
    scale, zero_point = after[0].input[1:3]
    times = COLUMNS // STEP
    nodes = [
        helper.make_node(
            "Reshape", [image, graph.put("fold", [0, 0, width // COLUMNS, 3 * COLUMNS])], ["folded"]
        ),
        helper.make_node(
            "DequantizeLinear",
            [
                "folded",
                graph.put("image_scale", np.float32(1 / divisor)),
                graph.put("image_zero", np.uint8(zero)),
            ],
            ["folded_real"],
        ),
        helper.make_node("Transpose", ["folded_real"], ["folded_planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "DequantizeLinear",
            [
                graph.put("folded_weight", fold_weight(weight)),
                graph.put("folded_weight_scale", np.tile(weight_scale, times)),
                graph.put("folded_weight_zero", np.zeros(times * channels, np.int8)),
            ],
            ["folded_weight_real"],
            axis=0,
        ),
        helper.make_node(
            "DequantizeLinear",
            [
                graph.put("folded_bias", np.tile(new_bias, times)),
                graph.put("folded_bias_scale", np.tile(new_scale, times)),
                graph.put("folded_bias_zero", np.zeros(times * channels, np.int32)),
            ],
            ["folded_bias_real"],
            axis=0,
        ),
        helper.make_node(
            "Conv",
            ["folded_planes", "folded_weight_real", "folded_bias_real"],
            ["columns"],
            kernel_shape=[3, 2],
            strides=[STEP, 1],
            pads=[1, 1, 0, 0],
        ),
        helper.make_node("QuantizeLinear", ["columns", scale, zero_point], ["columns_bytes"]),
        helper.make_node(
            "DequantizeLinear", ["columns_bytes", scale, zero_point], ["columns_real"]
        ),
        helper.make_node("Transpose", ["columns_real"], ["columns_last"], perm=[0, 2, 3, 1]),
        helper.make_node(
            "Reshape",
            ["columns_last", graph.put("unfold", [0, 0, width // STEP, channels])],
            ["unfolded_last"],
        ),
        helper.make_node("Transpose", ["unfolded_last"], ["unfolded"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["unfolded", scale, zero_point], ["unfolded_bytes"]),
        helper.make_node(
            "DequantizeLinear", ["unfolded_bytes", scale, zero_point], [after[1].output[0]]
        ),
    ]
    graph.replace([*chain, *weights, *biases, convolution, *after], nodes)
    return True


def fold_weight(weight: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Returns the weights over folded columns that do what a 3x3 convolution of stride 2 does.

    Args:
        weight: (C, 3, 3, 3): outputs, colours, rows, columns; padded by 1.

    Returns:
        (4C, 24, 3, 2), padded by 1 above and to the left.
    """
    channels = len(weight)
    folded = np.zeros((COLUMNS // STEP * channels, 3 * COLUMNS, 3, 2), weight.dtype)
    for output in range(COLUMNS // STEP):
        for tap in range(3):
            # Counted from the first column of the cell to the left.
            cell, column = divmod(COLUMNS + STEP * output - 1 + tap, COLUMNS)
            rows = slice(output * channels, (output + 1) * channels)
            folded[rows, 3 * column : 3 * column + 3, :, cell] = weight[:, :, :, tap]
    return folded


class _Graph:
    """A graph to look up and to change."""

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
        """Returns whether it is a 3x3 of stride 2 over a picture that can be folded."""
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

    def replace(self, old: list[onnx.NodeProto], new: list[onnx.NodeProto]) -> None:
        """Puts nodes in the place of others, at the graph's beginning."""
        outputs = {node.output[0] for node in old}
        kept = [node for node in self._graph.node if node.output[0] not in outputs]
        del self._graph.node[:]
        self._graph.node.extend([*new, *kept])
        used = {name for node in self._graph.node for name in node.input}
        constants = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(constants)
        del self._graph.value_info[:]
