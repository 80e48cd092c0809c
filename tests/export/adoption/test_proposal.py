"""Where the defaults find nothing, `spotlet adopt` proposes options, and its line works."""

import os
import pty
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from foreign_networks import Make
from foreign_networks import network as foreign_network
from region_networks import BOXES, TALL, Box, Region, make_frame, network

from spotlet import Detector
from spotlet.cli import main
from spotlet.errors import GateError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption import Listener, Preview, Proposal
from spotlet_export.adoption.trials import budget

BYTES = Region(scale=1.0, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
IMAGENET = Region(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE = Region(colour="BGR", scale=1.0, mean=(104.0, 117.0, 123.0))
Adopt = Callable[..., tuple[int, str, str]]


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Adopt:
    """Runs the command on a network; returns the exit code, the output and the error."""

    def run(make: Region, *words: str, boxes: dict[str, Box] = BOXES) -> tuple[int, str, str]:
        onnx.save(network(make), tmp_path / "a model.onnx")
        cv2.imwrite(str(tmp_path / "frame.png"), make_frame(boxes))
        names = ["--classes", ",".join(make.classes)]
        files = ["--out", str(tmp_path / "package"), "--image", str(tmp_path / "frame.png")]
        code = main(["adopt", str(tmp_path / "a model.onnx"), *files, *names, *words])
        captured = capsys.readouterr()
        assert (tmp_path / "package").exists() is (code == 0)
        return code, captured.out, captured.err

    return run


def proposed_line(output: str) -> str:
    """Returns the command to paste, without which there is none."""
    lines = [line for line in output.splitlines() if line.startswith("spotlet adopt ")]
    return lines[0] if lines else ""


def assert_finds(package: Path, boxes: dict[str, Box]) -> None:
    found = Detector(package)(make_frame(boxes))
    assert {each.name for each in found} == set(boxes)
    assert len(found) == len(boxes)
    for each in found:
        np.testing.assert_allclose(each.box_xyxy, boxes[each.name], atol=3)


@pytest.mark.parametrize(
    ("make", "boxes", "options"),
    [
        (Region(colour="BGR"), BOXES, "--colour BGR"),
        (Region(scale=1.0), BOXES, "--scale 1"),
        (
            IMAGENET,
            BOXES,
            "--scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        ),
        (BYTES, BOXES, "--scale 1 --mean 127.5 --std 127.5"),
        (CAFFE, BOXES, "--colour BGR --scale 1 --mean 104,117,123"),
        (Region(activation="sigmoid"), BOXES, "--activation sigmoid"),
        (Region(box_unit="unit"), BOXES, "--box-unit unit"),
        (Region(box_format="xyxy"), BOXES, "--box-format xyxy"),
        (Region(square=True), TALL, "--resize stretch"),
        (
            Region(layout="K,5+C", strides=True, colour="BGR", scale=1.0),
            BOXES,
            "--colour BGR --scale 1 --resize letterbox_corner --pad-value 114 --strides 8,16,32",
        ),
        (
            Region(
                colour="BGR",
                scale=1.0,
                activation="sigmoid",
                box_unit="unit",
                box_format="xyxy",
            ),
            BOXES,
            "--colour BGR --scale 1 --activation sigmoid --box-format xyxy --box-unit unit",
        ),
        (
            Region(layout="boxes+scores", scale=1.0),
            BOXES,
            "--scale 1 --box-format cxcywh",
        ),
    ],
)
def test_the_options_that_a_network_needs_are_proposed_and_work(
    adopt: Adopt, tmp_path: Path, make: Region, boxes: dict[str, Box], options: str
) -> None:
    code, output, error = adopt(make, boxes=boxes)
    line = proposed_line(output)
    assert (code, line.endswith(f" {options}")) == (3, True), output + error
    assert f"with {options} it finds 2 objects" in error
    picture = cv2.imread(str(tmp_path / "package-proposal.png"))
    assert picture is not None
    assert (picture != make_frame(boxes)).any()
    assert main(shlex.split(line)[1:]) == 0
    assert_finds(tmp_path / "package", boxes)


@pytest.mark.parametrize("unit", ["pixels", "unit"])
@pytest.mark.parametrize("layout", ["K,4+C", "boxes+scores"])
def test_boxes_as_corner_and_size_are_recognised_in_a_mirrored_picture(
    adopt: Adopt, tmp_path: Path, layout: str, unit: str
) -> None:
    make = Region(layout=layout, box_format="xywh", box_unit=unit)
    words = ["--resize", "letterbox", "--colour", "RGB", "--scale", "1/255"]
    code, output, error = adopt(make, *words)
    assert (code, "upper left corners and sizes" in output) == (0, True), output + error
    assert_finds(tmp_path / "package", BOXES)


def test_a_given_format_that_should_be_corner_and_size_is_a_doubt(adopt: Adopt) -> None:
    make = Region(box_format="xywh", box_unit="unit")
    code, _, error = adopt(make, "--box-format", "cxcywh")
    assert (code, "--box-format xywh --box-unit unit" in error) == (3, True), error


@pytest.mark.parametrize(("share", "clear"), [(0.61, False), (0.7, True)])
def test_only_a_proposal_that_agrees_well_is_clear(share: float, clear: bool) -> None:
    proposal = Proposal(
        doubts=(), changes={}, options="", equals=(), share=share, runs=1, detections=()
    )
    assert proposal.clear is clear


def test_pixels_that_the_exporter_decides_are_not_varied(adopt: Adopt, tmp_path: Path) -> None:
    code, _, error = adopt(Region(scale=1.0))
    assert (code, "with --scale 1 it finds" in error) == (3, True)
    model = onnx.load(tmp_path / "a model.onnx")
    onnx.helper.set_model_props(model, {"author": "Ultralytics"})
    onnx.save(model, tmp_path / "known.onnx")
    given = tmp_path / "known.onnx", tmp_path / "known", [tmp_path / "frame.png"]
    settings = AdoptSettings(classes=Region().classes, layout="K,4+C")
    with pytest.raises(GateError, match="none finds the same objects"):
        adopt_package(*given, settings, Listener(propose=lambda *_: True))


def test_boxes_in_wrong_columns_are_not_proposed(adopt: Adopt) -> None:
    code, output, error = adopt(Region(box_format="x1x2y1y2"), "--yes")
    assert (code, proposed_line(output)) == (3, ""), output
    assert "none finds the same objects" in error


@pytest.mark.parametrize(
    ("scale_xy", "said"),
    [
        ((0.5, 0.5), "0.5 times as wide and 0.5 times as high"),
        ((1.0, 0.75), "0.75 times as high"),
        ((1.0, 1.33), "1.3 times as high"),
    ],
)
def test_boxes_in_another_scale_are_refused(
    adopt: Adopt, scale_xy: tuple[float, float], said: str
) -> None:
    code, _, error = adopt(Region(box_scale_xy=scale_xy), "--yes")
    assert (code, f"fit a canvas {said}, not the network's own" in error) == (3, True), error


def test_with_yes_the_proposal_is_adopted(adopt: Adopt, tmp_path: Path) -> None:
    code, output, _ = adopt(Region(colour="BGR", scale=1.0), "--yes")
    assert (code, "with --colour BGR --scale 1 it finds 2 objects" in output) == (0, True)
    assert_finds(tmp_path / "package", BOXES)
    assert not (tmp_path / "package-proposal.png").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("\n", 3)])
def test_on_a_terminal_the_proposal_is_asked_for_once(
    adopt: Adopt, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer.encode())
    with os.fdopen(terminal, "r") as screen:
        monkeypatch.setattr("sys.stdin", screen)
        found, output, _ = adopt(Region(scale=1.0))
    os.close(keyboard)
    assert (found, output.count("[y/N]")) == (code, 1)


def test_from_python_nothing_is_adopted_without_consent(adopt: Adopt, tmp_path: Path) -> None:
    adopt(Region(scale=1.0))
    given = tmp_path / "a model.onnx", tmp_path / "package", [tmp_path / "frame.png"]
    settings = AdoptSettings(classes=Region().classes)
    with pytest.raises(GateError, match="with --scale 1 it finds 2 objects"):
        adopt_package(*given, settings)
    asked: list[tuple[Proposal, Preview]] = []

    def agree(proposal: Proposal, preview: Preview) -> bool:
        asked.append((proposal, preview))
        return True

    adopt_package(*given, settings, Listener(propose=agree))
    ((proposal, preview),) = asked
    assert proposal.changes == {"scale": 1.0}
    assert proposal.share > 0.9
    assert [each.name for each in preview.detections["frame.png"]] in (
        ["red", "yellow"],
        ["yellow", "red"],
    )
    assert_finds(tmp_path / "package", BOXES)


def test_colours_that_the_image_cannot_tell_are_named_and_the_usual_one_is_proposed(
    adopt: Adopt,
) -> None:
    make = Region(classes=("red", "yellow", "blue", "cyan"), colour="BGR", scale=1.0)
    code, output, error = adopt(make)
    assert code == 3
    assert proposed_line(output).endswith(" --scale 1")
    assert "the images cannot tell it from --colour BGR --scale 1" in error


def test_with_undecoded_boxes_blue_first_is_the_usual_order(adopt: Adopt) -> None:
    make = Region(
        classes=("red", "yellow", "blue", "cyan"), layout="K,5+C", strides=True, scale=1.0
    )
    code, output, error = adopt(make)
    options = "--scale 1 --resize letterbox_corner --pad-value 114 --strides 8,16,32"
    assert (code, proposed_line(output).endswith(f" --colour BGR {options}")) == (3, True)
    assert f"the images cannot tell it from --colour RGB {options}" in error


def test_an_image_without_objects_brings_no_proposal(adopt: Adopt, tmp_path: Path) -> None:
    code, output, error = adopt(Region(scale=1.0), boxes={})
    assert (code, proposed_line(output)) == (3, "")
    assert "nothing found" in error
    assert "do they show objects of its classes?" in error
    assert not (tmp_path / "package-proposal.png").exists()


def test_what_the_user_said_is_not_varied(adopt: Adopt) -> None:
    code, output, error = adopt(Region(colour="BGR"), "--colour", "RGB")
    assert (code, proposed_line(output), "nothing found" in error) == (3, "", True)
    code, output, _ = adopt(Region(colour="BGR", scale=1.0), "--scale", "1")
    assert (code, proposed_line(output).endswith("--scale 1 --colour BGR")) == (3, True)


def test_a_network_that_fires_wherever_it_looks_is_not_proposed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its boxes are those of the canvas: they do not move with the image."""
    rng = np.random.default_rng(5)
    rows = np.zeros((1, 60, 7), np.float32)
    rows[0, :, :4] = [*rng.uniform(0.2, 0.8, 2), 0.2, 0.3]
    rows[0, :, :2] = rng.uniform(0.2, 0.8, (60, 2))
    rows[0, :12, 4] = 0.9
    model = network(Region())
    (end,) = (node for node in model.graph.node if node.output[0] == "out_all")
    nodes = [
        onnx.helper.make_node("Slice", ["image", "zero", "one", "three"], ["column"]),
        onnx.helper.make_node("ReduceMean", ["column"], ["mean"], axes=[1, 2, 3], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "nothing"], ["none"]),
        onnx.helper.make_node("Add", ["rows", "none"], ["constant"]),
    ]
    for name, value in {
        "zero": np.array([0]),
        "one": np.array([1]),
        "three": np.array([3]),
        "nothing": np.float32(0),
        "rows": rows,
    }.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
    end.input[0] = "constant"
    model.graph.node.remove(end)
    model.graph.node.extend([*nodes, end])
    onnx.save(model, tmp_path / "constant.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame(BOXES))
    words = ["--out", str(tmp_path / "package"), "--image", str(tmp_path / "frame.png")]
    said = ["--classes", "red,yellow,green"]
    assert main(["adopt", str(tmp_path / "constant.onnx"), *words, *said]) == 3
    assert "none finds the same objects" in capsys.readouterr().err
    said += ["--box-unit", "unit"]
    assert main(["adopt", str(tmp_path / "constant.onnx"), *words, *said]) == 3
    assert "boxes do not move with the mirrored image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (Make(layout="K,4+C", box_format="cxcywh", scale=1.0), "--scale 1"),
        (Make(layout="4+C,K", box_format="xyxy"), "--box-format xyxy"),
        (Make(layout="K,6", box_unit="unit"), "--box-unit unit"),
        (
            Make(layout="boxes+scores", box_format="cxcywh", activation="sigmoid"),
            "--activation sigmoid --box-format cxcywh",
        ),
    ],
)
def test_foreign_networks_are_proposed_with_what_they_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Make, options: str
) -> None:
    onnx.save(foreign_network(make), tmp_path / "foreign.onnx")
    frame = np.zeros((128, 192, 3), np.uint8)
    for n, (row, column) in enumerate([(1, 2), (3, 6), (5, 9)]):
        frame[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16, n] = 240
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    words = ["--out", str(tmp_path / "package"), "--image", str(tmp_path / "frame.png")]
    said = ["--classes", "red,green,blue", "--pad-value", "0"]
    assert main(["adopt", str(tmp_path / "foreign.onnx"), *words, *said]) == 3
    line = proposed_line(capsys.readouterr().out)
    assert line.endswith(f" {options}")
    assert main(shlex.split(line)[1:]) == 0
    found = Detector(tmp_path / "package")(frame)
    assert sorted(found.class_ids.tolist()) == [0, 1, 2]


def test_trials_end_when_their_time_is_spent(adopt: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.0)
    code, output, error = adopt(Region(scale=1.0))
    assert (code, proposed_line(output), "stopped after" in error) == (3, "", True)


def test_the_budget_counts_runs_and_seconds_and_reports_them() -> None:
    seconds = [0.0]
    steps: list[str] = []
    counted = budget.Budget(steps.append, lambda: seconds[0])
    while not counted.spent:
        seconds[0] += 4
        counted.count()
    assert seconds[0] == pytest.approx(budget.MOST_SECONDS, abs=4)
    assert steps[0] == "2 runs in 8 s, at most 90 s"
    counted = budget.Budget(steps.append, lambda: 0.0)
    while not counted.spent:
        counted.count()
    assert counted.runs == budget.MOST_RUNS
