"""Edits that plant faults: after the pixels, at the outputs, in weights, in the manifest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from benchmarks.export_faults.fault import NotApplicableError
from onnx import TensorProto, helper, numpy_helper

from spotlet.boxes import FloatArray
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_export.graph.editing import sort_nodes
from spotlet_export.graph.suppression import manifest_of
from spotlet_training.network import DetectorSettings

MakeNodes = Callable[[str, str], Sequence[onnx.NodeProto]]
"""Returns the nodes that make a tensor (second name) of another (first name)."""

STRIDES = (8, 16, 32)
"""Canvas pixels from one cell to the next, of the usual three levels."""


def constant(model: onnx.ModelProto, value: npt.ArrayLike, dtype: type = np.float32) -> str:
    """Adds a constant; returns its name."""
    name = f"planted_constant_{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype), name))
    return name


def insert_after(model: onnx.ModelProto, tensor: str, make: MakeNodes) -> None:
    """Puts nodes between a tensor and all that read it."""
    planted = f"{tensor}_planted"
    for node in model.graph.node:
        node.input[:] = [planted if name == tensor else name for name in node.input]
    _add(model, make(tensor, planted))


def at_output(model: onnx.ModelProto, output: str, make: MakeNodes) -> None:
    """Puts nodes before an output of the graph, which keeps its name."""
    before = f"{output}_before_planted"
    for node in model.graph.node:
        node.input[:] = [before if name == output else name for name in node.input]
        node.output[:] = [before if name == output else name for name in node.output]
    _add(model, make(before, output))


def _add(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> None:
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]
    sort_nodes(model.graph)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """Returns a node with one output."""
    return helper.make_node(kind, list(inputs), [output], **attributes)


def float_pixels(model: onnx.ModelProto) -> tuple[str, tuple[int, ...]]:
    """Returns the tensor that first holds the canvas as floats, and a channel's shape in it.

    Raises:
        NotApplicableError: the graph reads its pixels in an unusual way.
    """
    makers = {name: each for each in model.graph.node for name in each.output}
    for each in model.graph.node:
        is_float = any(a.name == "to" and a.i == TensorProto.FLOAT for a in each.attribute)
        if each.op_type != "Cast" or not is_float:
            continue
        shape: tuple[int, ...] = (3,)
        source = each.input[0]
        while source in makers and makers[source].op_type in ("Transpose", "Gather", "Identity"):
            if makers[source].op_type == "Transpose":
                shape = (3, 1, 1)
            source = makers[source].input[0]
        if source == manifest_of(model).input.name:
            return each.output[0], shape
    raise NotApplicableError("no node turns the canvas into floats")


def normalisation(model: onnx.ModelProto) -> tuple[FloatArray, FloatArray]:
    """Returns mean and deviation, (3,) in the order of the graph's channels, of a network's input.

    The network computes on (pixel - mean) / deviation. If the graph does not divide, because an
    export moves the division into the first weights, the deviation is that of Spotlet's detectors.
    """
    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    values |= {
        each.output[0]: numpy_helper.to_array(each.attribute[0].t)
        for each in model.graph.node
        if each.op_type == "Constant" and each.attribute[0].HasField("t")
    }
    mean: FloatArray = np.zeros(3, np.float32)
    deviation: FloatArray = np.ones(3, np.float32)
    tensor, _ = float_pixels(model)
    while True:
        readers = [each for each in model.graph.node if tensor in each.input]
        if len(readers) != 1:
            break
        (reader,) = readers
        if reader.op_type in ("Sub", "Add", "Div", "Mul"):
            other = values.get(reader.input[-1])
            if other is None or other.size > 3:
                break
            factor = np.broadcast_to(np.ravel(other), 3).astype(np.float32)
            if reader.op_type in ("Sub", "Add"):
                sign = 1 if reader.op_type == "Sub" else -1
                mean = mean + sign * deviation * factor
            else:
                divides = reader.op_type == "Div"
                deviation = deviation * factor if divides else deviation / factor
        elif reader.op_type not in ("Transpose", "Identity"):
            break
        tensor = reader.output[0]
    if (deviation == 1).all():
        deviation = np.full(3, DetectorSettings(class_count=1).scale, np.float32)
    return mean, deviation


def change_pixels(model: onnx.ModelProto, factor: npt.ArrayLike, offset: npt.ArrayLike) -> None:
    """Lets the network see `pixel * factor + offset`, a number each or one for each channel."""
    tensor, shape = float_pixels(model)
    gain, shift = (
        constant(model, np.broadcast_to(np.asarray(each, np.float32), 3).reshape(shape))
        for each in (factor, offset)
    )
    insert_after(
        model,
        tensor,
        lambda before, after: [
            node("Mul", [before, gain], f"{after}_scaled"),
            node("Add", [f"{after}_scaled", shift], after),
        ],
    )


def normalise_as(model: onnx.ModelProto, mean: npt.ArrayLike, deviation: npt.ArrayLike) -> None:
    """Lets the network compute on (pixel - mean) / deviation, in 0 to 255, instead of its own."""
    own_mean, own_deviation = normalisation(model)
    factor = own_deviation / np.asarray(deviation, np.float32)
    change_pixels(model, factor, own_mean - factor * np.asarray(mean, np.float32))


def logits(model: onnx.ModelProto) -> None:
    """Removes the sigmoid of the scores: the node, or its effect if it is further back."""
    scores = manifest_of(model).output.scores
    maker = next(each for each in model.graph.node if scores in each.output)
    if maker.op_type == "Sigmoid":
        maker.op_type = "Identity"
        return
    least, most, one = (constant(model, value) for value in (1e-7, 1 - 1e-7, 1.0))
    at_output(
        model,
        scores,
        lambda before, after: [
            node("Clip", [before, least, most], f"{after}_inside"),
            node("Sub", [one, f"{after}_inside"], f"{after}_rest"),
            node("Div", [f"{after}_inside", f"{after}_rest"], f"{after}_odds"),
            node("Log", [f"{after}_odds"], after),
        ],
    )


def cells(model: onnx.ModelProto) -> int:
    """Returns K, the rows of boxes and scores for one canvas.

    Raises:
        NotApplicableError: the graph does not state it.
    """
    name = manifest_of(model).output.boxes
    output = next(each for each in model.graph.output if each.name == name)
    count = output.type.tensor_type.shape.dim[1].dim_value
    if not count:
        raise NotApplicableError("the number of cells is not fixed")
    return int(count)


def steps(model: onnx.ModelProto) -> FloatArray:
    """Returns (K,), each cell's stride in pixels.

    Raises:
        NotApplicableError: the cells are not those of strides 8, 16 and 32 in this order.
    """
    height, width = manifest_of(model).input.size_hw
    counts = [(height // stride) * (width // stride) for stride in STRIDES]
    if sum(counts) != cells(model):
        raise NotApplicableError("the cells are not those of strides 8, 16 and 32")
    return np.repeat(np.array(STRIDES, np.float32), counts)


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Returns the kernels of convolutions, in the order in which they are used.

    Raises:
        NotApplicableError: there are none.
    """
    tensors = {each.name: each for each in model.graph.initializer}
    names = [each.input[1] for each in model.graph.node if each.op_type == "Conv"]
    found = [tensors[name] for name in dict.fromkeys(names) if name in tensors]
    if not found:
        raise NotApplicableError("no convolution with constant weights")
    return found


def change_tensor(
    tensor: onnx.TensorProto, change: Callable[[FloatArray], npt.NDArray[Any]]
) -> None:
    """Replaces a constant's values by what a function makes of them."""
    values = change(numpy_helper.to_array(tensor).astype(np.float32))
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def middle_convolution(model: onnx.ModelProto) -> onnx.NodeProto:
    """Returns the convolution in the middle of the graph."""
    found: list[onnx.NodeProto] = [each for each in model.graph.node if each.op_type == "Conv"]
    if not found:
        raise NotApplicableError("no convolution")
    return found[len(found) // 2]


def change_manifest(model: onnx.ModelProto, part: str, **changes: Any) -> None:
    """Changes rules of the manifest.

    Args:
        model: its manifest is replaced.
        part: `input`, `output` or `detection`; empty for the manifest itself.
        changes: new values.
    """
    manifest = manifest_of(model)
    new: Manifest
    if part:
        new = replace(manifest, **{part: replace(getattr(manifest, part), **changes)})
    else:
        new = replace(manifest, **changes)
    helper.set_model_props(model, {METADATA_KEY: new.to_json()})
