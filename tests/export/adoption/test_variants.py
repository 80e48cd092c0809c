"""The other files of an adopted package: eight bits, suppression in the graph, golden frames."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_convolutions import PURE, SAME, with_convolutions
from foreign_networks import (
    CELL,
    CLASSES,
    COLUMNS,
    HEIGHT,
    WIDTH,
    Make,
    anchors,
    cell_boxes,
    expected_score,
    network,
)
from labelled_sets import Box, Picture, write_set

from spotlet import Detector
from spotlet.check import check_model
from spotlet.cli import main
from spotlet.errors import GateError, InputError, UsageError
from spotlet.letterbox import ImageArray
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption
from spotlet_export.adoption.listener import Listener

LIT = ((1, 3, 0, 250), (4, 7, 1, 235), (6, 2, 2, 245))
"""Row and column of a cell of the canvas, its class, its level."""

PLAIN = Make(layout="4+C,K", box_format="cxcywh")


def make_frame(lit: tuple[tuple[int, int, int, int], ...] = LIT) -> ImageArray:
    """Returns a black frame with lit cells, twice as large as the canvas."""
    frame = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    for row, column, class_id, level in lit:
        side = 2 * CELL
        rows = slice(row * side, (row + 1) * side)
        frame[rows, column * side : (column + 1) * side, 2 - class_id] = level
    return frame


def adopt(model: onnx.ModelProto, folder: Path, **options: Any) -> tuple[Adoption, list[str]]:
    """Adopts a network on the frame; returns what came of it and the remarks."""
    onnx.save(model, folder / "foreign.onnx")
    cv2.imwrite(str(folder / "frame.png"), make_frame())
    remarks: list[str] = []
    usual: dict[str, Any] = {"classes": CLASSES, "resize": "stretch", "pad_value": 0}
    said = AdoptSettings(**(usual | options))
    images = [folder / "frame.png"]
    listener = Listener(on_remark=remarks.append)
    done = adopt_package(folder / "foreign.onnx", folder / "package", images, said, listener)
    return done, remarks


def assert_finds(package: Path, make: Make, variant: str, slack: float = 1e-4) -> None:
    found = Detector(package, variant=variant)(make_frame())
    wanted = sorted(LIT, key=lambda cell: -cell[3])
    assert found.class_ids.tolist() == [class_id for _, _, class_id, _ in wanted]
    scores = [expected_score(make, level / 255) for _, _, _, level in wanted]
    np.testing.assert_allclose(found.scores, scores, atol=slack)
    boxes = [cell_boxes()[row * COLUMNS + column] * 2 for row, column, _, _ in wanted]
    frame = [2 * WIDTH, 2 * HEIGHT] * 2
    np.testing.assert_allclose(found.boxes_xyxy, np.clip(boxes, 0, frame), atol=30 * slack)


NETWORKS: dict[str, tuple[Make, dict[str, Any]]] = {
    "4+C,K": (PLAIN, {}),
    "suppressed": (Make(layout="K,6"), {}),
    "suppressed, as many as are found": (Make(layout="K,6", batch=1, rows="dropped"), {}),
    "with objectness": (Make(layout="K,5+C", box_format="cxcywh"), {}),
    "anchors": (
        Make(layout="ssd", activation="softmax", background="first"),
        {"anchors": anchors(), "scale": 1 / 255, "outputs": ("out_boxes", "out_scores")},
    ),
    "a batch of 1 in the graph": (Make(layout="K,6", batch=1, hard_batch=True), {}),
    "opset 11": (Make(layout="4+C,K", box_format="cxcywh", opset=11), {}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_with_suppression_in_its_graph_finds_what_it_must(name: str, tmp_path: Path) -> None:
    make, options = NETWORKS[name]
    done, _ = adopt(network(make), tmp_path, end_to_end=True, **options)
    assert sorted(done.sizes) == ["model.end2end.onnx", "model.onnx"]
    assert_finds(done.package, make, "end-to-end")
    assert {row.variant for row in done.report.rows} == {"fp32", "end-to-end"}
    report = check_model(done.package, variant="end-to-end")
    assert report.verdict == "PASS"
    card = (done.package / "CARD.md").read_text()
    assert "`model.end2end.onnx`" in card


def test_half_precision_takes_suppression_too(tmp_path: Path) -> None:
    make = Make(layout="4+C,K", box_format="cxcywh", dtype="float16")
    done, _ = adopt(network(make), tmp_path, end_to_end=True)
    assert_finds(done.package, make, "end-to-end", slack=2e-2)


def test_int8_is_calibrated_on_the_images_and_finds_what_it_must(tmp_path: Path) -> None:
    model = with_convolutions(network(PLAIN), SAME, SAME, SAME)
    done, remarks = adopt(model, tmp_path, int8=True, end_to_end=True)
    kinds = [node.op_type for node in onnx.load(done.package / "model.int8.onnx").graph.node]
    assert "QuantizeLinear" in kinds
    for variant in ("int8", "int8-end-to-end"):
        assert_finds(done.package, PLAIN, variant, slack=0.02)
        assert check_model(done.package, variant=variant).verdict == "PASS"
    assert "int8: calibrated on pictures of --image: 1; few" in "\n".join(remarks)
    record = json.loads((done.package / "parity.json").read_text())["quantisation"]
    assert (record["ap_drop"], record["budget"]) == (None, None)
    assert (record["layers"], record["float_layers"]) == (2, [])  # the last one predicts
    card = (done.package / "CARD.md").read_text()
    assert "not measured, for lack of labelled images" in card
    assert "- Calibrated on pictures of --image: 1\n" in card


def test_a_layer_that_eight_bits_ruin_goes_back_to_float(tmp_path: Path) -> None:
    """The first adds 300 to levels of 0 to 1: in eight bits, nothing is left of them."""
    model = with_convolutions(network(PLAIN), SAME, SAME, SAME, SAME, SAME, bias=300.0)
    done, _ = adopt(model, tmp_path, int8=True)
    assert done.quantisation is not None
    assert len(done.quantisation["float_layers"]) in (1, 2)
    assert_finds(done.package, PLAIN, "int8", slack=0.02)


def test_int8_that_loses_too_much_is_not_written(tmp_path: Path) -> None:
    model = with_convolutions(network(PLAIN), SAME, SAME, bias=300.0)
    with pytest.raises(GateError, match=r"1 of 1 layers in float; give --calibrate.*limit"):
        adopt(model, tmp_path, int8=True)
    assert not (tmp_path / "package").exists()


def test_with_labels_the_loss_of_accuracy_is_measured(tmp_path: Path) -> None:
    pictures = []
    for number in range(6):
        lit = tuple((row, column - number % 3, kind, level) for row, column, kind, level in LIT)
        labels: list[Box] = []
        for row, column, kind, _ in lit:
            box = np.clip(cell_boxes()[row * COLUMNS + column] * 2, 0, [2 * WIDTH, 2 * HEIGHT] * 2)
            left, top, right, bottom = box.tolist()
            labels.append((left, top, right, bottom, kind))
        split = "train" if number < 3 else "val"
        pictures.append(Picture(f"p{number}.png", split, make_frame(lit), labels))
    data = write_set(tmp_path / "set", "coco", pictures, CLASSES)
    model = with_convolutions(network(PLAIN), SAME, SAME, SAME)
    done, remarks = adopt(model, tmp_path, int8=True, data=data)
    assert done.quantisation is not None
    assert abs(done.quantisation["ap_drop"]) <= 0.01
    assert "AP, drop" in [row.name for row in done.report.rows]
    assert "int8: calibrated on training images of --data: 3" in "\n".join(remarks)
    assert "- AP lost: " in (done.package / "CARD.md").read_text()


def test_a_folder_of_pictures_is_calibrated_on(tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "street"
    folder.mkdir(parents=True)
    for number in range(20):
        lit = ((number % 8, number % 12, number % 3, 255),)
        cv2.imwrite(str(folder / f"{number}.png"), make_frame(lit))
    (folder / "notes.txt").write_text("mine")
    model = with_convolutions(network(PLAIN), SAME, SAME)
    done, remarks = adopt(model, tmp_path, int8=True, calibrate=tmp_path / "pictures")
    assert "int8: calibrated on pictures of --calibrate: 20" in remarks
    assert done.quantisation is not None
    assert done.quantisation["calibration_images"] == 20


def eight_bits(_: Path) -> onnx.ModelProto:
    """Returns a network whose image passes eight bits."""
    foreign = network(PLAIN)
    scale = onnx.numpy_helper.from_array(np.array(1 / 255, np.float32), "scale")
    zero = onnx.numpy_helper.from_array(np.array(0, np.uint8), "zero")
    foreign.graph.initializer.extend([scale, zero])
    foreign.graph.node[0].input[0] = "levels"
    rest = list(foreign.graph.node)
    del foreign.graph.node[:]
    node = onnx.helper.make_node
    nodes = [
        node("QuantizeLinear", ["image", "scale", "zero"], ["bytes"]),
        node("DequantizeLinear", ["bytes", "scale", "zero"], ["levels"]),
    ]
    foreign.graph.node.extend([*nodes, *rest])
    return foreign


REFUSED: dict[str, tuple[Callable[[Path], onnx.ModelProto], dict[str, Any], str]] = {
    "in eight bits": (eight_bits, {}, "in eight bits already"),
    "float16": (
        lambda _: network(Make(layout="4+C,K", box_format="cxcywh", dtype="float16")),
        {},
        r"float16; export it in float32 \(half=False\)",
    ),
    "suppressed": (lambda _: network(Make(layout="K,6")), {}, r"layout K,6\) are suppressed"),
    "no convolution": (lambda _: network(PLAIN), {}, "no convolution that can be in eight bits"),
    "one prediction": (
        lambda _: with_convolutions(network(PLAIN), SAME),
        {},
        "no convolution that can be in eight bits",
    ),
    "no folder": (
        lambda _: with_convolutions(network(PLAIN), SAME, SAME),
        {"calibrate": Path("nowhere")},
        "--calibrate nowhere: no such folder",
    ),
}


def test_a_network_in_eight_bits_takes_suppression(tmp_path: Path) -> None:
    done, _ = adopt(eight_bits(tmp_path), tmp_path, end_to_end=True)
    assert_finds(done.package, PLAIN, "end-to-end", slack=0.02)


@pytest.mark.parametrize("name", REFUSED)
def test_int8_that_cannot_be_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, options, message = REFUSED[name]
    model = make(tmp_path)
    with pytest.raises((UsageError, GateError, InputError), match=message) as refused:
        adopt(model, tmp_path, int8=True, **options)
    assert "\n" not in str(refused.value)


def test_an_empty_folder_to_calibrate_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    model = with_convolutions(network(PLAIN), SAME, SAME)
    with pytest.raises(InputError, match="no pictures in this folder"):
        adopt(model, tmp_path, int8=True, calibrate=tmp_path / "pictures")


def test_pictures_and_labels_are_for_int8_alone() -> None:
    with pytest.raises(UsageError, match="add --int8"):
        AdoptSettings(calibrate=Path("pictures"))
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        AdoptSettings(int8=True, int8_budget=2)


def test_without_the_variant_the_message_names_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done, _ = adopt(network(PLAIN), tmp_path)
    assert main(["info", str(done.package), "--variant", "int8"]) == 4
    assert "`spotlet adopt --int8` makes one" in capsys.readouterr().err


def golden_names(package: Path) -> list[str]:
    return sorted(path.stem for path in (package / "golden").glob("*.png"))


PURE_ONLY = {"score_threshold": 0.85}
"""With `PURE` no drawing reaches it: its colours are not pure."""


def test_where_no_drawing_fires_the_package_has_small_cuts_of_the_image(tmp_path: Path) -> None:
    done, remarks = adopt(with_convolutions(network(PLAIN), PURE), tmp_path, **PURE_ONLY)
    assert done.golden_detections > 0
    (cut,) = (name for name in golden_names(done.package) if name.startswith("cut"))
    picture = cv2.imread(str(done.package / "golden" / f"{cut}.png"))
    assert picture is not None
    lit = (picture.max(axis=2) > 200).sum()
    assert 0 < lit <= 2 * (2 * CELL) ** 2  # not the whole image, which has three lit cells
    assert check_model(done.package).verdict == "PASS"
    assert "small cuts of your images" in "\n".join(remarks)
    assert "--golden generated leaves them out" in "\n".join(remarks)
    assert "small cuts of the images given" in (done.package / "CARD.md").read_text()


def test_without_the_cuts_check_and_card_say_that_nothing_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = with_convolutions(network(PLAIN), PURE)
    done, remarks = adopt(model, tmp_path, golden="generated", **PURE_ONLY)
    assert done.golden_detections == 0
    assert not [name for name in golden_names(done.package) if name.startswith("cut")]
    report = check_model(done.package)
    assert (report.passed, report.verdict) == (True, "WARN")
    assert "says WARN" in "\n".join(remarks)
    assert "proves nothing about detections" in (done.package / "CARD.md").read_text()
    assert main(["check", str(done.package)]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("WARN, nothing is proven about detections: largest difference ")


def test_the_last_line_of_adopt_says_that_nothing_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(with_convolutions(network(PLAIN), PURE), tmp_path / "foreign.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame())
    words = ["adopt", str(tmp_path / "foreign.onnx"), "--image", str(tmp_path / "frame.png")]
    words += ["--out", str(tmp_path / "package"), "--classes", ",".join(CLASSES), "--score", "0.85"]
    assert main([*words, "--resize", "stretch", "--golden", "generated"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("PASS: ")
    assert "WARN: nothing is proven about detections" in last


def test_a_drawing_that_fires_is_found_before_the_image_is_cut(tmp_path: Path) -> None:
    """None of the six usual drawings is as pure; one of those that are searched is."""
    model = with_convolutions(network(PLAIN), PURE)
    done, remarks = adopt(model, tmp_path, score_threshold=0.75)
    assert done.golden_detections > 0
    names = golden_names(done.package)
    assert len(names) > 6
    assert all(name.startswith("drawn") for name in names)
    assert "golden frames: " in "\n".join(remarks)


def test_images_as_golden_frames_hold_detections_too(tmp_path: Path) -> None:
    model = with_convolutions(network(PLAIN), PURE)
    done, _ = adopt(model, tmp_path, golden="data", **PURE_ONLY)
    assert done.golden_detections > 0
    assert check_model(done.package).verdict == "PASS"


@pytest.mark.parametrize(
    ("missing", "options", "message"),
    [
        ("onnxscript", {"end_to_end": True}, "--end-to-end: needs onnxscript: pip install onnx"),
        (
            "torch",
            {"int8": True, "data": Path("set")},
            r"--data: needs torch: pip install \"spotlet",
        ),
    ],
)
def test_a_missing_distribution_is_named_before_anything_is_compared(
    missing: str,
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=message):
        adopt(with_convolutions(network(PLAIN), SAME, SAME), tmp_path, **options)
