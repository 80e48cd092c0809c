"""Graphs that must not reach onnxruntime, each made by the library that writes honest ones."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from conftest import squares_graph
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from spotlet.errors import ModelFileError
from spotlet.model import wire
from spotlet.model.graph_file import GraphFacts, check_graph_file
from spotlet.model.graph_rules import ELEMENT_BITS, MOST_DEPTH, MOST_NODES, MOST_TENSORS
from spotlet.model.package import bundled_models, variants_of
from spotlet.session import ModelSession

FILES = [path for folder in bundled_models().values() for path in variants_of(folder).values()]

Change = Callable[[onnx.ModelProto], object]


def _refused(change: Change, match: str) -> None:
    model = squares_graph()
    change(model)
    with pytest.raises(ModelFileError, match=match) as raised:
        check_graph_file(model.SerializeToString())
    assert "\n" not in str(raised.value)


def _node(operator: str, inputs: list[str], **attributes: Any) -> Change:
    made = helper.make_node(operator, inputs, ["made"], **attributes)
    return lambda model: model.graph.node.append(made)


def _stored(values: npt.NDArray[Any], name: str = "stored") -> Change:
    return lambda model: model.graph.initializer.append(numpy_helper.from_array(values, name))


def _both(*changes: Change) -> Change:
    return lambda model: [change(model) for change in changes]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_bundled_model_passes_and_is_counted_as_onnx_counts(path: Path) -> None:
    content = path.read_bytes()
    graph = onnx.load_from_string(content).graph
    facts = check_graph_file(content)
    constants = sum(each.HasField("t") for node in graph.node for each in node.attribute)
    assert (facts.nodes, facts.tensors) == (len(graph.node), len(graph.initializer) + constants)


def test_constants_are_counted_through_shapes_and_nodes() -> None:
    model = squares_graph()
    before = check_graph_file(model.SerializeToString())
    assert before.constant_nodes == 2  # the next column, the next row
    _node("Shape", ["image"])(model)
    model.graph.node.append(helper.make_node("Abs", ["made"], ["more"]))
    model.graph.node.append(helper.make_node("Abs", ["image"], ["varies"]))
    after = check_graph_file(model.SerializeToString())
    assert after == GraphFacts(before.nodes + 3, before.tensors, before.constant_nodes + 2)


@pytest.mark.parametrize("location", ["weights.bin", "../../secret", "/etc/passwd", "*/_ORT_MEM_"])
def test_weights_in_another_file_are_refused(location: str) -> None:
    def move(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.external_data.add(key="location", value=location)
        tensor.data_location = TensorProto.EXTERNAL

    _refused(move, "lies in another file")


def test_either_sign_of_weights_elsewhere_is_enough() -> None:
    _refused(
        lambda model: setattr(model.graph.initializer[0], "data_location", TensorProto.EXTERNAL),
        "lies in another file",
    )
    _refused(
        lambda model: model.graph.initializer[0].external_data.add(key="location", value="x"),
        "lies in another file",
    )


def test_weights_elsewhere_in_an_attribute_of_a_subgraph_are_refused() -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "i", [], [])
    _refused(_node("If", ["image"], then_branch=inner, else_branch=inner), "in another file")


def test_nothing_is_opened_when_weights_are_elsewhere(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    path = save_squares_model(tmp_path / "m.onnx")
    pipe = tmp_path / "pipe"  # who opens it waits for ever
    os.mkfifo(pipe)
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.external_data.add(key="location", value="pipe")
    tensor.data_location = TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"m\.onnx: tensor .* lies in another file"):
        ModelSession(path)


@pytest.mark.parametrize(
    ("dims", "match"),
    [
        ([2**62], "over 268435456 elements"),
        ([0, 2**62], "over 268435456 elements"),
        ([-1, 4], "has the shape"),
        ([1] * 17, "has the shape"),
        ([119], "do not agree"),
        ([], "do not agree"),
    ],
)
def test_a_shape_that_its_bytes_do_not_fill_is_refused(dims: list[int], match: str) -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(each for each in model.graph.initializer if each.name == "rows")
        del tensor.dims[:]
        tensor.dims.extend(dims)

    _refused(change, match)


def test_a_tensor_of_an_unknown_type_is_refused() -> None:
    def change(model: onnx.ModelProto, kind: int) -> None:
        model.graph.initializer[0].data_type = kind

    for kind in (0, 99, -1):
        _refused(partial(change, kind=kind), "has the unknown type")


def test_every_type_of_onnx_is_known_with_its_size() -> None:
    for name, kind in TensorProto.DataType.items():
        if name not in ("UNDEFINED", "STRING", "FLOAT6E2M3", "FLOAT6E3M2"):
            values = np.zeros(8, helper.tensor_dtype_to_np_dtype(kind))
            raw = numpy_helper.from_array(values).raw_data
            assert len(raw) * 8 == ELEMENT_BITS[kind] * 8, name


@pytest.mark.parametrize("kind", ["FLOAT", "INT64", "INT32", "DOUBLE", "UINT8", "STRING"])
def test_values_that_are_not_raw_bytes_are_counted(kind: str) -> None:
    values: list[Any] = [b"a", b"b", b"c"] if kind == "STRING" else [1, 200, 7]
    tensor = helper.make_tensor("typed", getattr(TensorProto, kind), [3], values)
    model = squares_graph()
    model.graph.initializer.append(tensor)
    check_graph_file(model.SerializeToString())
    model.graph.initializer[-1].dims[0] = 5
    with pytest.raises(ModelFileError, match="do not agree"):
        check_graph_file(model.SerializeToString())


@pytest.mark.parametrize(
    ("operator", "values", "inputs"),
    [
        ("ConstantOfShape", [2**20, 2**20], ["stored"]),
        ("ConstantOfShape", [-1], ["stored"]),
        ("Expand", [4096, 4096, 4096], ["image", "stored"]),
        ("Tile", [1, 1000, 1000, 1], ["image", "stored"]),
        ("Reshape", [2**40, -1], ["image", "stored"]),
        ("Pad", [0, 0, 2**30, 0, 0, 0, 0, 0], ["image", "stored"]),
        ("Range", [2**40], ["zero_i", "stored", "one_i"]),
        ("Range", [5], ["zero_i", "stored", "zero_i"]),
        ("Resize", [1, 3, 2**31, 2], ["image", "", "", "stored"]),
    ],
)
def test_a_constant_that_makes_too_much_of_too_little_is_refused(
    operator: str, values: list[int], inputs: list[str]
) -> None:
    numbers = np.array(values[0] if operator == "Range" else values)
    constants = (_stored(np.array(0), "zero_i"), _stored(np.array(1), "one_i"))
    change = _both(*constants, _stored(numbers), _node(operator, inputs))
    _refused(change, f"{operator} makes a tensor that is far too large")


def test_the_same_holds_of_a_constant_node_and_of_scales() -> None:
    huge = numpy_helper.from_array(np.array([2**40]))
    constant = helper.make_node("Constant", [], ["c"], value=huge)
    of_node = _both(lambda m: m.graph.node.append(constant), _node("ConstantOfShape", ["c"]))
    _refused(of_node, "far too large")
    scales = _stored(np.array([1, 1, 1000, 1], np.float32))
    _refused(_both(scales, _node("Resize", ["image", "", "stored"])), "far too large")


@pytest.mark.parametrize(
    ("name", "value"),
    [("strides", [0, 1]), ("dilations", [1, 2**40]), ("group", 0), ("kernel_shape", [-1, 3])],
)
def test_an_attribute_that_onnxruntime_would_divide_by_is_checked(name: str, value: Any) -> None:
    _refused(_node("Conv", ["image", "image"], **{name: value}), f"Conv has {name}")


@pytest.mark.parametrize("value", [-1, -100, 17])
def test_batch_axes_that_crash_onnxruntime_are_refused(value: int) -> None:
    _refused(_node("GatherND", ["image", "axis_1"], batch_dims=value), "GatherND has batch_dims")


@pytest.mark.parametrize("operator", ["Loop", "Scan", "SequenceMap"])
def test_what_may_never_end_is_refused(operator: str) -> None:
    _refused(_node(operator, ["image"]), "might never end")


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("EPContext", "com.microsoft"), ("TreeEnsemble", "ai.onnx.ml"), ("Own", "com.own")],
)
def test_operators_that_are_not_known_are_refused(operator: str, domain: str) -> None:
    _refused(_node(operator, ["image"], domain=domain), f"contains the operator {operator}")


def test_operators_of_onnxruntimes_own_quantisation_are_not() -> None:
    model = squares_graph()
    _node("QLinearAdd", ["image"], domain="com.microsoft")(model)
    check_graph_file(model.SerializeToString())


def test_graphs_in_graphs_are_refused_at_any_depth() -> None:
    def nest(model: onnx.ModelProto, depth: int) -> None:
        inner = helper.make_graph([], "inner", [], [])
        for _ in range(depth):
            inner = helper.make_graph(
                [helper.make_node("If", [], ["x"], then_branch=inner)], "outer", [], []
            )
        model.graph.node.extend(inner.node)

    model = squares_graph()
    nest(model, MOST_DEPTH)
    check_graph_file(model.SerializeToString())
    for depth in (MOST_DEPTH + 1, 20):
        _refused(partial(nest, depth=depth), "nests graphs deeper than")


def test_more_nodes_or_tensors_than_a_detector_has_are_refused() -> None:
    node = helper.make_node("Abs", ["image"], ["x"])
    _refused(lambda model: model.graph.node.extend([node] * (MOST_NODES + 1)), "nodes, the most")
    tensor = numpy_helper.from_array(np.zeros(0, np.float32), "t")
    _refused(
        lambda model: model.graph.initializer.extend([tensor] * (MOST_TENSORS + 1)), "tensors, the"
    )
    many = {f"a{n}": n for n in range(65)}
    _refused(_node("Abs", ["image"], **many), "attributes")


def test_sparse_tensors_functions_and_training_are_refused() -> None:
    _refused(lambda model: model.graph.sparse_initializer.add(), "sparse")
    _refused(lambda model: model.functions.add(name="f"), "contains its own functions")
    _refused(lambda model: model.training_info.add(), "contains training")


def test_a_ring_and_a_name_that_nothing_gives_are_refused() -> None:
    _refused(_node("Abs", ["made"]), "has the input 'made', which nothing before it produces")
    _refused(_node("Abs", ["no\x1bsuch"]), r"has the input 'no\?such'")


def test_what_stands_twice_could_be_read_in_two_ways_and_is_refused() -> None:
    content = squares_graph().SerializeToString()
    with pytest.raises(ModelFileError, match="it holds 2 graphs"):
        check_graph_file(content + b"\x3a\x00")


def test_a_file_cut_anywhere_is_refused_or_holds_no_less_than_the_graph() -> None:
    model = squares_graph()
    content = model.SerializeToString()
    graph_ends = len(content) - len(content.partition(model.graph.SerializeToString())[2])
    for length in range(graph_ends):
        with pytest.raises(ModelFileError, match="not a complete ONNX file"):
            check_graph_file(content[:length])


def test_a_message_of_more_fields_than_memory_should_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = squares_graph().SerializeToString()
    monkeypatch.setattr(wire, "MOST_FIELDS", 5)
    with pytest.raises(ModelFileError, match="a message has over 5 fields"):
        check_graph_file(content)


@pytest.mark.parametrize("field", ["name", "data_type", "raw_data"])
def test_a_field_of_a_tensor_that_appears_twice_is_refused(field: str) -> None:
    content = squares_graph().SerializeToString()
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, raw_data=b"")
    twice = TensorProto()
    setattr(twice, field, getattr(tensor, field))
    stored = onnx.GraphProto(initializer=[tensor]).SerializeToString()[2:]
    doubled = stored + twice.SerializeToString()
    graph = onnx.load_from_string(content).graph.SerializeToString()
    graph += _field(5, doubled)
    with pytest.raises(ModelFileError, match="a field that may appear once appears twice"):
        check_graph_file(_field(7, graph))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, as Protocol Buffers write it."""
    size, written = len(content), b""
    while size > 127:
        written, size = written + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + written + bytes([size]) + content


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(content: bytes) -> None:
    with pytest.raises(ModelFileError):
        check_graph_file(content)
