"""Limits on what a graph may hold: far above what detectors need, far below what does harm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spotlet.errors import ModelFileError
from spotlet.text.plain import plain_line

MOST_NODES = 20_000
"""YOLO26n has 368."""

MOST_TENSORS = 40_000
"""YOLO26n stores 222."""

MOST_DEPTH = 4
"""Nesting of graphs in the attributes of nodes."""

MOST_RANK = 16
"""Axes of a stored tensor."""

MOST_ATTRIBUTES = 64
"""Attributes of one node."""

MOST_ELEMENTS = 2**28
"""Elements of one tensor: 1 GiB in float32."""

MOST_SIDE = 2**16
"""The largest value in an attribute or a small constant: kernels, strides, pads, sides."""

MOST_ENLARGEMENT = 64
"""The largest factor by which `Resize` may multiply one side."""

FLOAT, INT64, STRING = 1, 7, 8
"""Values of `TensorProto.DataType`."""

COMPLEX = frozenset({14, 15})
"""Types with two numbers per element."""

ELEMENT_BITS = {
    **{1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64},
    **{14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4},
    **{24: 8, 25: 2, 26: 2},
}
"""By `TensorProto.DataType`, for all but text and those of 6 bits."""

ENDLESS = frozenset({"Loop", "Scan", "SequenceMap"})
"""Operators that repeat a graph as often as the file says."""

ONNX_DOMAINS = frozenset({"", "ai.onnx"})
MICROSOFT = "com.microsoft"
MICROSOFT_OPERATORS = frozenset(
    {
        *("BiasGelu", "BiasSoftmax", "BiasSplitGelu", "DequantizeLinear", "DynamicQuantizeMatMul"),
        *("FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "GridSample"),
        *("LayerNormalization", "MatMulInteger16", "MatMulIntegerToFloat", "MatMulNBits"),
        *("NhwcFusedConv", "NhwcMaxPool", "QGemm", "QLinearAdd", "QLinearAveragePool"),
        *("QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu"),
        *("QLinearMul", "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere"),
        *("QuantizeLinear", "QuickGelu", "SimplifiedLayerNormalization", "SkipLayerNormalization"),
        "SkipSimplifiedLayerNormalization",
    }
)
"""onnxruntime's own operators that its quantisation and its optimiser write into detectors. Others,
such as `EPContext`, name files, or hold data that only another library checks."""

AT_LEAST_ONE = frozenset({"blocksize", "dilations", "group", "kernel_shape", "num_outputs"}) | {
    "strides"
}
"""Attributes that onnxruntime divides by or counts with."""

AT_LEAST_NONE = frozenset({"batch_dims"})
"""Attributes that onnxruntime uses unchecked as a number of axes: below 0, `GatherND` of 1.32 reads
outside its memory."""

BOUNDED = (
    AT_LEAST_ONE
    | AT_LEAST_NONE
    | {"output_padding", "output_shape", "pads", "axes", "axis", "perm"}
)
"""Attributes that hold sides or axes."""

SHAPE_INPUTS = {"ConstantOfShape": 0, "Expand": 1, "Reshape": 1, "Tile": 1, "Pad": 1}
"""The input that sets the shape of the operator's output."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A small stored tensor.

    Attributes:
        dims: its shape.
        kind: its `TensorProto.DataType`.
        values: int64 or float32, in order.
    """

    dims: tuple[int, ...]
    kind: int
    values: tuple[float, ...]


def check_operator(operator: str, domain: str) -> None:
    """Raises ModelFileError if an operator may run forever, read files, or is unknown."""
    shown = plain_line(operator, 60)
    if domain in ONNX_DOMAINS:
        if operator in ENDLESS:
            raise ModelFileError(
                f"contains the operator {shown}, which might never end; export it without loops"
            )
    elif domain != MICROSOFT or operator not in MICROSOFT_OPERATORS:
        raise ModelFileError(
            f"contains the operator {shown} of {plain_line(domain, 60)!r}; only those of ONNX and "
            "onnxruntime's quantised and fused ones are loaded"
        )


def check_attribute(operator: str, name: str, numbers: Sequence[int]) -> None:
    """Raises ModelFileError if an integer of a node's attribute is out of its range.

    It is too large, or 0 where onnxruntime would divide by it.
    """
    if name not in BOUNDED:
        return
    least = 1 if name in AT_LEAST_ONE else 0 if name in AT_LEAST_NONE else -MOST_SIDE
    most = MOST_RANK if name in AT_LEAST_NONE else MOST_SIDE
    if len(numbers) > MOST_SIDE or not all(least <= value <= most for value in numbers):
        raise ModelFileError(
            f"{plain_line(operator, 60)} has {name} {list(numbers[:8])!s}: must be from {least} "
            f"to {most}; export the model again"
        )


def check_growth(operator: str, inputs: Sequence[Constant | None]) -> None:
    """Checks that stored numbers do not make a node's output far too large.

    What a graph computes is bounded by `spotlet.model.limits`.

    Args:
        operator: of the node.
        inputs: its small stored tensors; None for any other input.

    Raises:
        ModelFileError: the output has over `MOST_ELEMENTS`, or is enlarged beyond
            `MOST_ENLARGEMENT`.
    """
    at = SHAPE_INPUTS.get(operator, len(inputs))
    shape = inputs[at] if at < len(inputs) else None
    if shape is not None and operator == "Pad":
        fits = all(abs(side) <= MOST_SIDE for side in shape.values)
    elif shape is not None:
        least = -1 if operator == "Reshape" else 0  # -1 there: the rest
        most = MOST_SIDE if operator == "Tile" else MOST_ELEMENTS
        fits = all(side >= least for side in shape.values) and _size(shape.values) <= most
    elif operator in ("Resize", "Upsample"):
        fits = all(_resizes(constant) for constant in inputs[1:] if constant is not None)
    elif operator == "Range" and len(inputs) == 3 and all(inputs):
        fits = _range_fits(inputs)
    else:
        return
    if not fits:
        raise ModelFileError(
            f"{operator} makes a tensor that is far too large; copy or export the model again"
        )


def _size(sides: Sequence[float]) -> float:
    return math.prod(max(abs(side), 1) for side in sides)


def _resizes(constant: Constant) -> bool:
    """Returns whether scales or sides are in the range that networks use."""
    if constant.kind == INT64:
        return all(0 <= side <= MOST_SIDE for side in constant.values)
    return all(abs(scale) <= MOST_ENLARGEMENT for scale in constant.values)


def _range_fits(inputs: Sequence[Constant | None]) -> bool:
    values = [constant.values for constant in inputs if constant is not None]
    if any(len(each) != 1 for each in values):
        return False
    (start,), (limit,), (delta,) = values
    if not all(map(math.isfinite, (start, limit, delta))) or delta == 0:
        return False
    return (limit - start) / delta <= MOST_ELEMENTS
