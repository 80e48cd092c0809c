"""Networks of other exporters, adopted, find what they must: worked out by hand."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_frames import BLACK, LIT, assert_finds, make_frame
from foreign_networks import (
    CELL,
    CLASSES,
    COLUMNS,
    HEIGHT,
    WIDTH,
    Make,
    anchors,
    save,
)

from spotlet import Detector
from spotlet.check import check_model
from spotlet.errors import GateError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.recognition import evidence as recognition_evidence
from spotlet_export.adoption.recognition import layout as recognition_layout

IN_ORDER = ("out_boxes", "out_scores")
"""Said where four columns of scores look like boxes."""


def adopt(make: Make, folder: Path, resize: str, /, **options: Any) -> Adoption:
    picture = folder / "frame.png"
    cv2.imwrite(str(picture), make_frame(resize))
    said = AdoptSettings(**({"classes": CLASSES, "resize": resize} | BLACK | options))
    return adopt_package(save(make, folder / "foreign.onnx"), folder / "package", [picture], said)


NETWORKS: dict[str, tuple[Make, str, dict[str, Any]]] = {
    "4+C,K": (Make(layout="4+C,K", box_format="cxcywh"), "letterbox", {}),
    "K,4+C": (Make(layout="K,4+C", box_format="cxcywh"), "letterbox", {}),
    "K,5+C": (Make(layout="K,5+C", box_format="cxcywh"), "letterbox", {}),
    "K,5+C undecoded": (
        Make(layout="K,5+C", box_format="cxcywh", strides=True, colour="BGR", scale=1.0),
        "letterbox_corner",
        {"strides": (CELL,)},
    ),
    "K,6": (Make(layout="K,6"), "letterbox", {}),
    "K,6, as many as are found": (Make(layout="K,6", batch=1, rows="dropped"), "letterbox", {}),
    "K,6, filled up with zeros": (Make(layout="K,6", rows="zeroed"), "letterbox", {}),
    "boxes+scores": (Make(layout="boxes+scores"), "stretch", {}),
    "boxes+scores+ids": (
        Make(layout="boxes+scores+ids", box_unit="unit"),
        "stretch",
        {"box_unit": "unit"},
    ),
    "boxes+scores+ids, as many as are found": (
        Make(layout="boxes+scores+ids", batch=1, rows="dropped"),
        "letterbox",
        {},
    ),
    "logits, as many as are found": (
        Make(layout="K,6", batch=1, rows="dropped", activation="sigmoid"),
        "letterbox",
        {"activation": "sigmoid"},
    ),
    "logits of a transformer": (
        Make(layout="boxes+scores", box_format="cxcywh", box_unit="unit", activation="sigmoid"),
        "stretch",
        {"box_format": "cxcywh", "box_unit": "unit", "activation": "sigmoid"},
    ),
    "corner and size": (
        Make(layout="boxes+scores", box_format="xywh"),
        "letterbox",
        {"box_format": "xywh"},
    ),
    "shares with background last": (
        Make(layout="boxes+scores", activation="softmax", background="last", box_format="yxyx"),
        "letterbox",
        {"activation": "softmax", "background": "last", "box_format": "yxyx", "outputs": IN_ORDER},
    ),
    "ssd": (
        Make(
            layout="ssd",
            activation="softmax",
            background="first",
            scale=1.0,
            mean=127.5,
            std=127.5,
        ),
        "stretch",
        {"anchors": anchors(), "outputs": IN_ORDER},
    ),
    "ssd, y first": (
        Make(layout="ssd", activation="softmax", background="first", box_format="cycxhw"),
        "letterbox",
        {"anchors": anchors(), "box_format": "cycxhw", "scale": 1 / 255, "outputs": IN_ORDER},
    ),
    "offsets in pixels, key points": (
        Make(layout="ssd", activation="sigmoid", offsets="pixels"),
        "letterbox",
        {
            "anchors": anchors(),
            "offsets": "pixels",
            "activation": "sigmoid",
            "background": "none",
            "scale": 1 / 255,
        },
    ),
    "columns after the classes": (
        Make(layout="4+C,K", box_format="cxcywh", extra=32),
        "letterbox",
        {"extra": 32},
    ),
    "channels last, blue first, mean and std": (
        Make(
            layout="K,4+C",
            box_format="cxcywh",
            axes="NHWC",
            colour="BGR",
            scale=1 / 255,
            mean=0.45,
            std=0.22,
        ),
        "letterbox_corner",
        {"colour": "BGR", "scale": 1 / 255, "mean": (0.45,) * 3, "std": (0.22,) * 3},
    ),
    "float16": (Make(layout="4+C,K", box_format="cxcywh", dtype="float16"), "letterbox", {}),
    "float64": (Make(layout="K,6", dtype="float64"), "letterbox", {}),
    "bytes": (Make(layout="K,6", dtype="uint8", axes="NHWC", scale=1.0), "letterbox", {}),
    "whole numbers": (Make(layout="K,6", dtype="int32", scale=1.0), "stretch", {}),
    "a free size": (
        Make(layout="K,6", free_size=True),
        "letterbox",
        {"size_hw": (HEIGHT, WIDTH)},
    ),
    "opset 11": (Make(layout="4+C,K", box_format="cxcywh", opset=11), "letterbox", {}),
    "a batch of 1 that is only said": (Make(layout="K,6", batch=1), "letterbox", {}),
    "a batch of 1 in the graph": (
        Make(layout="K,6", batch=1, hard_batch=True),
        "letterbox",
        {},
    ),
    "a batch of 4 that is only said": (Make(layout="K,6", batch=4), "letterbox", {}),
    "a batch of 4 in the graph": (
        Make(layout="4+C,K", box_format="cxcywh", batch=4, hard_batch=True),
        "letterbox",
        {},
    ),
    "a batch of 10 that the graph needs": (
        Make(layout="K,4+C", box_format="cxcywh", batch=10, hard_batch=True, merged=True),
        "letterbox",
        {},
    ),
    "suppressed, a batch of 4 that the graph needs": (
        Make(layout="boxes+scores+ids", batch=4, hard_batch=True, merged=True, rows="zeroed"),
        "letterbox",
        {},
    ),
    "of a batch of 4 only the first is answered": (
        Make(layout="K,6", batch=4, rows="first"),
        "letterbox",
        {},
    ),
    "only the first of a batch is answered": (Make(layout="K,6", rows="first"), "letterbox", {}),
    "the pictures of a batch mix": (
        Make(layout="4+C,K", box_format="cxcywh", mixed=True),
        "letterbox",
        {},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_adopted_network_finds_what_it_must(name: str, tmp_path: Path) -> None:
    make, resize, options = NETWORKS[name]
    done = adopt(make, tmp_path, resize, **options)
    assert done.report.passed
    assert len(done.report.rows) >= 5
    assert_finds(done.package, make, resize)
    assert check_model(done.package).passed


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("K,6", True),
        ("a batch of 1 that is only said", True),
        ("a batch of 1 in the graph", False),
        ("a batch of 4 that is only said", True),
        ("a batch of 4 in the graph", True),
        ("a batch of 10 that the graph needs", False),
        ("of a batch of 4 only the first is answered", False),
        ("only the first of a batch is answered", False),
        ("the pictures of a batch mix", False),
        ("K,6, as many as are found", False),
    ],
)
def test_the_batch_is_free_where_pictures_stay_apart(name: str, free: bool, tmp_path: Path) -> None:
    make, resize, options = NETWORKS[name]
    package = adopt(make, tmp_path, resize, **options).package
    side = onnx.load(package / "model.onnx").graph.input[0].type.tensor_type.shape.dim[0]
    assert side.HasField("dim_param") is free
    frames = [make_frame(resize), np.zeros((40, 50, 3), np.uint8), make_frame(resize)]
    assert [len(found) for found in Detector(package).detect(frames)] == [len(LIT), 0, len(LIT)]


def test_the_defaults_of_a_layout_hold_where_nothing_is_said(tmp_path: Path) -> None:
    """The pixels of `ssd` run from -1 to 1, and its frames are stretched."""
    make, _, options = NETWORKS["ssd"]
    done = adopt(make, tmp_path, "stretch", **options | {"resize": None, "pad_value": None})
    assert done.manifest.input.resize == "stretch"
    assert_finds(done.package, make, "stretch")


def test_suppressed_rows_are_not_suppressed_again(tmp_path: Path) -> None:
    done = adopt(Make(layout="K,6"), tmp_path, "letterbox")
    assert done.manifest.detection.iou_threshold == 1.0


def test_of_rows_as_many_as_are_found_the_best_are_taken(tmp_path: Path) -> None:
    make = Make(layout="K,6", batch=1, rows="dropped")
    package = adopt(make, tmp_path, "letterbox", max_detections=2).package
    assert_finds(package, make, "letterbox", most=2)


def test_a_given_layout_may_have_any_number_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition_layout, "MOST_SUPPRESSED", COLUMNS)
    with pytest.raises(GateError, match=r"does not fit any layout: .* --layout K,6"):
        adopt(Make(layout="K,6"), tmp_path, "letterbox")
    assert_finds(
        adopt(Make(layout="K,6"), tmp_path, "letterbox", layout="K,6").package,
        Make(layout="K,6"),
        "letterbox",
    )


def test_more_rows_than_a_suppression_leaves_are_suppressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition_evidence, "MOST_SUPPRESSED", COLUMNS)
    done = adopt(Make(layout="K,6"), tmp_path, "letterbox")
    assert done.manifest.detection.iou_threshold == 0.6


def test_the_package_says_where_it_is_from_and_under_which_licence(tmp_path: Path) -> None:
    make = Make(layout="4+C,K", box_format="cxcywh")
    model = onnx.load(save(make, tmp_path / "foreign.onnx"))
    said = {
        "names": "{0: 'red', 1: 'green', 2: 'blue'}",
        "license": "AGPL-3.0",
        "author": "Somebody",
        "task": "detect",
    }
    onnx.helper.set_model_props(model, said)
    onnx.save(model, tmp_path / "foreign.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    remarks: list[str] = []
    done = adopt_package(
        tmp_path / "foreign.onnx",
        tmp_path / "package",
        [tmp_path / "frame.png"],
        AdoptSettings(pad_value=0, notes="For the *belt*."),
        Listener(on_remark=remarks.append),
    )
    assert Detector(done.package).class_names == CLASSES
    training = Detector(done.package).manifest.training
    assert training["licence"] == "AGPL-3.0"
    assert training["adopted_from"] == "foreign.onnx"
    assert training["metadata"]["author"] == "Somebody"
    assert any("AGPL-3.0" in remark for remark in remarks)
    card = (done.package / "CARD.md").read_text("utf-8")
    for text in ("AGPL-3.0", training["sha256"], "`foreign.onnx`", "For the *belt*.", "4+C,K"):
        assert text in card
    record = json.loads((done.package / "parity.json").read_text("utf-8"))
    assert record["adopted"]["reading"]["output"]["layout"] == "4+C,K"
    assert all(row["passed"] for row in record["files"]["model.onnx"]["rows"])
    preview = cv2.imread(str(done.package / "preview.png"))
    assert preview is not None
    assert preview.shape == make_frame("letterbox").shape
    assert (preview != make_frame("letterbox")).any()


def test_golden_frames_are_of_the_users_images_only_when_asked(tmp_path: Path) -> None:
    for source, begins in (("generated", "drawn-"), ("data", "image-")):
        done = adopt(Make(layout="K,6"), tmp_path, "letterbox", golden=source)
        names = [path.name for path in (done.package / "golden").glob("*.png")]
        assert len(names) == 6
        assert all(name.startswith(begins) for name in names)


def test_outputs_that_are_left_out_leave_the_file(tmp_path: Path) -> None:
    make = Make(layout="K,6")
    model = onnx.load(save(make, tmp_path / "other.onnx"))
    weights = onnx.numpy_helper.from_array(np.zeros((5, 3, 1, 1), np.float32), "masks_weight")
    model.graph.initializer.append(weights)
    model.graph.node.append(
        onnx.helper.make_node("Conv", ["image", "masks_weight"], ["masks"], name="masks")
    )
    model.graph.output.append(onnx.helper.make_tensor_value_info("masks", 1, None))
    onnx.save(model, tmp_path / "other.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    done = adopt_package(
        tmp_path / "other.onnx",
        tmp_path / "package",
        [tmp_path / "frame.png"],
        AdoptSettings(classes=CLASSES, pad_value=0),
    )
    graph = onnx.load(done.package / "model.onnx").graph
    assert "Conv" not in {node.op_type for node in graph.node}
    assert "masks_weight" not in {each.name for each in graph.initializer}
    assert_finds(done.package, make, "letterbox")


def test_weights_beside_the_file_are_taken_in(tmp_path: Path) -> None:
    model = onnx.load(save(Make(layout="K,6"), tmp_path / "foreign.onnx"))
    (tmp_path / "apart").mkdir()
    path = tmp_path / "apart" / "apart.onnx"
    onnx.save(model, path, save_as_external_data=True, location="apart.data", size_threshold=0)
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    settings = AdoptSettings(classes=CLASSES, pad_value=0)
    done = adopt_package(path, tmp_path / "package", [tmp_path / "frame.png"], settings)
    assert {file.name for file in done.package.glob("*.data")} == set()
    assert_finds(done.package, Make(layout="K,6"), "letterbox")


def test_another_input_gets_a_constant_value(tmp_path: Path) -> None:
    """As networks that move the boxes to the size of the frame, which they need to know."""
    make = Make(layout="K,6")
    model = onnx.load(save(make, tmp_path / "sized.onnx"))
    graph = model.graph
    graph.input.append(onnx.helper.make_tensor_value_info("size", onnx.TensorProto.INT64, ["N", 2]))
    end, last = graph.node.pop(), graph.node.pop()
    assert last.op_type == "Concat"
    twice = onnx.helper.make_node("Concat", ["size", "size"], ["sizes"], axis=1)
    cast = onnx.helper.make_node("Cast", ["sizes"], ["sides"], to=onnx.TensorProto.FLOAT)
    unit = onnx.numpy_helper.from_array(
        np.array([[[WIDTH, HEIGHT, WIDTH, HEIGHT]]], np.float32), "unit"
    )
    graph.initializer.append(unit)
    divided = onnx.helper.make_node("Div", [last.input[0], "unit"], ["boxes_unit"])
    scaled = onnx.helper.make_node("Mul", ["boxes_unit", "sides"], ["boxes"])
    last.input[0] = "boxes"
    graph.node.extend([twice, cast, divided, scaled, last, end])
    onnx.save(model, tmp_path / "sized.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    done = adopt_package(
        tmp_path / "sized.onnx",
        tmp_path / "package",
        [tmp_path / "frame.png"],
        AdoptSettings(classes=CLASSES, pad_value=0, fixed={"size": (WIDTH, HEIGHT)}),
    )
    assert_finds(done.package, make, "letterbox")
