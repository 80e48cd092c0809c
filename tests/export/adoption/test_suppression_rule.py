"""Thresholds of a suppression before which a graph was cut."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_frames import BLACK, make_frame
from foreign_loops import constant, suppressing
from foreign_networks import CLASSES, PLACES, Make
from onnx import TensorProto, helper

from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.original.file import load_original
from spotlet_export.adoption.original.suppression_rule import SuppressionRule

ROWS = Make(layout="boxes+scores")
NODE = helper.make_node
OVERLAPS = [
    NODE("Sub", ["boxes_one", "boxes_one"], ["inner"]),
    NODE("Add", ["boxes_one", "one"], ["union"]),
    NODE("Div", ["inner", "union"], ["overlaps"]),
    NODE("ReduceMax", ["overlaps"], ["overlap"], keepdims=0),
    NODE("Greater", ["overlap", "limit"], ["drops"]),
]
"""What a turn computes: the overlaps, compared with a limit."""


def looping(iou: float, score: float = 0.3) -> onnx.ModelProto:
    model = suppressing(ROWS, OVERLAPS)
    constant(model, "limit", np.float32(iou))
    (least,) = (each for each in model.graph.initializer if each.name == "least")
    least.CopyFrom(onnx.numpy_helper.from_array(np.array(score, np.float32), "least"))
    return model


def rule_of(model: onnx.ModelProto, folder: Path) -> SuppressionRule | None:
    onnx.save(model, folder / "looping.onnx")
    return load_original(folder / "looping.onnx").suppression


def best_only(model: onnx.ModelProto, moved: bool) -> None:
    """Has the best score of each cell enter the loop; if `moved`, boxes moved by their class."""
    (begin,) = (node for node in model.graph.node if node.output[0] == "out_scores_start")
    boxes = next(node for node in model.graph.node if node.output[0] == "out_boxes_start")
    place = list(model.graph.node).index(begin)
    begin.input[0] = "best"
    added = [NODE("ReduceMax", ["out_scores_before"], ["best"], axes=[-1], keepdims=1)]
    for node in (n for each in model.graph.node for a in each.attribute for n in a.g.node):
        node.input[:] = ["best" if "scores_before" in name else name for name in node.input]
    fires = next(node for node in model.graph.node if node.output[0] == "fires")
    fires.input[0] = "best"
    if moved:
        boxes.input[0] = "moved"
        added += [
            NODE("ArgMax", ["out_scores_before"], ["number"], axis=-1, keepdims=1),
            NODE("Cast", ["number"], ["shift"], to=TensorProto.FLOAT),
            NODE("Add", ["out_boxes_before", "shift"], ["moved"]),
        ]
    for node in reversed(added):
        model.graph.node.insert(place - 1, node)


def test_thresholds_of_a_loop_become_the_models(tmp_path: Path) -> None:
    onnx.save(looping(0.35, 0.25), tmp_path / "foreign.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    remarks: list[str] = []

    def adopt(**options: Any) -> tuple[float, float]:
        done = adopt_package(
            tmp_path / "foreign.onnx",
            tmp_path / "package",
            [tmp_path / "frame.png"],
            AdoptSettings(**{"classes": CLASSES, "resize": "letterbox"} | BLACK | options),
            Listener(on_remark=remarks.append),
        )
        return done.manifest.detection.iou_threshold, done.manifest.detection.score_threshold

    assert adopt() == pytest.approx((0.35, 0.25))
    assert any("IoU threshold 0.35 and score threshold 0.25 unless" in each for each in remarks)
    assert adopt(iou_threshold=0.5) == pytest.approx((0.5, 0.25))


def test_a_threshold_is_found_that_goes_from_turn_to_turn(tmp_path: Path) -> None:
    model = looping(0.35)
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    loop.input.append("limit")
    loop.output.append("limit_at_the_end")
    body = next(each.g for each in loop.attribute if each.name == "body")
    for node in body.node:
        node.input[:] = ["limit_in" if name == "limit" else name for name in node.input]
    value = helper.make_tensor_value_info("limit_in", TensorProto.FLOAT, [])
    body.input.append(value)
    body.output.append(value)
    body.output[-1].name = "limit_out"
    body.node.append(NODE("Identity", ["limit_in"], ["limit_out"]))
    assert rule_of(model, tmp_path) == SuppressionRule(iou_threshold=0.35, score_threshold=0.3)


def test_of_two_limits_of_overlaps_none_is_certain(tmp_path: Path) -> None:
    model = looping(0.35)
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    body = next(each.g for each in loop.attribute if each.name == "body")
    body.node.append(NODE("Less", ["overlap", "other"], ["more"]))
    constant(model, "other", np.float32(0.7))
    rule = rule_of(model, tmp_path)
    assert rule == SuppressionRule(score_threshold=0.3)
    assert "give --iou" in str(rule)


def test_a_very_low_score_threshold_is_not_taken(tmp_path: Path) -> None:
    assert rule_of(looping(0.35, 0.001), tmp_path) == SuppressionRule(iou_threshold=0.35)


@pytest.mark.parametrize("moved", [False, True])
def test_suppression_over_all_classes_is_said(moved: bool, tmp_path: Path) -> None:
    model = looping(0.35)
    best_only(model, moved)
    rule = rule_of(model, tmp_path)
    assert rule == SuppressionRule(iou_threshold=0.35, score_threshold=0.3, over_classes=not moved)
    assert ("over all classes" in str(rule)) is not moved


@pytest.mark.parametrize("operator", ["in the loop", "before it"])
def test_thresholds_of_the_operator_for_suppression(operator: str, tmp_path: Path) -> None:
    model = suppressing(ROWS)
    constant(model, "count", np.array([PLACES]))
    constant(model, "limit", np.array([0.45], np.float32))
    constant(model, "floor", np.array([0.2], np.float32))
    nodes = [
        NODE("Transpose", ["out_scores_before"], ["by_class"], perm=[0, 2, 1]),
        NODE(
            "NonMaxSuppression",
            ["out_boxes_before", "by_class", "count", "limit", "floor"],
            ["kept"],
        ),
    ]
    if operator == "in the loop":
        (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
        next(each.g for each in loop.attribute if each.name == "body").node.extend(nodes)
    else:
        turns = next(node for node in model.graph.node if node.output[0] == "turns")
        place = list(model.graph.node).index(turns)
        model.graph.node.insert(place, NODE("Size", ["kept"], ["most_kept"]))
        for node in reversed(nodes):
            model.graph.node.insert(place, node)
        turns.input[0] = "most_kept"
    assert rule_of(model, tmp_path) == SuppressionRule(iou_threshold=0.45, score_threshold=0.2)
