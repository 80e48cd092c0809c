"""How a network is read follows from what it returns, not from the order or number of outputs.

Each network here was once adopted with wrong boxes or names, or refused with a hint that led there.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_networks import (
    CELL,
    CLASSES,
    COLUMNS,
    HEIGHT,
    PLACES,
    ROWS,
    TYPES,
    WIDTH,
    Make,
    anchors,
    cell_boxes,
    network,
)
from onnx import TensorProto, helper, numpy_helper

from spotlet import Detector
from spotlet.detections import Detections
from spotlet.errors import GateError, SpotletError, UsageError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption
from spotlet_export.adoption.listener import Listener

LIT = ((1, 3, 0, 230), (4, 7, 1, 210), (6, 2, 2, 250))
"""Row and column of a cell of the canvas, its class, its level; none in the middle."""

SUPPRESSED = Make(layout="K,6", rows="zeroed")
THREE = Make(layout="boxes+scores+ids", rows="zeroed")
CENTRES = Make(layout="K,4+C", box_format="cxcywh")
CORNERS = Make(layout="boxes+scores")
ANCHORED = Make(layout="ssd", activation="softmax", background="first", scale=1.0, mean=127.5)
OBJECTNESS = Make(layout="K,5+C", box_format="cxcywh")

Change = Callable[[onnx.ModelProto], None]


class Bench:
    """Changes networks, adopts them, and says what was found and what was remarked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remarks: list[str] = []

    def adopt(
        self, make: Make, *changes: Change, lit: Any = LIT, **options: Any
    ) -> tuple[Adoption, Detections]:
        """Adopts a network; returns the result, and what it finds in the picture."""
        frame = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
        for row, column, class_id, level in lit:
            cell = slice(2 * row * CELL, 2 * (row + 1) * CELL)
            frame[cell, 2 * column * CELL : 2 * (column + 1) * CELL, 2 - class_id] = level
        cv2.imwrite(str(self.folder / "frame.png"), frame)
        model = network(make)
        for change in changes:
            change(model)
        onnx.save(model, self.folder / "foreign.onnx")
        said = AdoptSettings(**({"classes": CLASSES, "resize": "stretch"} | options))
        done = adopt_package(
            self.folder / "foreign.onnx",
            self.folder / "package",
            [self.folder / "frame.png"],
            said,
            Listener(on_remark=self.remarks.append),
        )
        return done, Detector(done.package)(frame)

    def refused(self, make: Make, *changes: Change, lit: Any = LIT, **options: Any) -> str:
        """Adopts a network that must be refused; returns the message."""
        with pytest.raises(SpotletError) as caught:
            self.adopt(make, *changes, lit=lit, **options)
        assert isinstance(caught.value, GateError | UsageError)
        assert not (self.folder / "package").exists()
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def assert_right(found: Detections, names: tuple[str, ...] = CLASSES, lit: Any = LIT) -> None:
    """Checks boxes and names against those worked out by hand; the frame is twice the canvas."""
    wanted = sorted(lit, key=lambda each: -each[3])
    assert [each.name for each in found] == [names[class_id] for _, _, class_id, _ in wanted]
    boxes = [2 * cell_boxes()[row * COLUMNS + column] for row, column, _, _ in wanted]
    clipped = np.clip(boxes, 0, [2 * WIDTH, 2 * HEIGHT] * 2)
    np.testing.assert_allclose(found.boxes_xyxy, clipped, atol=0.01)


def cast_ids(model: onnx.ModelProto) -> None:
    """Makes the class ids of `boxes+scores+ids` float, as TensorFlow's are."""
    end = next(node for node in model.graph.node if node.output[0] == "out_ids")
    end.op_type = "Cast"
    end.attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    for output in model.graph.output:
        if output.name == "out_ids":
            output.type.tensor_type.elem_type = TensorProto.FLOAT


def named(*names: str) -> Change:
    """Gives `boxes+scores+ids` outputs names, in the order boxes, scores, ids; the file's order is
    that of the alphabet."""

    def change(model: onnx.ModelProto) -> None:
        new = dict(zip(("out_boxes", "out_scores", "out_ids"), names, strict=True))
        for node in model.graph.node:
            node.output[:] = [new.get(each, each) for each in node.output]
        outputs = [*model.graph.output]
        for output in outputs:
            output.name = new.get(output.name, output.name)
        del model.graph.output[:]
        model.graph.output.extend(sorted(outputs, key=lambda each: each.name))

    return change


def columns(multiply: list[float], add: list[float]) -> Change:
    """Multiplies and adds to the columns of the one output (N, K, D)."""

    def change(model: onnx.ModelProto) -> None:
        end = model.graph.node[-1]
        source = end.input[0]
        for name, values in (("by", multiply), ("more", add)):
            array = np.array(values, np.float32)
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        model.graph.node.insert(
            len(model.graph.node) - 1, helper.make_node("Mul", [source, "by"], ["times"])
        )
        model.graph.node.insert(
            len(model.graph.node) - 1, helper.make_node("Add", ["times", "more"], ["plus"])
        )
        end.input[0] = "plus"

    return change


def ordered(order: list[int]) -> Change:
    """Takes the columns of the one output (N, K, D) in another order."""
    return _last("Gather", np.array(order), axis=2)


def appended(values: np.ndarray[Any, Any]) -> Change:
    """Appends a constant column (K,) to the one output (N, K, D)."""

    def change(model: onnx.ModelProto) -> None:
        # 0 for every picture, so that the batch stays free.
        _last("Concat", None, axis=2, with_=values.astype(np.float32)[np.newaxis, :, np.newaxis])(
            model
        )

    return change


def _last(
    op: str, values: Any, *, with_: np.ndarray[Any, Any] | None = None, **attributes: Any
) -> Change:
    """Puts a node before the last one."""

    def change(model: onnx.ModelProto) -> None:
        end = model.graph.node[-1]
        inputs = [end.input[0]]
        array = with_ if values is None else values
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), "last_constant"))
        inputs.append("last_constant")
        node = helper.make_node(op, inputs, ["last"], **attributes)
        model.graph.node.insert(len(model.graph.node) - 1, node)
        end.input[0] = "last"

    return change


def doubled(model: onnx.ModelProto) -> None:
    """Returns every row twice, the second a little shifted, as a network without suppression."""
    end = model.graph.node[-1]
    moved = np.array([0.2, 0.1, 0.2, 0.1, 0, 0], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(moved, "moved"))
    nodes = [
        helper.make_node("Add", [end.input[0], "moved"], ["second"]),
        helper.make_node("Concat", [end.input[0], "second"], ["twice"], axis=1),
    ]
    for node in nodes:
        model.graph.node.insert(len(model.graph.node) - 1, node)
    end.input[0] = "twice"


def with_metadata(**entries: str) -> Change:
    return lambda model: helper.set_model_props(model, entries)


def up_by(step: int) -> Change:
    """Adds to the class ids of `K,6`, of rows without an object too."""
    return columns([1] * 6, [0, 0, 0, 0, 0, step])


@pytest.mark.parametrize(
    "names",
    [
        ("boxes", "detection_scores", "detection_classes"),
        ("dets", "conf", "labels"),
        ("out_a", "out_b", "out_c"),
        ("out_a", "out_c", "out_b"),
        ("boxes", "class_scores", "class_ids"),
    ],
)
def test_roles_follow_from_names_and_values(bench: Bench, names: tuple[str, ...]) -> None:
    done, found = bench.adopt(THREE, cast_ids, named(*names))
    reading = done.manifest.training["reading"]["output"]
    assert (reading["boxes"], reading["scores"], reading["ids"]) == names
    assert_right(found)


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_outputs_on_the_way_are_not_boxes(bench: Bench, classes: tuple[str, ...] | None) -> None:
    """As transformers have them: hidden states, and boxes and logits of every cell."""

    def verbose(model: onnx.ModelProto) -> None:
        shapes = {"hidden": (1, PLACES, 7), "points": (1, PLACES, 4)}
        shapes |= {"enc_coord_logits": (1, 50, 4), "enc_class": (1, 50, 3)}
        for name, shape in shapes.items():
            values = np.random.default_rng(3).normal(size=shape).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, f"c_{name}"))
            model.graph.node.append(helper.make_node("Identity", [f"c_{name}"], [name]))
            model.graph.output.append(helper.make_tensor_value_info(name, TYPES["float32"], shape))

    if classes:
        assert_right(bench.adopt(CORNERS, verbose)[1])
    else:
        message = bench.refused(CORNERS, verbose, classes=None)
        assert "layout boxes+scores of out_boxes, out_scores, names: 3." in message


@pytest.mark.parametrize("first", [0, 1])
def test_the_constant_id_of_a_single_class_is_an_id(bench: Bench, first: int) -> None:
    lit = ((1, 3, 0, 230), (4, 7, 0, 210))
    change = columns([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, first])
    done, found = bench.adopt(SUPPRESSED, change, lit=lit, classes=("object",))
    assert_right(found, ("object",), lit)
    assert done.manifest.training["reading"]["output"]["background"] == ("none", "first")[first]


def test_names_that_contradict_the_values_are_asked_about(bench: Bench) -> None:
    message = bench.refused(THREE, cast_ids, named("boxes", "labels", "probs"))
    assert "--outputs boxes,labels,probs" in message
    _, found = bench.adopt(
        THREE, cast_ids, named("boxes", "labels", "probs"), outputs=("boxes", "labels", "probs")
    )
    assert_right(found)


def test_outputs_in_a_wrong_order_are_refused(bench: Bench) -> None:
    message = bench.refused(THREE, cast_ids, outputs=("out_boxes", "out_ids", "out_scores"))
    assert "not class ids, which are whole" in message


def test_ids_from_1_are_recognised_where_one_equals_the_number_of_names(bench: Bench) -> None:
    done, found = bench.adopt(SUPPRESSED, up_by(1))
    assert_right(found)
    assert any("class ids: 1 to 3 with 3 names: they start at 1" in each for each in bench.remarks)
    assert done.manifest.training["reading"]["output"]["background"] == "first"


def test_ids_that_may_start_at_0_or_1_are_asked_about(bench: Bench) -> None:
    names = (*CLASSES, "white", "black")
    message = bench.refused(SUPPRESSED, up_by(1), classes=names)
    assert "class ids: 1 to 3 on the images, never 0, with 5 names" in message
    assert "--background first" in message
    assert "--background none" in message
    _, found = bench.adopt(SUPPRESSED, up_by(1), classes=names, background="first")
    assert_right(found, names)


def test_ids_of_names_in_the_file_are_those_of_the_file(bench: Bench) -> None:
    """Ultralytics writes them with their ids; that none is 0 says nothing then."""
    names = ("black", *CLASSES, "white")
    said = with_metadata(names=str(dict(enumerate(names))))
    _, found = bench.adopt(SUPPRESSED, up_by(1), said, classes=None)
    assert_right(found, names[1:])


def test_a_list_of_names_in_the_file_does_not_say_where_ids_start(bench: Bench) -> None:
    names = ("black", *CLASSES, "white")
    said = {"names": str(list(names))}
    assert "never 0" in bench.refused(SUPPRESSED, up_by(1), with_metadata(**said), classes=None)
    said |= {"stride": "32", "task": "detect", "imgsz": f"[{HEIGHT}, {WIDTH}]"}
    _, found = bench.adopt(SUPPRESSED, up_by(1), with_metadata(**said), classes=None)
    assert_right(found, names[1:])
    assert any("they start at 0, as the file's metadata says" in each for each in bench.remarks)


def test_names_that_the_shapes_do_not_count_must_be_as_many_as_in_the_file(bench: Bench) -> None:
    said = with_metadata(names=str(dict(enumerate(CLASSES))))
    assert "names: 4, but those in the file: 3" in bench.refused(
        SUPPRESSED, said, classes=(*CLASSES, "white")
    )


def test_ids_of_names_in_the_file_may_start_at_1(bench: Bench) -> None:
    names = (*CLASSES, "white", "black")
    said = with_metadata(names=str(dict(enumerate(names, 1))))
    _, found = bench.adopt(SUPPRESSED, up_by(1), said, classes=None)
    assert_right(found, names)


def test_a_first_name_of_the_background_means_ids_from_0(bench: Bench) -> None:
    names = ("__background__", *CLASSES, "white")
    _, found = bench.adopt(SUPPRESSED, up_by(1), classes=names)
    assert_right(found, names[1:])


@pytest.mark.parametrize(("step", "options"), [(7, {}), (1, {"background": "none"})])
def test_an_id_without_a_name_is_an_error(bench: Bench, step: int, options: dict[str, str]) -> None:
    message = bench.refused(SUPPRESSED, up_by(step), **options)
    assert f"class ids: {step} to {2 + step}, but names: 3" in message
    assert ("--background first" if options else "--classes") in message


def test_boxes_with_y_first_are_recognised_in_a_mirrored_picture(bench: Bench) -> None:
    _, found = bench.adopt(replace(CORNERS, box_format="yxyx"))
    assert_right(found)
    assert any("exchanged; they are read as yxyx" in each for each in bench.remarks)


def test_a_box_format_that_mirrored_pictures_contradict_is_a_doubt(bench: Bench) -> None:
    message = bench.refused(CORNERS, box_format="yxyx")
    assert "--box-format xyxy" in message


def test_anchors_with_y_first_are_seen(bench: Bench) -> None:
    ssd = {"outputs": ("out_boxes", "out_scores"), "scale": 1.0, "mean": (127.5,) * 3}
    turned = np.ascontiguousarray(anchors()[:, [1, 0, 3, 2]])
    assert "--anchor-format cycxhw" in bench.refused(ANCHORED, anchors=turned, **ssd)
    _, found = bench.adopt(ANCHORED, anchors=anchors(), **ssd)
    assert_right(found)


def test_the_number_of_names_is_compared_with_that_of_the_outputs(bench: Bench) -> None:
    for make in (CENTRES, CORNERS):
        message = bench.refused(make, classes=CLASSES[:2])
        assert "names: 2, outputs: 3" in message
        assert "--background" not in message


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_class_named_as_the_background_is_answered_with_the_other_names(
    bench: Bench, where: str
) -> None:
    make = replace(CORNERS, activation="softmax", background=where)
    names = ("background", *CLASSES) if where == "first" else (*CLASSES, "background")
    message = bench.refused(make, classes=names, activation="softmax")
    assert f"--background {where} --classes {','.join(CLASSES)}" in message


@pytest.mark.parametrize("where", ["first", "last"])
def test_the_background_is_proposed_where_its_column_is_high(bench: Bench, where: str) -> None:
    make = replace(CORNERS, activation="softmax", background=where)
    message = bench.refused(make)
    assert "names: 3, outputs: 4" in message
    assert f"--background {where}" in message
    assert_right(bench.adopt(make, background=where, activation="softmax")[1])


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_background_that_leaves_too_few_columns_is_named(bench: Bench, where: str) -> None:
    message = bench.refused(CORNERS, background=where)
    assert "names: 3, outputs: 2" in message
    assert f"without --background {where} it has a column for each name" in message


@pytest.mark.parametrize(
    "options", [{}, {"background": "last"}, {"extra": 1}, {"classes": (*CLASSES, "angle")}]
)
def test_oriented_boxes_are_refused_by_name(bench: Bench, options: dict[str, Any]) -> None:
    angles = np.linspace(-np.pi / 4, 3 * np.pi / 4, PLACES)
    message = bench.refused(CENTRES, appended(angles), **options)
    assert "oriented boxes" in message
    assert "--" not in message


@pytest.mark.parametrize(("task", "says"), [("obb", "oriented"), ("classify", "a classifier")])
def test_tasks_without_upright_boxes_are_refused_by_name(
    bench: Bench, task: str, says: str
) -> None:
    message = bench.refused(CENTRES, with_metadata(task=task))
    assert repr(task) in message
    assert says in message


def test_rows_that_were_not_suppressed_are_suppressed(bench: Bench) -> None:
    done, found = bench.adopt(SUPPRESSED, doubled)
    assert len(found) == len(LIT)
    assert done.manifest.detection.iou_threshold < 1
    assert any("3 of 6 are duplicates" in each for each in bench.remarks)


@pytest.mark.parametrize(
    ("order", "layout"),
    [([0, 1, 2, 3, 5, 4], "box,id,score"), ([5, 4, 0, 1, 2, 3], "id,score,box")],
)
def test_rows_with_columns_in_another_order_are_read_in_that_order(
    bench: Bench, order: list[int], layout: str
) -> None:
    done, found = bench.adopt(SUPPRESSED, ordered(order))
    assert_right(found)
    assert done.manifest.training["reading"]["output"]["layout"] == layout


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ([0, 1, 2, 3, 5, 4], "columns 5 and 6 of out_all hold class id and score"),
        ([5, 4, 0, 1, 2, 3], "rows of out_all hold class id, score and box"),
    ],
)
def test_a_given_layout_that_has_another_order_is_refused(
    bench: Bench, order: list[int], says: str
) -> None:
    assert says in bench.refused(SUPPRESSED, ordered(order), layout="K,6")


def test_two_columns_of_scores_are_not_score_and_class_id(bench: Bench) -> None:
    """Few cells and two classes: the values tell it from suppressed rows."""
    lit = ((1, 3, 0, 230), (4, 7, 1, 210))
    _, found = bench.adopt(CENTRES, ordered([0, 1, 2, 3, 4, 5]), lit=lit, classes=CLASSES[:2])
    assert_right(found, lit=lit)


def test_a_level_is_not_an_objectness(bench: Bench) -> None:
    levels = np.repeat(np.arange(4), PLACES // 4)
    order = [0, 1, 2, 3, 8, 5, 6, 7]
    message = bench.refused(OBJECTNESS, appended(levels), _again(ordered(order)))
    assert "column 5 holds whole numbers from 0 to 3" in message
    assert "--activation" not in message


def _again(change: Change) -> Change:
    """Applies a change after another of the same names."""

    def apply(model: onnx.ModelProto) -> None:
        for old, new in (("last", "earlier"), ("last_constant", "earlier_constant")):
            for node in model.graph.node:
                node.input[:] = [new if each == old else each for each in node.input]
                node.output[:] = [new if each == old else each for each in node.output]
            for constant in model.graph.initializer:
                constant.name = new if constant.name == old else constant.name
        change(model)

    return apply


def with_objectness(model: onnx.ModelProto) -> None:
    """Puts an objectness before the class scores of `K,4+C`: the best of them."""
    end = model.graph.node[-1]
    source = end.input[0]
    for name, value in (("four", [4]), ("seven", [7]), ("none", [0]), ("axis", [2])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    nodes = [
        helper.make_node("Slice", [source, "none", "four", "axis"], ["box"]),
        helper.make_node("Slice", [source, "four", "seven", "axis"], ["classes"]),
        helper.make_node("ReduceMax", ["classes"], ["best"], axes=[2]),
        helper.make_node("Concat", ["box", "best", "classes"], ["all_columns"], axis=2),
    ]
    for node in nodes:
        model.graph.node.insert(len(model.graph.node) - 1, node)
    end.input[0] = "all_columns"


def test_an_objectness_is_not_a_class(bench: Bench) -> None:
    """With one name too many, `K,4+C` fits as well as `K,5+C` with the right ones."""
    message = bench.refused(CENTRES, with_objectness, classes=("thing", *CLASSES))
    assert "names: 4, outputs: 3 (K,5+C of out_all)" in message
    assert_right(bench.adopt(CENTRES, with_objectness)[1])


def test_a_level_at_the_end_is_dropped_when_asked(bench: Bench) -> None:
    """By their number the columns are also an objectness and three classes."""
    levels = np.repeat(np.arange(4), PLACES // 4)
    message = bench.refused(CENTRES, appended(levels))
    assert "column 8 holds whole numbers from 0 to 3" in message
    assert "--layout K,4+C --extra 1" in message
    assert_right(bench.adopt(CENTRES, appended(levels), layout="K,4+C", extra=1)[1])


def test_a_column_that_is_the_same_everywhere_is_no_background(bench: Bench) -> None:
    """As an angle that never changes: without it, boxes would be upright."""
    change = appended(np.full(PLACES, 0.6))
    assert "--background" not in bench.refused(CENTRES, change, layout="K,4+C")
    assert "as no background is" in bench.refused(CENTRES, change, background="last")


@pytest.mark.parametrize("whole", [True, False])
def test_the_outputs_of_tensorflows_api_are_known(bench: Bench, whole: bool) -> None:
    """Ids from 1, boxes yxyx in [0, 1]; nothing needs to be said, though no id is 0 or 5.

    The names of the three outputs alone are used for ids from 0 too.
    """
    names = ("detection_boxes", "detection_scores", "detection_classes")

    def one_more(model: onnx.ModelProto) -> None:
        one = numpy_helper.from_array(np.array(1), "one")
        model.graph.initializer.append(one)
        end = next(node for node in model.graph.node if node.output[0] == "out_ids")
        at = [*model.graph.node].index(end)
        model.graph.node.insert(at, helper.make_node("Add", [end.input[0], "one"], ["ids_1"]))
        end.input[0] = "ids_1"
        if whole:
            places = numpy_helper.from_array(np.zeros((1, PLACES), np.float32), "places")
            model.graph.initializer.append(places)
            name = "detection_anchor_indices"
            model.graph.node.append(helper.make_node("Identity", ["places"], [name]))
            model.graph.output.append(helper.make_tensor_value_info(name, TYPES["float32"], None))

    classes = (*CLASSES, "white", "black")
    make = replace(THREE, box_format="yxyx", box_unit="unit")
    changes = (one_more, cast_ids, named(*names))
    if not whole:
        message = bench.refused(make, *changes, classes=classes, box_unit="unit")
        assert "--background first" in message
        return
    done, found = bench.adopt(make, *changes, classes=classes)
    assert_right(found, classes)
    assert done.manifest.training["reading"]["output"]["background"] == "first"


def test_the_layout_comes_before_the_names(bench: Bench) -> None:
    message = bench.refused(CENTRES, classes=None)
    assert "layout K,4+C of out_all, names: 3 or K,5+C of out_all, names: 2" in message
    assert "--classes" in message


def test_a_family_that_is_not_supported_is_not_asked_for_names(bench: Bench) -> None:
    def heat_map(model: onnx.ModelProto) -> None:
        _last("Reshape", np.array([1, 7, ROWS, COLUMNS]))(model)

    for options in ({}, {"classes": None}):
        message = bench.refused(CENTRES, heat_map, **options)
        assert "out_all float32 (1, 7, 8, 12)" in message
        assert "this family of networks is not supported" in message
        assert "--" not in message


def test_a_classifier_is_refused_by_name(bench: Bench) -> None:
    def pooled(model: onnx.ModelProto) -> None:
        _last("Reshape", np.array([1, -1]))(model)

    message = bench.refused(CENTRES, pooled, classes=None)
    assert "as of a classifier" in message
    assert "--" not in message


def test_levels_in_outputs_of_their_own_are_refused_by_name(bench: Bench) -> None:
    def split(model: onnx.ModelProto) -> None:
        end = model.graph.node.pop()
        sides = numpy_helper.from_array(np.array([PLACES - 20, 20]), "sides")
        model.graph.initializer.append(sides)
        names = ["out_8", "out_16"]
        model.graph.node.append(helper.make_node("Split", [end.input[0], "sides"], names, axis=1))
        del model.graph.output[:]
        model.graph.output.extend(
            helper.make_tensor_value_info(name, TYPES["float32"], None) for name in names
        )

    message = bench.refused(CENTRES, split)
    assert "each level of a pyramid has its own output (out_16, out_8)" in message
