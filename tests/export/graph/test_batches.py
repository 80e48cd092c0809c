"""A fixed batch, loosened: the same for the old batch, and for others where that can be."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet_export.graph.batches import (
    batch_of,
    narrow_places,
    with_late_copies,
    with_loose_batch,
)

BATCH = 4


def reshaping(*, merged: bool = False) -> onnx.ModelProto:
    """Of x (4, 3, 2, 2): y (4, 12), with the batch in shapes and constants.

    A reshape of four sides that are not the batch must stay; one of what is merged can only be so.
    """
    sides = {
        "flat": [BATCH, 12],
        "rest": [BATCH, 6, -1],
        "back": [BATCH, 3, 2, 2],
        "as_many": [BATCH, 12],
        "four": [4, 3],
        "all": [12],
        "merged": [BATCH * 12],
    }
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in sides.items()]
    shift = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2).repeat(BATCH, 0)
    constants.append(numpy_helper.from_array(shift, "shift"))
    constants.append(numpy_helper.from_array(np.arange(12, dtype=np.float32), "weights"))
    node = helper.make_node
    nodes = [
        node("Add", ["x", "shift"], ["shifted"]),
        node("Reshape", ["shifted", "rest"], ["split"]),
        node("Reshape", ["split", "back"], ["again"]),
        node("Reshape", ["weights", "four"], ["table"]),
        node("Reshape", ["table", "all"], ["row"]),
        node("Reshape", ["again", "flat"], ["rows"]),
        node("Expand", ["rows", "as_many"], ["expanded"]),
        node("Reshape", ["expanded", "merged"], ["one"]),
        node("Reshape", ["one" if merged else "expanded", "flat"], ["same"]),
        node("Mul", ["same", "row"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes if merged else [*nodes[:7], *nodes[8:]],
        "reshaping",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, 3, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [BATCH, 12])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def answer(model: onnx.ModelProto, pictures: int) -> Any:
    side = model.graph.input[0].type.tensor_type.shape.dim[0]
    side.Clear()
    del model.graph.output[0].type.tensor_type.shape.dim[:], model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = np.random.default_rng(1).normal(size=(BATCH, 3, 2, 2)).astype(np.float32)
    return session.run(None, {"x": given[:pictures]})[0]


@pytest.mark.parametrize("pictures", [1, 3, BATCH])
def test_a_loose_batch_computes_the_same_for_each_picture(pictures: int) -> None:
    assert batch_of(reshaping().graph, "x") == BATCH
    loose = with_loose_batch(reshaping(), "x", BATCH)
    wanted = answer(reshaping(), BATCH)
    np.testing.assert_array_equal(answer(loose, pictures), wanted[:pictures])


def test_a_narrow_place_is_one_that_all_pixels_pass() -> None:
    """A branch around a node makes it wide, constants beside it do not."""
    model = reshaping()
    kinds = [model.graph.node[place].output[0] for place in narrow_places(model, "x", ["y"])]
    assert kinds == ["shifted", "split", "again", "rows", "expanded", "same", "y"]
    model.graph.node[-1].input[1] = "split_again"
    around = helper.make_node("Reshape", ["split", "all"], ["split_again"])
    model.graph.node.insert(2, around)
    kinds = [model.graph.node[place].output[0] for place in narrow_places(model, "x", ["y"])]
    assert kinds == ["shifted", "split", "y"]


def test_copies_from_a_narrow_place_on_fill_what_needs_the_batch() -> None:
    model = reshaping(merged=True)
    wanted = answer(reshaping(merged=True), BATCH)
    with pytest.raises(Exception, match="cannot be reshaped"):
        answer(with_loose_batch(model, "x", BATCH), 1)
    (place,) = (
        place
        for place in narrow_places(model, "x", ["y"])
        if model.graph.node[place].output[0] == "expanded"
    )
    got = answer(with_late_copies(model, "x", BATCH, place), 1)
    np.testing.assert_array_equal(got, np.repeat(wanted[:1], BATCH, axis=0))
