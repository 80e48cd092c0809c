"""Exported graphs: their content, the time of one inference, and conversion between layouts."""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest, OutputRule

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort
from benchmarks.peers import turns
from benchmarks.peers.contender import ContenderError

WARM_UP = 10
ROUNDS = 9
CALLS = 20
"""Inferences of one graph in a round, before the next graph's turn."""

STRIDE = 32
"""Of the coarsest grid of Spotlet's networks; the peer's canvas must be a multiple of it."""

NORMALISATIONS: tuple[list[str], ...] = (["Sub", "Div"], ["Sub"], [])
"""Of Spotlet's graphs: the first exports divided, and `pico` takes bytes as they are."""

FLOAT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def count_parameters(path: Path) -> int:
    """Returns the number of floating-point weights in an ONNX file."""
    tensors = onnx.load(path).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type in FLOAT_TYPES)


def median_milliseconds(
    graphs: Mapping[str, Path], threads: int, rounds: int = ROUNDS
) -> dict[str, float]:
    """Returns the time of one inference for each graph, batch 1, on the CPU; they take turns.

    Args:
        graphs: files, by label.
        threads: of one inference; 0 leaves the choice to onnxruntime.
        rounds: turns of each.
    """
    sessions = {name: _open(path, threads) for name, path in graphs.items()}
    calls = {
        name: [partial(session.run, None, image_of_noise(session))] * CALLS
        for name, session in sessions.items()
    }
    return turns.median_milliseconds(calls, warm_up=WARM_UP, rounds=rounds)


def _open(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def image_of_noise(session: ort.InferenceSession) -> dict[str, npt.NDArray[np.generic]]:
    """Returns an image of the graph's input type and shape."""
    (image,) = session.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in image.shape]
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if image.type == "tensor(uint8)":
        return {image.name: pixels}
    return {image.name: pixels.astype(np.float32) / 255}


def in_peer_layout(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns Spotlet's float32 graph as the peer `ultralytics` reads a detector.

    The same network at the same cost: the input is `images` float32 (1, 3, H, W), RGB in [0, 1],
    whose scaling and colour order go into the first layers' numbers, and the output is `output0`
    float32 (1, 4 + C, K), centre, width and height in pixels of the canvas and then the scores.
    Source: docs.ultralytics.com, the layout of an exported detector before suppression, and the
    metadata of its own ONNX files.

    Args:
        model: from `spotlet_export.graph.graph.build_graph`; not modified.

    Raises:
        ContenderError: the graph begins differently, as the int8 variant does.
    """
    manifest = _manifest_of(model)
    height, width = manifest.input.size_hw
    graph = _copy(model).graph
    tensor, beginning = graph.input[0].name, list[onnx.NodeProto]()
    while node := next((each for each in graph.node if tensor in each.input[:1]), None):
        beginning.append(node)
        tensor = "" if node.op_type == "Conv" else node.output[0]
    kinds = [node.op_type for node in beginning]
    if kinds not in (["Transpose", "Cast", *middle, "Conv"] for middle in NORMALISATIONS):
        raise ContenderError(f"{manifest.name}: must begin as Spotlet's float32 graphs do")
    transpose, cast, *normalisation, convolution = beginning
    for node in normalisation:
        _replace(graph, node.input[1], lambda value: value / 255)
    gain = 1 if "Div" in kinds else 255
    _replace(graph, convolution.input[1], lambda weight: weight[:, ::-1] * np.float32(gain))
    [*normalisation, convolution][0].input[0] = "images"
    boxes, scores = manifest.output.boxes, manifest.output.scores
    before = [node for node in graph.node if node not in (transpose, cast)]
    sides = np.array([width, height], np.float32)
    constants: dict[str, npt.NDArray[np.generic]] = {
        "two": np.array([2, 2], np.int64),
        "sides": sides,
        "half": sides / 2,
    }
    after = [
        helper.make_node("Split", [boxes, "two"], ["least", "most"], axis=2),
        helper.make_node("Add", ["least", "most"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["centres"]),
        helper.make_node("Sub", ["most", "least"], ["spans"]),
        helper.make_node("Mul", ["spans", "sides"], ["spans_pixels"]),
        helper.make_node("Concat", ["centres", "spans_pixels", scores], ["cells"], axis=2),
        helper.make_node("Transpose", ["cells"], ["output0"], perm=[0, 2, 1]),
    ]
    cells = _sides(graph.output[0])[1]
    rewritten = _rebuilt(
        model,
        graph,
        [*before, *after],
        constants,
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width]),
        [("output0", [1, 4 + len(manifest.classes), cells])],
    )
    metadata = {
        "task": "detect", "stride": STRIDE, "batch": 1, "imgsz": [height, width], "channels": 3,
        "names": dict(enumerate(manifest.classes)), "end2end": False,
    }  # fmt: skip
    helper.set_model_props(rewritten, {key: str(value) for key, value in metadata.items()})
    return rewritten


def in_spotlet_layout(
    model: onnx.ModelProto, name: str, detection: DetectionRule
) -> onnx.ModelProto:
    """Returns a detector in the peer's layout as `spotlet run` reads one; undoes `in_peer_layout`.

    Args:
        model: one input (1, 3, H, W), one output (1, 4 + C, K), class names in the metadata under
            `names`; not modified.
        name: for the manifest.
        detection: for the manifest.

    Raises:
        ContenderError: the graph has another form.
    """
    graph = _copy(model).graph
    image, output = graph.input[0], graph.output[0]
    _, _, height, width = _sides(image)
    _, rows, cells = _sides(output)
    metadata = {item.key: item.value for item in model.metadata_props}
    classes = tuple(map(str, ast.literal_eval(metadata.get("names", "{}")).values()))
    if rows != 4 + len(classes):
        raise ContenderError(f"{name}: {rows} rows for {len(classes)} classes; must be 4 more")
    # Not `boxes` and `scores`, which the graph may already use inside.
    rule = OutputRule(boxes="unit_boxes", scores="class_scores")
    manifest = Manifest(
        name=name,
        classes=classes,
        input=InputRule(size_hw=(height, width)),
        output=rule,
        detection=detection,
    )
    before = [
        helper.make_node("Transpose", ["image"], ["planes_bgr"], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["planes_bgr", "reversed"], ["planes_rgb"], axis=1),
        helper.make_node("Cast", ["planes_rgb"], ["planes_real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["planes_real", "byte"], [image.name]),
    ]
    after = [
        helper.make_node("Transpose", [output.name], ["by_cell"], perm=[0, 2, 1]),
        helper.make_node(
            "Split", ["by_cell", "parts"], ["middles", "lengths", rule.scores], axis=2
        ),
        helper.make_node("Mul", ["middles", "unit"], ["middles_unit"]),
        helper.make_node("Mul", ["lengths", "half_unit"], ["reaches"]),
        helper.make_node("Sub", ["middles_unit", "reaches"], ["lower"]),
        helper.make_node("Add", ["middles_unit", "reaches"], ["upper"]),
        helper.make_node("Concat", ["lower", "upper"], [rule.boxes], axis=2),
    ]
    unit = 1 / np.array([width, height], np.float32)
    constants: dict[str, npt.NDArray[np.generic]] = {
        "reversed": np.array([2, 1, 0], np.int64),
        "byte": np.array(1 / 255, np.float32),
        "parts": np.array([2, 2, len(classes)], np.int64),
        "unit": unit,
        "half_unit": unit / 2,
    }
    rewritten = _rebuilt(
        model,
        graph,
        [*before, *graph.node, *after],
        constants,
        helper.make_tensor_value_info("image", TensorProto.UINT8, [1, height, width, 3]),
        [(rule.boxes, [1, cells, 4]), (rule.scores, [1, cells, len(classes)])],
    )
    helper.set_model_props(rewritten, {METADATA_KEY: manifest.to_json()})
    return rewritten


def _manifest_of(model: onnx.ModelProto) -> Manifest:
    for item in model.metadata_props:
        if item.key == METADATA_KEY:
            return Manifest.from_json(item.value)
    raise ContenderError("a graph without Spotlet's manifest")


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _replace(
    graph: onnx.GraphProto,
    name: str,
    change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating]],
) -> None:
    """Changes the numbers of a constant."""
    (tensor,) = (each for each in graph.initializer if each.name == name)
    values = np.ascontiguousarray(change(numpy_helper.to_array(tensor)), np.float32)
    # Not for a scalar: numpy turns it into a row.
    tensor.CopyFrom(numpy_helper.from_array(values.reshape(tuple(tensor.dims)), name))


def _sides(value: onnx.ValueInfoProto) -> list[int]:
    return [side.dim_value for side in value.type.tensor_type.shape.dim]


def _rebuilt(
    model: onnx.ModelProto,
    graph: onnx.GraphProto,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, npt.NDArray[np.generic]],
    image: onnx.ValueInfoProto,
    outputs: Sequence[tuple[str, list[int]]],
) -> onnx.ModelProto:
    """Returns a model of nodes, the graph's constants and others, checked."""
    given = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    wanted = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs
    ]
    whole = helper.make_graph(
        nodes, graph.name, [image], wanted, initializer=[*graph.initializer, *given]
    )
    rebuilt = helper.make_model(
        whole, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    onnx.checker.check_model(rebuilt, full_check=True)
    return rebuilt
