"""Edits leave the rest of a graph as it is."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet_export.graph.editing import prune, rename_tensors, sort_nodes


def branching() -> onnx.ModelProto:
    """y = outer + 1 where x > 0, else x; its branches read what stands outside of them."""
    inner = helper.make_node("Add", ["outer", "one"], ["sum"])
    result = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1])
    nodes = [
        helper.make_node("Mul", ["x", "ten"], ["outer"]),
        helper.make_node("Neg", ["x"], ["unused"]),
        helper.make_node("Greater", ["x", "zero"], ["many"]),
        helper.make_node("Squeeze", ["many"], ["condition"]),
        helper.make_node(
            "If",
            ["condition"],
            ["y"],
            then_branch=helper.make_graph([inner], "then", [], [result]),
            else_branch=helper.make_graph(
                [helper.make_node("Identity", ["outer"], ["kept"])],
                "else",
                [],
                [helper.make_tensor_value_info("kept", TensorProto.FLOAT, [1])],
            ),
        ),
    ]
    constants = [
        numpy_helper.from_array(np.array([value], np.float32), name)
        for name, value in (("ten", 10), ("zero", 0), ("one", 1), ("idle", 5))
    ]
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def answers(model: onnx.ModelProto) -> list[float]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [float(session.run(None, {name: np.array([x], np.float32)})[0][0]) for x in (2, -3)]


def test_names_change_within_branches_too_and_the_answers_stay() -> None:
    model = branching()
    rename_tensors(model.graph, {"outer": "boxes", "one": "scores", "x": "image", "sum": "total"})
    assert answers(model) == answers(branching()) == [21, -30]
    assert model.graph.input[0].name == "image"


def test_what_no_output_needs_goes_and_what_a_branch_reads_stays() -> None:
    model = branching()
    prune(model.graph)
    assert "Neg" not in {node.op_type for node in model.graph.node}
    assert {each.name for each in model.graph.initializer} == {"ten", "zero", "one"}
    assert answers(model) == [21, -30]


def test_nodes_are_sorted_after_those_that_they_read_within_branches_too() -> None:
    model = branching()
    choice = model.graph.node[-1]
    (then,) = (each.g for each in choice.attribute if each.name == "then_branch")
    (add,) = then.node
    then.node.insert(0, helper.make_node("Identity", [add.output[0]], ["last"]))
    then.output[0].name = "last"
    backwards = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(backwards)
    assert sort_nodes(model.graph)
    onnx.checker.check_model(model, full_check=True)
    assert answers(model) == [21, -30]
    assert not sort_nodes(model.graph)


def test_sorted_nodes_keep_their_order_and_late_ones_move_no_others() -> None:
    model = branching()
    kinds = [node.op_type for node in model.graph.node]
    first = model.graph.node[0]
    del model.graph.node[0]
    model.graph.node.append(first)
    assert sort_nodes(model.graph)
    # Neg and the condition need nothing of the late one, so they stay before it.
    assert [node.op_type for node in model.graph.node] == [*kinds[1:4], kinds[0], kinds[4]]


def test_nodes_in_a_circle_are_an_error() -> None:
    model = branching()
    model.graph.node[0].input[1] = "y"
    with pytest.raises(ValueError, match="waits for its own result"):
        sort_nodes(model.graph)
