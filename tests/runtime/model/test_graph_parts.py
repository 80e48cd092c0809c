"""Parts of a graph against the library that writes such files."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from planted_nodes import random_graph

from spotlet.errors import ModelFileError
from spotlet.model.graph_parts import GraphParts
from spotlet.model.graph_tensors import ELEMENT_TYPES
from spotlet.model.package import bundled_models, variants_of
from spotlet.model.wire import BYTES, VARINT, encode, fields

FILES = [path for folder in bundled_models().values() for path in variants_of(folder).values()]


@given(st.lists(st.tuples(st.integers(1, 2**20), st.binary() | st.integers(0, 2**64 - 1))))
def test_written_fields_are_read_again(written: list[tuple[int, bytes | int]]) -> None:
    content = b"".join(encode(of, value) for of, value in written)
    read = [
        (of, value if kind == VARINT else content[value:end])
        for of, kind, value, end in fields(content, 0, len(content))
        if kind in (VARINT, BYTES)
    ]
    assert read == written


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_bundled_model_has_the_parts_that_onnx_reads(path: Path) -> None:
    content = path.read_bytes()
    graph, parts = onnx.load_from_string(content).graph, GraphParts.of(content)
    assert [(each.name, each.operator) for each in parts.nodes] == [
        (node.name, node.op_type) for node in graph.node
    ]
    assert [each.writes for each in parts.nodes] == [tuple(node.output) for node in graph.node]
    assert [set(each.reads) for each in parts.nodes] == [
        {name for name in node.input if name} for node in graph.node
    ]
    assert list(parts.stored) == [each.name for each in graph.initializer]
    assert parts.inputs == tuple(each.name for each in graph.input)
    assert parts.outputs == tuple(each.name for each in graph.output)
    floats = [each for each in graph.initializer if each.data_type == TensorProto.FLOAT]
    assert [parts.describe(each.name) for each in floats] == [
        f"{each.name} float32 {list(each.dims)}" for each in floats
    ]


def test_a_copy_returns_intermediate_tensors_too_and_is_otherwise_the_same() -> None:
    content, feeds = random_graph(2)
    parts = GraphParts.of(content)
    names = [node.writes[0] for node in parts.nodes]
    exposing = parts.exposing(names)
    copied, model = onnx.load_from_string(exposing), onnx.load_from_string(content)
    added = [each.name for each in copied.graph.output][len(model.graph.output) :]
    assert sorted(added) == sorted(set(names) - set(parts.outputs))
    del copied.graph.output[len(model.graph.output) :]
    assert copied == model
    values = ort.InferenceSession(exposing).run(names, dict(feeds))
    assert all(np.isfinite(each.astype(float)).all() for each in values)


def test_some_nodes_compute_alone_what_they_compute_in_the_whole() -> None:
    content, feeds = random_graph(3)
    parts = GraphParts.of(content)
    names = [node.writes[0] for node in parts.nodes]
    values = dict(
        zip(names, ort.InferenceSession(parts.exposing(names)).run(names, dict(feeds)), strict=True)
    )
    values.update(feeds)
    for place in range(2, len(parts.nodes), 3):
        places = {place, place - 1, place - 2}
        written = {name for each in places for name in parts.nodes[each].writes}
        read = {name for each in places for name in parts.nodes[each].reads}
        given = {name: values[name] for name in read - written - parts.stored.keys()}
        wanted = {names[place]: values[names[place]]}
        part = parts.extract(places, given, wanted)
        onnx.checker.check_model(part, full_check=True)
        [found] = ort.InferenceSession(part).run(None, given)
        np.testing.assert_allclose(
            found.astype(float), wanted[names[place]].astype(float), atol=1e-3
        )
        stored = {each.name for each in onnx.load_from_string(part).graph.initializer}
        assert stored == read & parts.stored.keys()


def test_what_a_branch_takes_from_outside_is_read_by_its_node() -> None:
    def branch(name: str, outer: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Mul", [outer, "own"], [f"{name}_inner"]),
            helper.make_node("Neg", [f"{name}_inner"], [name]),
        ]
        returned = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        own = numpy_helper.from_array(np.array(2, np.float32), "own")
        return helper.make_graph(nodes, name, [], [returned], [own])

    chosen = helper.make_node(
        "If", ["flag"], ["y"], then_branch=branch("a", "x"), else_branch=branch("b", "twice")
    )
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"]), chosen]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
    ]
    returned = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "g", inputs, [returned])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    parts = GraphParts.of(model.SerializeToString())
    assert parts.nodes[1].reads == ("flag", "twice", "x")
    assert parts.ancestors(["y"]) == [0, 1]
    assert parts.varying() == {"x", "flag", "twice", "y"}


def test_types_are_numbered_as_in_onnx() -> None:
    for name, number in ELEMENT_TYPES.items():
        assert helper.np_dtype_to_tensor_dtype(np.dtype(name)) == number


def test_a_type_that_a_file_cannot_hold_is_refused() -> None:
    content, _ = random_graph(0)
    with pytest.raises(ModelFileError, match="image: is of type complex64"):
        GraphParts.of(content).extract([0], {"image": np.zeros(1, np.complex64)}, {})


def test_a_file_that_is_not_onnx_is_refused() -> None:
    with pytest.raises(ModelFileError, match="not a complete ONNX file"):
        GraphParts.of(b"\x07")


def test_a_node_with_two_names_is_refused_in_one_line() -> None:
    content, _ = random_graph(0)
    graph = onnx.load_from_string(content).graph
    twice = graph.node[0].SerializeToString() + encode(3, b"again")
    spoilt = onnx.load_from_string(content)
    del spoilt.graph.node[:]
    whole = spoilt.graph.SerializeToString()
    nodes = [twice, *(node.SerializeToString() for node in graph.node[1:])]
    whole += b"".join(encode(1, node) for node in nodes)
    with pytest.raises(ModelFileError, match="may appear once appears twice") as raised:
        GraphParts.of(encode(8, encode(2, 19)) + encode(7, whole))
    assert "\n" not in str(raised.value)
