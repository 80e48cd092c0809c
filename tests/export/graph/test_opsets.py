"""A newer opset becomes an older one only where nothing of the graph is newer."""

import onnx
import pytest
from onnx import TensorProto, helper

from spotlet_export.graph.opsets import opset_of, with_opset

NEWEST = onnx.defs.onnx_opset_version()


def model_of(node: onnx.NodeProto, opset: int) -> onnx.ModelProto:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
    graph = helper.make_graph([node], "one", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("opset", [11, 17, 21])
def test_an_opset_within_the_range_stays(opset: int) -> None:
    model = model_of(helper.make_node("Relu", ["x"], ["y"]), opset)
    assert with_opset(model, 11, 21) is model


def test_older_operators_are_converted() -> None:
    old = model_of(helper.make_node("Clip", ["x"], ["y"], min=0.0, max=1.0), 9)
    new = with_opset(old, 11, 21)
    assert opset_of(new) == 11
    assert [node.op_type for node in new.graph.node][-1] == "Clip"
    onnx.checker.check_model(new, full_check=True)


@pytest.mark.skipif(NEWEST < 22, reason="this onnx does not know it")
def test_a_newer_number_becomes_an_older_one() -> None:
    model = model_of(helper.make_node("Elu", ["x"], ["y"], alpha=2.0), 22)
    assert opset_of(with_opset(model, 11, 21)) == 21
    assert opset_of(model) == 22


@pytest.mark.parametrize(
    ("node", "opset", "why"),
    [
        (helper.make_node("BitCast", ["x"], ["y"], to=1), 26, "operator BitCast"),
        (helper.make_node("Cast", ["x"], ["y"], to=1, round_mode="up"), 24, "round_mode of Cast"),
        (helper.make_node("Relu", ["x"], ["y"]), 99, "knows opsets up to"),
    ],
)
def test_what_is_newer_is_named(node: onnx.NodeProto, opset: int, why: str) -> None:
    if NEWEST < opset < 99:
        pytest.skip("this onnx does not know it either")
    with pytest.raises(ValueError, match=why):
        with_opset(model_of(node, opset), 11, 21)
