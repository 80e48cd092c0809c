"""When are two suppressions of the same cells the same?"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet import Detector
from spotlet.check.cross_checks import TIE, check_suppression, compare_suppression, is_same
from spotlet.detections import Detections
from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest
from spotlet.model.package import cells_file

SIDE = 100
FRAME = np.zeros((SIDE, SIDE, 3), np.uint8)


def two_boxes(path: Path, iou_threshold: float) -> Detector:
    """A model that sees, in any frame, two boxes of one class with an IoU of a half."""
    outputs = {
        "boxes": np.array([[[0.2, 0.2, 0.6, 0.6], [0.2, 0.2, 0.6, 0.4]]], np.float32),
        "scores": np.array([[[0.9], [0.8]]], np.float32),
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_given"], [name]) for name in outputs],
        "two boxes",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
            for name, values in outputs.items()
        ],
        [numpy_helper.from_array(values, f"{name}_given") for name, values in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    rule = DetectionRule(iou_threshold=iou_threshold)
    size = InputRule(size_hw=(SIDE, SIDE))
    manifest = Manifest(name="two", classes=("box",), input=size, detection=rule)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, path)
    return Detector(path)


def first_of(found: Detections) -> Detections:
    return found.select(np.array([0]))


@pytest.mark.parametrize(
    ("iou_threshold", "tie"), [(0.5 + TIE / 2, True), (0.5 + 4 * TIE, False), (0.6, False)]
)
def test_only_an_overlap_at_the_threshold_may_fall_either_way(
    tmp_path: Path, iou_threshold: float, tie: bool
) -> None:
    source = two_boxes(tmp_path / "model.onnx", iou_threshold)
    want = source(FRAME)
    assert len(want) == 2
    assert compare_suppression(source, FRAME, want, want)[1] is False
    agreement, decided = compare_suppression(source, FRAME, want, first_of(want))
    assert (is_same(agreement), decided) == (tie, tie)


def test_a_box_or_a_score_that_is_off_is_not_the_same(tmp_path: Path) -> None:
    source = two_boxes(tmp_path / "model.onnx", 0.6)
    want = source(FRAME)
    for boxes, scores in (
        (want.boxes_xyxy + np.float32(1), want.scores),
        (want.boxes_xyxy, want.scores - np.float32(0.01)),
    ):
        got = Detections(boxes, scores, want.class_ids, want.class_names)
        agreement, decided = compare_suppression(source, FRAME, want, got)
        assert not is_same(agreement)
        assert not decided


def test_the_row_counts_the_frames_that_differ(tmp_path: Path) -> None:
    source = two_boxes(tmp_path / "model.onnx", 0.6)
    suppressing = two_boxes(tmp_path / "other.onnx", 0.4)
    assert check_suppression(source, source, [FRAME, FRAME]).passed
    row = check_suppression(suppressing, source, [FRAME, FRAME])
    assert not row.passed
    assert row.measured == "0 of 2 frames match model.onnx"


def test_the_file_without_suppression_is_found_beside_the_one_with_it(tmp_path: Path) -> None:
    (tmp_path / "model.int8.onnx").touch()
    assert cells_file(tmp_path / "model.int8.end2end.onnx") == tmp_path / "model.int8.onnx"
    assert cells_file(tmp_path / "model.end2end.onnx") is None
    assert cells_file(tmp_path / "model.int8.onnx") is None
