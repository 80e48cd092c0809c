"""Graphs as exporters write them, though the runtime could not load them so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_frames import BLACK, assert_finds, make_frame
from foreign_loops import constant, info, loop, suppressing
from foreign_networks import CLASSES, HEIGHT, PLACES, WIDTH, Make, cell_boxes, network
from onnx import TensorProto, helper

from spotlet.check import check_model
from spotlet.cli import main
from spotlet.errors import ModelFileError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.original.file import load_original
from spotlet_export.adoption.rewriting import candidates

CENTRES = Make(layout="4+C,K", box_format="cxcywh")
ROWS = Make(layout="boxes+scores")
NEWEST = onnx.defs.onnx_opset_version()
Adopt = Callable[..., tuple[Adoption, list[str]]]


@pytest.fixture
def adopt(tmp_path: Path) -> Adopt:
    """Adopts a file with this content; returns the adoption, and what was said."""

    def run(model: onnx.ModelProto, **options: Any) -> tuple[Adoption, list[str]]:
        onnx.save(model, tmp_path / "foreign.onnx")
        cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
        remarks: list[str] = []
        done = adopt_package(
            tmp_path / "foreign.onnx",
            tmp_path / "package",
            [tmp_path / "frame.png"],
            AdoptSettings(**{"classes": CLASSES, "resize": "letterbox"} | BLACK | options),
            Listener(on_remark=remarks.append),
        )
        return done, remarks

    return run


def kinds_of(package: Path) -> set[str]:
    return {node.op_type for node in onnx.load(package / "model.onnx").graph.node}


def test_half_precision_with_its_first_cast_at_the_end(adopt: Adopt) -> None:
    """As converters to float16 write it that keep the inputs in float32."""
    make = Make(layout="4+C,K", box_format="cxcywh", dtype="float16")
    model = network(make)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    for node in model.graph.node:
        node.input[:] = ["half" if name == "image" else name for name in node.input]
    model.graph.node.append(
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16, name="first")
    )
    done, _ = adopt(model)
    assert_finds(done.package, make, "letterbox")
    assert check_model(done.package).passed


def test_any_order_of_the_nodes(adopt: Adopt) -> None:
    model = network(CENTRES)
    nodes = list(model.graph.node)
    np.random.default_rng(3).shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert_finds(adopt(model)[0].package, CENTRES, "letterbox")


def test_functions_of_the_file_are_inlined(adopt: Adopt) -> None:
    model = network(CENTRES)
    body = [helper.make_node("Add", ["x", "y"], ["sum"]), helper.make_node("Neg", ["y"], ["less"])]
    body.append(helper.make_node("Add", ["sum", "less"], ["z"]))
    same = helper.make_function(
        "local", "Same", ["x", "y"], ["z"], body, [helper.make_opsetid("", 17)]
    )
    end = model.graph.node[-1]
    made = end.output[0]
    end.output[0] = "before"
    model.graph.node.append(helper.make_node("Same", ["before", "before"], [made], domain="local"))
    model.functions.append(same)
    model.opset_import.append(helper.make_opsetid("local", 1))
    assert_finds(adopt(model)[0].package, CENTRES, "letterbox")


@pytest.mark.skipif(NEWEST < 23, reason="this onnx does not know it")
@pytest.mark.parametrize("opset", [22, 23])
def test_a_newer_opset_gets_an_older_number_where_that_is_exact(opset: int, adopt: Adopt) -> None:
    model = network(CENTRES)
    model.opset_import[0].version = opset
    done, _ = adopt(model)
    written = onnx.load(done.package / "model.onnx")
    assert [each.version for each in written.opset_import] == [21]
    assert_finds(done.package, CENTRES, "letterbox")


@pytest.mark.skipif(NEWEST < 26, reason="this onnx does not inline it")
def test_a_newer_operator_is_replaced_by_what_defines_it(adopt: Adopt) -> None:
    """Of scores all alike, the root of their mean square divides them to 1."""
    model = network(CENTRES)
    model.opset_import[0].version = 23
    end = model.graph.node[-1]
    made = end.output[0]
    end.output[0] = "before"
    ones = constant(model, "ones", np.ones(PLACES, np.float32))
    zero = constant(model, "zero", np.float32(0))
    model.graph.node.extend(
        [
            helper.make_node("RMSNormalization", ["before", ones], ["norm"], axis=-1),
            helper.make_node("Mul", ["norm", zero], ["nothing"]),
            helper.make_node("Add", ["before", "nothing"], [made]),
        ]
    )
    done, _ = adopt(model)
    assert "RMSNormalization" not in kinds_of(done.package)
    assert_finds(done.package, CENTRES, "letterbox")


def over_pictures(make: Make) -> onnx.ModelProto:
    """A network whose boxes and scores pass a loop over the pictures of the batch, as TensorFlow's
    do: the loop selects the picture, and stacks what a turn makes."""
    model = network(make)
    for node in model.graph.node[-2:]:
        node.output[0] = f"{node.output[0]}_before"
    shape, zero = ["pictures_shape"], constant(model, "zero", [0])
    one = constant(model, "one", [1])
    scalar = constant(model, "scalar", np.array([], np.int64))
    body = []
    for part in ("boxes", "scores"):
        body += [
            helper.make_node("Gather", [f"out_{part}_before", "turn"], [f"{part}_one"], axis=0),
            helper.make_node("Identity", [f"{part}_one"], [f"out_{part}_out"]),
        ]
    body.append(helper.make_node("Add", ["count_in", one], ["count_out"]))
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["image"], shape),
            helper.make_node("Slice", [*shape, zero, one], ["batch"]),
            helper.make_node("Reshape", ["batch", scalar], ["turns"]),
            helper.make_node("Identity", [zero], ["count_start"]),
            loop(
                model,
                body,
                "turns",
                carried={"count": TensorProto.INT64},
                scanned={"out_boxes": TensorProto.FLOAT, "out_scores": TensorProto.FLOAT},
            ),
        ]
    )
    return model


@pytest.mark.parametrize("batch", [1, 3, "N"])
@pytest.mark.parametrize("opset", [12, 17])
def test_a_loop_over_the_pictures_is_unrolled(batch: int | str, opset: int, adopt: Adopt) -> None:
    make = Make(layout="boxes+scores", batch=batch, opset=opset)
    done, remarks = adopt(over_pictures(make))
    turns = batch if isinstance(batch, int) else 1
    assert f"unrolled Loops that take as many turns for every picture ({turns})" in remarks
    assert "Loop" not in kinds_of(done.package)
    assert_finds(done.package, make, "letterbox")


def test_the_graph_is_cut_before_a_loop_that_depends_on_the_picture(adopt: Adopt) -> None:
    done, remarks = adopt(suppressing(ROWS))
    assert any("cut off before it" in each for each in remarks)
    assert_finds(done.package, ROWS, "letterbox")


def test_boxes_that_are_the_same_for_every_picture_enter_the_loop_too(adopt: Adopt) -> None:
    model = suppressing(ROWS)
    (made,) = (node for node in model.graph.node if node.output[0] == "out_boxes_before")
    constant(model, "fixed_boxes", cell_boxes()[np.newaxis].astype(np.float32))
    made.input[:] = ["fixed_boxes"]
    done, remarks = adopt(model)
    assert any("cut off before it" in each for each in remarks)
    assert_finds(done.package, ROWS, "letterbox")


def test_a_loop_that_only_another_output_needs_is_left_out(adopt: Adopt) -> None:
    model = network(ROWS)
    more = suppressing(ROWS)
    names = {each.name for each in (*model.graph.initializer, *model.graph.node)}
    model.graph.initializer.extend(
        each for each in more.graph.initializer if each.name not in names
    )
    new = more.graph.node[len(model.graph.node) :]
    for node in new:
        node.input[:] = [name.removesuffix("_before") for name in node.input]
        node.output[:] = [f"{name}_looped" if name in ROLES else name for name in node.output]
        for each in (each for attribute in node.attribute for each in attribute.g.node):
            each.input[:] = [name.removesuffix("_before") for name in each.input]
    model.graph.node.extend(new)
    model.graph.output.append(info("out_boxes_looped"))
    done, remarks = adopt(model)
    assert any("left out: out_boxes_looped" in each for each in remarks)
    assert_finds(done.package, ROWS, "letterbox")


ROLES = ("out_boxes", "out_scores")


def test_a_loop_with_nothing_before_it_is_refused_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without class names, with which any other file would be refused."""
    model = suppressing(ROWS)
    for node in model.graph.node:
        if node.output[0].endswith("_start"):
            node.input[:] = ["image"]
        for attribute in node.attribute:
            for each in attribute.g.node:
                each.input[:] = ["image" if "before" in name else name for name in each.input]
    onnx.save(model, tmp_path / "looping.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    words = ["--image", str(tmp_path / "frame.png"), "--out", str(tmp_path / "package")]
    assert main(["adopt", str(tmp_path / "looping.onnx"), *words]) == 4
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path / 'looping.onnx'}: contains the operator Loop" in message
    assert "a fixed number of turns up to 16" in message
    with pytest.raises(ModelFileError, match="contains the operator Loop"):
        load_original(tmp_path / "looping.onnx")


def batched(make: Make) -> onnx.ModelProto:
    """A network of a fixed batch, with an output more that has no row for each picture."""
    model = network(make)
    rows = constant(model, "rows", [-1, 6])
    model.graph.node.append(helper.make_node("Reshape", ["out_all", rows], ["flat"]))
    model.graph.output.append(info("flat", shape=[4 * PLACES, 6]))
    return model


def test_of_a_fixed_batch_outputs_without_rows_for_the_pictures_are_left_out(adopt: Adopt) -> None:
    make = Make(layout="K,6", batch=4)
    done, remarks = adopt(batched(make))
    assert not any("flat" in each for each in remarks)
    assert_finds(done.package, make, "letterbox")


def test_of_a_fixed_batch_such_rows_are_refused_if_they_are_all(adopt: Adopt) -> None:
    model = batched(Make(layout="K,6", batch=4))
    del model.graph.output[0]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelFileError, match="has no row for each of the 4 pictures"):
        adopt(model)


def test_of_a_fixed_batch_another_input_has_the_same_values_for_each(adopt: Adopt) -> None:
    make = Make(layout="K,4+C", box_format="cxcywh", batch=4, hard_batch=True)
    model = network(make)
    model.graph.input.append(info("size", TensorProto.FLOAT, [4, 2]))
    end = model.graph.node[-1]
    made, end.output[0] = end.output[0], "before"
    axes = constant(model, "axes", [1])
    model.graph.node.extend(
        [
            helper.make_node("Div", ["size", "size"], ["ones"]),
            helper.make_node("ReduceProd", ["ones"], ["one"], axes=[1], keepdims=1),
            helper.make_node("Unsqueeze", ["one", axes], ["factor"]),
            helper.make_node("Mul", ["before", "factor"], [made]),
        ]
    )
    done, remarks = adopt(model, fixed={"size": (WIDTH, HEIGHT)})
    assert "the file's batch is fixed at 4: free now" in remarks
    assert_finds(done.package, make, "letterbox")


@pytest.mark.parametrize(("places", "says"), [(12, "only its last part"), (0, "10 times faster")])
def test_a_fixed_batch_that_must_stay_is_filled_as_late_as_possible(
    places: int, says: str, adopt: Adopt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_PLACES", places)
    make = Make(layout="boxes+scores", batch=10, hard_batch=True, merged=True)
    done, remarks = adopt(network(make))
    assert [says in each for each in remarks if "fixed at 10" in each] == [True]
    assert_finds(done.package, make, "letterbox")
