"""What a person can do wrong with `spotlet adopt`: one clear line, and nothing written."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from foreign_networks import CELL, Make, anchors, network, save

from spotlet.cli import main
from spotlet_export.adoption.original.decoder import OriginalDecoder
from spotlet_export.gate.reference import Tensors

CENTRES = Make(layout="K,4+C", box_format="cxcywh")
SUPPRESSED = Make(layout="K,6")
CORNERS = Make(layout="boxes+scores")
ANCHORED = Make(layout="ssd", activation="softmax", background="first")
SAID = ["--classes", "red,green,blue", "--pad-value", "0"]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command on a network; returns the exit code and what was said on standard error."""
    frame = np.zeros((128, 192, 3), np.uint8)
    for n, (row, column) in enumerate([(1, 2), (3, 6), (5, 10)]):
        frame[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16, n] = 240
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    np.save(tmp_path / "anchors.npy", anchors())
    (tmp_path / "twice.txt").write_text("red\nred\nblue\n")
    (tmp_path / "text.onnx").write_text("This is no network.\n")
    model = network(CENTRES)
    sides = onnx.helper.make_tensor_value_info("size", onnx.TensorProto.INT64, ["N", 2])
    model.graph.input.append(sides)
    onnx.save(model, tmp_path / "sized.onnx")
    model = network(CENTRES)
    model.opset_import[0].version = 26
    end = model.graph.node[-1]
    axis = onnx.numpy_helper.from_array(np.array(0), "axis")
    model.graph.initializer.append(axis)
    model.graph.node.append(onnx.helper.make_node("CumProd", [end.output[0], "axis"], ["product"]))
    model.graph.output[0].name = "product"
    onnx.save(model, tmp_path / "newer.onnx")

    def run(make: Make | str, *words: str, said: list[str] = SAID) -> tuple[int, str]:
        path = tmp_path / (make if isinstance(make, str) else "foreign.onnx")
        if isinstance(make, Make):
            save(make, path)
        image = [] if "no image" in words else ["--image", str(tmp_path / "frame.png")]
        given = [word.replace("HERE", str(tmp_path)) for word in words if word != "no image"]
        out = ["--out", str(tmp_path / "package")]
        code = main(["adopt", str(path), *out, *image, *said, *given])
        message = [line for line in capsys.readouterr().err.splitlines() if "…" not in line]
        assert code in (0, 2, 3, 4)
        assert (tmp_path / "package").exists() is (code == 0)
        assert len(message) == (code != 0), message
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
        return code, "".join(message)

    return run


@pytest.mark.parametrize(
    ("make", "words", "code", "says"),
    [
        (CENTRES, ["no image"], 2, "--image"),
        (CENTRES, ["--image", "HERE/none.png"], 4, "none.png"),
        ("none.onnx", [], 4, "cannot be read"),
        ("text.onnx", [], 4, "not an ONNX model"),
        ("frame.png", [], 4, "not an ONNX model"),
        (CENTRES, ["--classes", "red"], 3, "names: 1, outputs: 3"),
        (CENTRES, ["--classes", "HERE/twice.txt"], 2, "duplicate name 'red'"),
        (CENTRES, ["--classes", "names.txt"], 4, "no such file"),
        (CENTRES, ["--classes", "red,,blue"], 2, "no names found"),
        (CENTRES, ["--classes", ",".join(f"a long name {n}" for n in range(80))], 3, "names: 80"),
        (CENTRES, ["--outputs", "det"], 2, "unknown output; there are out_all"),
        (CENTRES, ["--layout", "ssd"], 3, "do not fit layout ssd"),
        (CENTRES, ["--strides", "8,16"], 2, "120 cells on a canvas of 64x96"),
        (CENTRES, ["--strides", "eight"], 2, "whole numbers"),
        (CENTRES, ["--size", "320x320"], 2, "its size is fixed"),
        (CENTRES, ["--size", "320"], 2, "HEIGHTxWIDTH"),
        (replace(CENTRES, free_size=True), [], 2, "give --size"),
        (CENTRES, ["--scale", "a lot"], 2, "--scale: 'a lot' must be numbers"),
        (CENTRES, ["--mean", "1,2"], 2, "must be 1 or 3 numbers"),
        (CENTRES, ["--std", "0"], 2, "must not contain 0"),
        (CENTRES, ["--pad-value", "300"], 2, "from 0 to 255"),
        (CENTRES, ["--score", "7"], 2, "from 0 to 1"),
        ("sized.onnx", [], 2, "--fix size=96,64 (width, height)"),
        ("sized.onnx", ["--fix", "size=1,2,3"], 2, "3 numbers for size"),
        (CENTRES, ["--fix", "size=3"], 2, "unknown input"),
        (CENTRES, ["--fix", "size"], 2, "NAME=NUMBERS"),
        (replace(CENTRES, dtype="uint8", scale=1.0), ["--scale", "1/255"], 2, "whole numbers"),
        ("newer.onnx", [], 4, "opset_version=21"),
        (replace(CENTRES, extra=32), [], 3, "--extra 32"),
        (ANCHORED, [], 3, "--background first"),
        (ANCHORED, ["--layout", "ssd", "--outputs", "out_boxes,out_scores"], 2, "--anchors FILE"),
        (ANCHORED, ["--anchors", "HERE/text.onnx"], 4, "cannot be read"),
        (CENTRES, ["--anchors", "HERE/anchors.npy"], 3, "do not fit"),
        (CORNERS, ["--notes", "HERE/none.md"], 4, "none.md"),
        (CORNERS, ["--attach", "HERE/none.md"], 4, "none.md"),
    ],
)
def test_a_mistake_is_one_clear_line(
    adopt: Run, make: Make | str, words: list[str], code: int, says: str
) -> None:
    found, message = adopt(make, *words)
    assert (found, says in message) == (code, True), message


@pytest.mark.parametrize(
    ("make", "words", "says"),
    [
        (replace(CORNERS, activation="sigmoid"), [], "--activation sigmoid"),
        (CORNERS, ["--activation", "sigmoid"], "--activation none"),
        (
            replace(CORNERS, activation="softmax", background="last"),
            [
                "--background",
                "first",
                "--activation",
                "softmax",
                *["--outputs", "out_boxes,out_scores"],
            ],
            "background",
        ),
        (replace(CORNERS, box_unit="unit"), [], "--box-unit unit"),
        (CORNERS, ["--box-unit", "unit"], "--box-unit pixels"),
        (CORNERS, ["--box-format", "cxcywh"], "--box-format xyxy"),
        (replace(CORNERS, box_format="cxcywh"), [], "--box-format cxcywh"),
        (CENTRES, ["--scale", "1/25500"], "nothing found: the best score"),
        (CENTRES, ["--scale", "1"], "--activation sigmoid"),
        (CENTRES, ["--score", "0.99"], "nothing found: the best score"),
    ],
)
def test_a_wrong_reading_is_caught_with_the_option_to_try(
    adopt: Run, make: Make, words: list[str], says: str
) -> None:
    code, message = adopt(make, *words)
    assert (code, says in message) == (3, True), message


def test_boxes_that_are_still_offsets_in_a_grid_are_caught(
    adopt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlet_export.adoption.plausibility.COMMON_STRIDES", (CELL,))
    make = Make(layout="K,5+C", box_format="cxcywh", strides=True, colour="BGR", scale=1.0)
    code, message = adopt(make, "--colour", "BGR", "--scale", "1")
    assert (code, f"--strides {CELL}" in message) == (3, True), message
    assert adopt(make, "--strides", str(CELL))[0] == 0


@pytest.mark.parametrize("words", [[], ["--box-format", "xyxy"], ["--box-format", "cxcywh"]])
def test_offsets_from_anchors_are_named_in_any_box_format(adopt: Run, words: list[str]) -> None:
    make = replace(ANCHORED, scale=1 / 255)
    given = ["--outputs", "out_boxes,out_scores", "--layout", "boxes+scores"]
    activated = ["--activation", "softmax", "--background", "first"]
    code, message = adopt(make, *given, *activated, *words)
    assert (code, "offsets from anchors? --layout ssd --anchors FILE" in message) == (3, True)
    assert "--box-format" not in message
    assert len(message) < 400


def test_what_the_trials_tried_is_not_advised_after_them(adopt: Run) -> None:
    code, message = adopt(CENTRES, "--scale", "1e-9")
    assert (code, "nothing found: the best score is" in message) == (3, True), message
    assert "none finds the same objects" in message
    assert "--resize" not in message
    assert len(message) < 400


def test_a_class_that_is_everywhere_is_taken_for_the_background(adopt: Run) -> None:
    make = replace(CORNERS, activation="softmax", background="first")
    words = ["--classes", "scene,red,green,blue", "--outputs", "out_boxes,out_scores"]
    code, message = adopt(make, *words, "--activation", "softmax")
    assert (code, "'scene' fires in" in message) == (3, True), message


def test_what_looks_wrong_is_written_by_force_and_said(adopt: Run, tmp_path: Path) -> None:
    words = ["--score", "0.99"]
    assert adopt(CENTRES, *words)[0] == 3
    assert adopt(CENTRES, *words, "--force")[0] == 0
    card = (tmp_path / "package" / "CARD.md").read_text("utf-8")
    assert "Written because of --force" in card
    assert "nothing found" in card


def test_without_class_names_the_message_lists_the_outputs(adopt: Run) -> None:
    code, message = adopt(CENTRES, said=[])
    assert (code, "--classes" in message, "out_all" in message) == (2, True, True)


def test_weights_that_are_not_beside_the_file_are_named(adopt: Run, tmp_path: Path) -> None:
    model = onnx.load(save(CENTRES, tmp_path / "apart.onnx"))
    onnx.save(
        model,
        tmp_path / "apart.onnx",
        save_as_external_data=True,
        location="apart.data",
        size_threshold=0,
    )
    (tmp_path / "apart.data").unlink()
    code, message = adopt("apart.onnx")
    assert (code, "apart.data" in message) == (4, True)


def test_a_model_of_spotlets_own_is_not_adopted(adopt: Run, tmp_path: Path) -> None:
    assert adopt(CENTRES)[0] == 0
    (tmp_path / "package" / "model.onnx").rename(tmp_path / "own.onnx")
    for path in sorted((tmp_path / "package").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "package").rmdir()
    code, message = adopt("own.onnx")
    assert (code, "this is a Spotlet model already" in message) == (2, True)


@pytest.mark.parametrize("fault", ["boxes", "colours", "scores", "low scores"])
def test_a_fault_of_the_rewriting_is_seen_by_the_gate(
    adopt: Run, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The original's numbers are changed, which is as if the rewritten ones were."""
    honest = OriginalDecoder.__call__

    def faulty(
        self: OriginalDecoder, canvases: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    ) -> Tensors:
        if fault == "colours":
            return honest(self, np.ascontiguousarray(canvases[..., ::-1]))
        boxes, scores = honest(self, canvases)
        if fault == "boxes":
            return boxes * np.float32(0.99), scores
        if fault == "low scores":  # of rows that no detection comes from
            return boxes, np.maximum(scores, np.float32(0.01))
        return boxes, scores * np.float32(0.99)

    monkeypatch.setattr(OriginalDecoder, "__call__", faulty)
    code, message = adopt(SUPPRESSED if fault == "low scores" else CENTRES)
    assert (code, "differ from the original" in message) == (3, True), message


def test_it_runs_without_torch_and_without_the_training(tmp_path: Path) -> None:
    save(CENTRES, tmp_path / "foreign.onnx")
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[8:16, 16:24, 0] = 240
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    program = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnxscript", "safetensors", "spotlet_training"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from spotlet.cli import main
from spotlet.letterbox import ImageArray
sys.exit(main(sys.argv[1:]))
"""
    words = ["adopt", "foreign.onnx", "--image", "frame.png", "--out", "package", *SAID]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("\n", 3)])
def test_on_a_terminal_a_person_is_asked(
    adopt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer.encode())
    with os.fdopen(terminal, "r") as screen:
        monkeypatch.setattr("sys.stdin", screen)
        found, _ = adopt(CENTRES)
    os.close(keyboard)
    assert found == code
