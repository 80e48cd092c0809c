"""Networks with loops, as exporters of TensorFlow write them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from foreign_networks import Make, network
from onnx import TensorProto, helper, numpy_helper


def info(name: str, kind: int = TensorProto.FLOAT, shape: list[int] | None = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(model: onnx.ModelProto, name: str, value: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def loop(model: onnx.ModelProto, body: list[onnx.NodeProto], turns: str, **ports: Any) -> Any:
    """Returns a Loop: the outputs `carried` and `scanned` of the file are those of its body."""
    carried, scanned = ports.get("carried", {}), ports.get("scanned", {})
    body = [helper.make_node("Identity", ["go"], ["go_on"]), *body]
    graph = helper.make_graph(
        body,
        "body",
        [info("turn", TensorProto.INT64, []), info("go", TensorProto.BOOL, [])]
        + [info(f"{name}_in", kind) for name, kind in carried.items()],
        [info("go_on", TensorProto.BOOL, [])]
        + [info(f"{name}_out", kind) for name, kind in {**carried, **scanned}.items()],
    )
    always = constant(model, f"always_{turns}", True)
    starts = [f"{name}_start" for name in carried]
    return helper.make_node("Loop", [turns, always, *starts], [*carried, *scanned], body=graph)


def suppressing(make: Make, more: Sequence[onnx.NodeProto] = ()) -> onnx.ModelProto:
    """A network whose boxes pass a loop that takes as many turns as cells fire.

    Each turn also computes the nodes `more`.
    """
    model = network(make)
    for node in model.graph.node[-2:]:
        node.output[0] = f"{node.output[0]}_before"
    least = constant(model, "least", np.float32(0.3))
    scalar = constant(model, "scalar", np.array([], np.int64))
    body = [
        helper.make_node("Mul", ["out_boxes_before", "one"], ["boxes_one"]),
        helper.make_node("Identity", ["boxes_one"], ["out_boxes_out"]),
        helper.make_node("Mul", ["out_scores_before", "one"], ["scores_one"]),
        helper.make_node("Identity", ["scores_one"], ["out_scores_out"]),
        *more,
    ]
    constant(model, "one", np.float32(1))
    model.graph.node.extend(
        [
            helper.make_node("Identity", ["out_boxes_before"], ["out_boxes_start"]),
            helper.make_node("Identity", ["out_scores_before"], ["out_scores_start"]),
            helper.make_node("Greater", ["out_scores_before", least], ["fires"]),
            helper.make_node("Cast", ["fires"], ["numbers"], to=TensorProto.INT64),
            helper.make_node("ReduceMax", ["numbers"], ["most"], keepdims=0),
            helper.make_node("Reshape", ["most", scalar], ["turns"]),
            loop(
                model,
                body,
                "turns",
                carried={"out_boxes": TensorProto.FLOAT, "out_scores": TensorProto.FLOAT},
            ),
        ]
    )
    return model
