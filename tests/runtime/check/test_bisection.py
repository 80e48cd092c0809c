"""Does bisection find the node that one side computes wrongly?"""

import math
import random
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from planted_nodes import Plant, on_cpu, random_graph, wrong_by

from spotlet.check.bisection import locate
from spotlet.check.differences import Difference, measure
from spotlet.check.findings import Feeds, Located, Opener, Session, Sides
from spotlet.check.probe import synthetic_canvases
from spotlet.errors import ModelFileError
from spotlet.model.graph_parts import GraphParts
from spotlet.model.package import bundled_models
from spotlet.session import ModelSession


class Counted:
    """An opener that counts its sessions."""

    def __init__(self, opener: Opener) -> None:
        self.opener, self.count = opener, 0

    def __call__(self, content: bytes) -> Session:
        self.count += 1
        return self.opener(content)


def search(content: bytes, pictures: Sequence[Feeds], plant: Plant | None) -> Located | Difference:
    """Locates what was planted, and checks the number of runs and that the part differs alone."""
    suspect = Counted(on_cpu(plant=plant))
    sides = Sides(reference=on_cpu(), steady=on_cpu("DISABLE_ALL"), suspect=suspect)
    found = locate(content, pictures, sides)
    if isinstance(found, Located):
        assert found.runs == suspect.count <= math.log2(found.total) + 5
        onnx.checker.check_model(found.part.content, full_check=True)
        names, feeds = list(found.part.wanted), found.part.feeds
        [wanted] = on_cpu()(found.part.content)(names, feeds)
        [wrong] = suspect.opener(found.part.content)(names, feeds)
        again = measure(names[0], wanted, wrong)
        assert again.largest == pytest.approx(found.part.difference.largest)
    return found


def planted_in(content: bytes, pictures: Sequence[Feeds], seed: int) -> tuple[int, Located]:
    """Plants in a random node of those that matter to the outputs; returns it and the finding."""
    nodes = onnx.load_from_string(content).graph.node
    for place in random.Random(seed).sample(range(len(nodes)), len(nodes)):
        found = search(content, pictures, wrong_by(nodes[place].output[0]))
        if isinstance(found, Located):
            return place, found
    raise AssertionError("no node matters")


@pytest.mark.parametrize("seed", range(18))
def test_the_planted_node_is_found_in_a_random_graph(seed: int) -> None:
    content, feeds = random_graph(seed)
    place, found = planted_in(content, [feeds], seed)
    assert found.node.place == place
    assert (found.alone, found.part.level) == (True, 0)


@pytest.mark.parametrize("file", ["cells/model.onnx", "garments/model.int8.onnx"])
def test_the_planted_node_is_found_in_a_bundled_model(file: str) -> None:
    name, _, variant = file.partition("/")
    path = bundled_models()[name] / variant
    rule = ModelSession(path).manifest.input
    pictures = [{rule.name: canvas[np.newaxis]} for canvas in synthetic_canvases(rule.size_hw)]
    place, found = planted_in(path.read_bytes(), pictures, 3)
    assert found.node.place == place
    assert found.alone
    varying = GraphParts.of(path.read_bytes()).varying()
    assert varying.issuperset(found.part.feeds)


def test_sides_that_agree_have_nothing_to_locate() -> None:
    content, feeds = random_graph(0)
    found = search(content, [feeds], plant=None)
    assert isinstance(found, Difference)
    assert found.largest == 0


def chain(*operators: str) -> tuple[bytes, Feeds]:
    """A model of operators in a row; the second input of those that have two is 0.5.

    `Enlarge` multiplies by 1000. The output of each is named t and its place.
    """
    nodes, last = [], "x"
    for place, operator in enumerate(operators):
        inputs = [last, "half"] if operator in ("Add", "Sub", "Mul") else [last]
        if operator == "Enlarge":
            operator, inputs = "Mul", [last, "thousand"]
        last = f"t{place}"
        nodes.append(helper.make_node(operator, inputs, [last]))
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [64])
    returned = helper.make_tensor_value_info(last, TensorProto.FLOAT, [64])
    stored = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("half", 0.5), ("thousand", 1000))
    ]
    graph = helper.make_graph(nodes, "chain", [shape], [returned], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    return model.SerializeToString(), {"x": np.linspace(-1, 1, 64, dtype=np.float32)}


def test_a_fault_that_shows_only_when_two_nodes_are_fused_is_located_in_both() -> None:
    content, feeds = chain("Tanh", "Mul", "Softsign", "Relu", "Add", "Tanh")

    def fused(model: onnx.ModelProto) -> None:
        """Softsign and Relu compute wrongly together, unless something reads what is between."""
        returned = {each.name for each in model.graph.output}
        if {"t2", "t3"} <= {each for node in model.graph.node for each in node.output} - (
            returned - {"t3"}
        ):
            wrong_by("t3")(model)

    found = search(content, [feeds], fused)
    assert isinstance(found, Located)
    assert (found.node.place, found.node.operator) == (3, "Relu")
    assert found.alone
    assert [node.operator for node in found.part.nodes] == ["Softsign", "Relu"]


def test_a_fault_of_a_long_row_of_nodes_together_is_located_within_the_runs_allowed() -> None:
    content, feeds = chain(*["Tanh", "Add"] * 12, "Enlarge")
    needed = {f"t{place}" for place in range(8, 15)}

    def together(model: onnx.ModelProto) -> None:
        returned = {each.name for each in model.graph.output} - {"t14"}
        if needed <= {name for node in model.graph.node for name in node.output} - returned:
            wrong_by("t14")(model)

    found = search(content, [feeds], together)
    assert isinstance(found, Located)
    assert found.node.place == 14
    assert found.alone
    assert needed <= {name for node in found.part.nodes for name in node.writes}


def test_of_two_faults_in_two_branches_the_first_is_located() -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["a"]), helper.make_node("Sigmoid", ["x"], ["b"])]
    x, a, b = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xab")
    graph = helper.make_graph(nodes, "two", [x], [a, b])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)

    def both(changed: onnx.ModelProto) -> None:
        for place in (1, 0):
            if place < len(changed.graph.node):
                [node] = changed.graph.node[place : place + 1]
                name = node.output[0]
                node.output[0] = f"{name}_right"
                made = helper.make_node("Add", [f"{name}_right", f"{name}_right"], [name])
                changed.graph.node.insert(place + 1, made)

    feeds = {"x": np.linspace(0.1, 1, 4, dtype=np.float32)}
    found = search(model.SerializeToString(), [feeds], both)
    assert isinstance(found, Located)
    assert found.node.place == 0


def test_a_weight_that_a_node_computes_belongs_to_the_part() -> None:
    content, feeds = chain("Tanh", "Mul", "Relu")
    model = onnx.load_from_string(content)
    model.graph.node.insert(0, helper.make_node("Add", ["half", "half"], ["whole"]))
    model.graph.node[2].input[1] = "whole"
    found = search(model.SerializeToString(), [feeds], wrong_by("t1"))
    assert isinstance(found, Located)
    assert [node.operator for node in found.part.nodes] == ["Add", "Mul"]
    assert list(found.part.feeds) == ["t0"]


def test_a_difference_that_vanishes_is_not_taken_for_the_cause() -> None:
    content, feeds = chain("Tanh", "Mul", "Relu", *["Sigmoid"] * 9, "Tanh", "Mul")

    def negative_alone(model: onnx.ModelProto) -> None:
        """The Mul of place 1 returns -9 for what is negative, which the Relu hides."""
        for node in model.graph.node:
            node.output[:] = [f"{name}_right" if name == "t1" else name for name in node.output]
        made = [
            helper.make_node("Constant", [], ["zero"], value_float=0.0),
            helper.make_node("Constant", [], ["nine"], value_float=-9.0),
            helper.make_node("Less", ["t1_right", "zero"], ["below"]),
            helper.make_node("Where", ["below", "nine", "t1_right"], ["t1"]),
        ]
        names = [name for node in model.graph.node for name in node.output]
        if "t1_right" in names:
            place = names.index("t1_right")
            for offset, node in enumerate(made, 1):
                model.graph.node.insert(place + offset, node)
        wrong_by("t11")(model)

    found = search(content, [feeds], negative_alone)
    assert isinstance(found, Located)
    assert found.node.place == 11


def test_a_small_difference_that_a_later_node_enlarges_is_located_with_its_cause() -> None:
    # What is left after the subtraction is a thousandth: a share of 3e-5 becomes 0.03.
    content, feeds = chain("Mul", "Add", "Sub", "Enlarge", "Tanh")
    feeds = {"x": (feeds["x"] * 1e-3).astype(np.float32)}
    found = search(content, [feeds], wrong_by("t1", 1 + 3e-5))
    assert isinstance(found, Located)
    assert found.alone
    assert found.part.level > 0
    assert "t1" in {name for node in found.part.nodes for name in node.writes}
    assert 0 < found.agreed < 1e-4


def test_without_a_part_that_differs_the_whole_graph_is_returned() -> None:
    content, feeds = random_graph(4)
    target = onnx.load_from_string(content).graph.node[-1].output[0]
    whole = on_cpu(plant=wrong_by(target))

    def refusing(part: bytes) -> Session:
        if len(part) < len(content):
            raise ModelFileError("takes no part of a graph")
        return whole(part)

    sides = Sides(reference=on_cpu(), steady=on_cpu("DISABLE_ALL"), suspect=refusing)
    found = locate(content, [feeds], sides)
    assert isinstance(found, Located)
    assert not found.alone
    assert found.difference.tensor == target
    assert list(found.part.wanted) == [target]
    onnx.checker.check_model(found.part.content)


def test_of_several_pictures_the_one_with_the_largest_difference_is_used() -> None:
    content, feeds = chain("Mul", "Relu", "Tanh")
    pictures = [{"x": -np.abs(feeds["x"])}, feeds, {"x": 1e-6 * feeds["x"]}]
    found = search(content, pictures, wrong_by("t1"))
    assert isinstance(found, Located)
    assert found.node.place == 1
    assert found.inputs[0].greatest == 0.5


def test_what_correct_computations_differ_by_is_no_difference() -> None:
    content, feeds = chain("Mul", "Tanh", "Mul")
    noisy = on_cpu(plant=wrong_by("t1", 1.01))
    sides = Sides(reference=on_cpu(), steady=noisy, suspect=on_cpu(plant=wrong_by("t1", 1.03)))
    assert isinstance(locate(content, [feeds], sides), Difference)
    sides = Sides(reference=on_cpu(), steady=noisy, suspect=on_cpu(plant=wrong_by("t1", 1.09)))
    assert isinstance(locate(content, [feeds], sides), Located)


def test_a_node_that_returns_nan_or_infinity_is_located() -> None:
    content, feeds = chain("Tanh", "Mul", "Relu", "Add", "Tanh", "Mul")
    for factor in (np.inf, np.nan):  # infinity times 0 is NaN
        found = search(content, [feeds], wrong_by("t3", factor))
        assert isinstance(found, Located)
        assert (found.node.place, found.difference.largest) == (3, np.inf)


def test_where_the_correct_sides_disagree_without_limit_nothing_counts() -> None:
    content, feeds = chain("Tanh", "Mul")
    wrong = on_cpu(plant=wrong_by("t1", np.nan))
    found = locate(content, [feeds], Sides(reference=on_cpu(), steady=wrong, suspect=wrong))
    assert isinstance(found, Difference)
