"""Where two graphs of the same network part: weights that differ, numbers that do not fit."""

from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.adoption.proof import HALF_TYPES
from spotlet_export.judging.graphs import (
    LARGEST_HALF,
    GraphSession,
    in_float32,
    with_float_input,
)

SAME_NETWORK = 0.8
"""Share of weights with the same name and shape from which two graphs are the same network."""

MOST_LISTED = 3


def differing_weights(a: onnx.ModelProto, b: onnx.ModelProto) -> str:
    """Returns which weights of two graphs of the same network differ, as text.

    Returns:
        Empty if the graphs do not have the same tensors, or all or none of them differ.
    """
    ours, theirs = _weights(a), _weights(b)
    common = [name for name in ours if name in theirs and ours[name].shape == theirs[name].shape]
    if not common or len(common) < SAME_NETWORK * max(len(ours), len(theirs)):
        return ""
    apart = {name: float(np.abs(ours[name] - theirs[name]).max(initial=0)) for name in common}
    wrong = sorted((name for name in common if apart[name]), key=lambda name: -apart[name])
    if not wrong or len(wrong) == len(common):
        return ""
    listed = ", ".join(f"{name} (up to {apart[name]:.2g})" for name in wrong[:MOST_LISTED])
    more = len(wrong) - MOST_LISTED
    return f"{len(wrong)} of {len(common)} weights differ: {listed}" + f" and {more} more" * (
        more > 0
    )


def differing_nodes(a: onnx.ModelProto, b: onnx.ModelProto) -> str:
    """Returns which nodes of two graphs of the same network differ, as text.

    Returns:
        Empty if all are the same, or the graphs are not of the same network.
    """
    ours, theirs = (Counter(node.op_type for node in each.graph.node) for each in (a, b))
    apart = [(ours - theirs).total(), (theirs - ours).total()]
    if sum(apart) > (1 - SAME_NETWORK) * ours.total():
        return ""
    if sum(apart):
        listed = [
            f"{name} alone has {', '.join(f'{count} {kind}' for kind, count in more.items())}"
            for name, more in (("A", ours - theirs), ("B", theirs - ours))
            if more
        ]
        return f"nodes: {'; '.join(listed)}"
    changed = [
        f"{one.op_type} {other.name or other.output[0]!r}"
        for one, other in zip(a.graph.node, b.graph.node, strict=True)
        if one.op_type == other.op_type and _attributes(one) != _attributes(other)
    ]
    if not changed:
        return ""
    more = len(changed) - MOST_LISTED
    return (
        f"attributes of {len(changed)} nodes differ: {', '.join(changed[:MOST_LISTED])}"
        + f" and {more} more" * (more > 0)
    )


def overflow(model: onnx.ModelProto, manifest: Manifest, canvas: ImageArray) -> str:
    """Returns the first result that float16 cannot hold, as text; empty if there is none.

    Args:
        model: computes in float16, at least in part.
        manifest: of the file.
        canvas: (H, W, 3) uint8 BGR.
    """
    floats = with_float_input(model, manifest.input.name)
    typed = onnx.shape_inference.infer_shapes(floats).graph
    halves = {
        each.name for each in typed.value_info if each.type.tensor_type.elem_type in HALF_TYPES
    }
    wide = in_float32(floats)
    if wide is None or not halves:
        return ""
    named = [(node, name) for node in wide.graph.node for name in node.output if name in halves]
    kind = onnx.helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    present = {each.name for each in wide.graph.output}
    wide.graph.output.extend(
        onnx.helper.make_value_info(name, kind) for _, name in named if name not in present
    )
    values = GraphSession(wide, manifest).values(canvas, [name for _, name in named])
    for (node, _), value in zip(named, values, strict=True):
        largest = float(np.abs(value).max(initial=0))
        if largest > LARGEST_HALF:
            return (
                f"{node.op_type} {node.name or node.output[0]!r} reaches {largest:.3g}; "
                f"float16 ends at {LARGEST_HALF:.0f}"
            )
    return ""


def _attributes(node: onnx.NodeProto) -> list[bytes]:
    return sorted(each.SerializeToString(deterministic=True) for each in node.attribute)


def _weights(model: onnx.ModelProto) -> dict[str, FloatArray]:
    kinds = (TensorProto.FLOAT, *HALF_TYPES)
    return {
        each.name: numpy_helper.to_array(each).astype(np.float32)
        for each in model.graph.initializer
        if each.data_type in kinds
    }
