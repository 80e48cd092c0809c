"""Random graphs, and a side that computes one of their nodes wrongly."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from spotlet.check.findings import Feeds, Opener, Session

Plant = Callable[[onnx.ModelProto], None]

CHANNELS, SIDE = 4, 12
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def on_cpu(level: str = "ENABLE_ALL", plant: Plant | None = None) -> Opener:
    """Returns a side on the CPU; `plant` changes each model before it is opened."""

    def open_model(content: bytes) -> Session:
        if plant is not None:
            model = onnx.load_from_string(content)
            plant(model)
            content = model.SerializeToString()
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return lambda names, feeds: session.run(list(names), dict(feeds))

    return open_model


def wrong_by(tensor: str, factor: float = 1.3) -> Plant:
    """Returns a plant that multiplies a tensor wherever a node writes it; shifts an integer one."""

    def plant(model: onnx.ModelProto) -> None:
        for place, node in enumerate(model.graph.node):
            if tensor in node.output:
                node.output[list(node.output).index(tensor)] = "right"
                for offset, each in enumerate(_wrong(node, tensor, factor), 1):
                    model.graph.node.insert(place + offset, each)
                return

    return plant


def _wrong(node: onnx.NodeProto, tensor: str, factor: float) -> list[onnx.NodeProto]:
    def constant(value: npt.NDArray[np.generic]) -> onnx.NodeProto:
        return helper.make_node("Constant", [], ["by"], value=numpy_helper.from_array(value))

    if node.op_type == "QuantizeLinear":  # to half the steps, or to 2.5 times as many
        return [
            helper.make_node("Cast", ["right"], ["wide"], to=TensorProto.INT32),
            constant(np.array(2, np.int32)),
            helper.make_node("Div", ["wide", "by"], ["halved"]),
            helper.make_node("Cast", ["halved"], [tensor], to=TensorProto.UINT8),
        ]
    return [
        helper.make_node("Cast", ["right"], ["float"], to=FLOAT),
        constant(np.array(factor, np.float32)),
        helper.make_node("Mul", ["float", "by"], ["scaled"]),
        helper.make_node("CastLike", ["scaled", "right"], [tensor]),
    ]


def random_graph(seed: int) -> tuple[bytes, Feeds]:
    """Returns a model with branches, skips, shared weights, float16 and eight-bit parts."""
    chosen = random.Random(seed)
    numbers = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    stored: dict[str, npt.NDArray[Any]] = {
        "kernel": numbers.normal(0, 0.3, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32),
        "bias": numbers.normal(0, 0.3, CHANNELS).astype(np.float32),
        "mix": numbers.normal(0, 0.4, (CHANNELS, 2 * CHANNELS, 1, 1)).astype(np.float32),
        "step": np.array(0.05, np.float32),
        "middle": np.array(128, np.uint8),
    }
    ready = ["image"]

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(nodes)}"
        nodes.append(
            helper.make_node(operator, list(inputs), [name], name=f"n_{name}", **attributes)
        )
        return name

    def step(x: str, kind: str) -> str:
        if kind == "Conv":
            return add("Conv", x, "kernel", "bias", pads=[1, 1, 1, 1])
        if kind == "Skip":
            return add("Add", x, chosen.choice(ready))
        if kind == "Concat":
            return add("Conv", add("Concat", x, chosen.choice(ready), axis=1), "mix")
        if kind == "Half":
            return add("Cast", add("Tanh", add("Cast", x, to=HALF)), to=FLOAT)
        if kind == "Eight":
            quantized = add("QuantizeLinear", x, "step", "middle")
            return add("DequantizeLinear", quantized, "step", "middle")
        if kind == "MaxPool":
            return add("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        if kind == "Transpose":
            return add("Transpose", add("Transpose", x, perm=[0, 1, 3, 2]), perm=[0, 1, 3, 2])
        return add(kind, x)

    kinds = ("Conv", "Relu", "Skip", "Concat", "Half", "Eight", "MaxPool", "Transpose", "Sigmoid")
    for _ in range(chosen.randint(8, 40)):
        # A late tensor more often than an early one: a deep graph with some branches.
        ready.append(step(chosen.choice(ready[-3:]), chosen.choice(kinds)))
    outputs = [add("Add", ready[-1], ready[-2]), add("Softmax", ready[-1], axis=1)]
    shape = [1, CHANNELS, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info("image", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name in outputs],
        [numpy_helper.from_array(values, name) for name, values in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    onnx.checker.check_model(model)
    image = numbers.normal(0, 1, shape).astype(np.float32)
    return model.SerializeToString(), {"image": image}
