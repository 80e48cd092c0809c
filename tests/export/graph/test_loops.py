"""Loops of a fixed number of turns, unrolled, answer what onnxruntime answers for the loop."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet_export.graph.dependence import Dependence
from spotlet_export.graph.loops import turn_counter, unroll


def info(name: str, kind: int = TensorProto.FLOAT, shape: list[int] | None = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def looping(turns: str, opset: int = 17) -> onnx.ModelProto:
    """Of x (3,): a sum of its turn-fold, as often as `turns` says, and each term of it.

    The body stops by itself as well, where the number of the turn reaches 5; it reads `outer`.
    """
    body = helper.make_graph(
        [
            helper.make_node("Cast", ["turn"], ["factor"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["outer", "factor"], ["term"]),
            helper.make_node("Add", ["sum_in", "term"], ["sum_out"]),
            helper.make_node("Identity", ["term"], ["term_out"]),
            helper.make_node("Less", ["turn", "five"], ["go_on"]),
        ],
        "body",
        [info("turn", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("sum_in")],
        [info("go_on", TensorProto.BOOL, []), info("sum_out"), info("term_out")],
        [numpy_helper.from_array(np.array(5), "five")],
    )
    counts = {
        "three": [],
        "pictures": [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Squeeze", ["shape"], ["pictures"]),
        ],
        "found": [
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["found"], to=TensorProto.INT64),
        ],
        "long": [
            helper.make_node("NonZero", ["x"], ["places"]),
            helper.make_node("Size", ["places"], ["long"]),
        ],
    }
    loop = helper.make_node("Loop", [turns, "always", "x"], ["y", "terms"], body=body, name="loop")
    constants = [
        numpy_helper.from_array(np.array(True), "always"),
        numpy_helper.from_array(np.array(3), "three"),
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["outer"]), *counts[turns], loop],
        "looping",
        [info("x", shape=[3])],
        [info("y"), info("terms")],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model


def answers(model: onnx.ModelProto) -> list[Any]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": np.array([1, 2, 4], np.float32)}))


@pytest.mark.parametrize("opset", [12, 17])
@pytest.mark.parametrize("turns", ["three", "pictures"])
def test_an_unrolled_loop_computes_the_same(turns: str, opset: int) -> None:
    model = looping(turns, opset)
    place = len(model.graph.node) - 1
    wanted = answers(model)
    assert not Dependence(model.graph, ["x"]).turns_vary(model.graph.node[place])
    counter, _ = turn_counter(model, place)
    assert answers(counter)[0].size == 3
    unroll(model, place, 3)
    assert "Loop" not in {node.op_type for node in model.graph.node}
    for want, got in zip(wanted, answers(model), strict=True):
        np.testing.assert_array_equal(want, got)


@pytest.mark.parametrize("turns", ["found", "long"])
def test_turns_that_values_or_their_number_decide_vary(turns: str) -> None:
    graph = looping(turns).graph
    assert Dependence(graph, ["x"]).turns_vary(graph.node[-1])


def test_turns_that_the_body_ends_by_what_it_carries_vary() -> None:
    graph = looping("three").graph
    body = next(each.g for each in graph.node[-1].attribute if each.name == "body")
    end = body.node[-1]
    body.node.remove(end)
    body.node.extend(
        [
            helper.make_node("ReduceMax", ["sum_in"], ["most"], keepdims=0),
            helper.make_node("Less", ["most", "limit"], [end.output[0]]),
        ]
    )
    assert Dependence(graph, ["x"]).turns_vary(graph.node[-1])
    assert not Dependence(graph, []).turns_vary(graph.node[-1])
