"""Whether `spotlet prove` names what was planted, and accuses nothing that is equal."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from benchmarks.export_faults.catalogue import catalogue
from benchmarks.export_faults.editing import change_pixels
from shapes import Shapes

from spotlet.cli import main
from spotlet.errors import RunnerError, UsageError
from spotlet_export.judging import Proof, ProveSettings, prove_models
from spotlet_export.judging.changes import (
    BOXES,
    CHANNELS,
    CLASSES,
    CORNER,
    INTERPOLATION,
    LAYOUT,
    MEAN,
    MISSING,
    PAD,
    PLACING,
    PRECISION,
    SCALE,
    SHIFT,
    SIGNED,
    TWICE,
    UNIT,
    XY,
)

PLANTED = {
    "colour_order": (CHANNELS,),
    "interpolation": (INTERPOLATION,),
    "stretch": (PLACING,),
    "corner_letterbox": (CORNER,),
    "pad_value": (PAD,),
    "layout": (LAYOUT,),
    "scale_twice": (SCALE,),
    "scale_missing": (SCALE,),
    "imagenet_normalisation": (MEAN,),
    "signed_pixels": (SIGNED,),
    "centre_and_size": (BOXES,),
    "x_and_y_swapped": (XY,),
    "boxes_in_pixels": (UNIT,),
    "activation_missing": (MISSING,),
    "activation_twice": (TWICE,),
    "classes_swapped": (CLASSES,),
    "half_pixel": (SHIFT,),
    "half_cell": (SHIFT,),
    "float16_overflow": (PRECISION,),
    "float16_saturation": (PRECISION,),
}
"""Faults of the catalogue, and the causes that name them."""

Prove = Callable[..., Proof]


@pytest.fixture(scope="module")
def good(built: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.onnx"
    onnx.save(built, path)
    return path


@pytest.fixture
def prove(good: Path, tmp_path: Path) -> Prove:
    dataset = Shapes(12, seed=3)

    def call(b: str | Path | onnx.ModelProto, *, a: str | Path = good, **settings: object) -> Proof:
        if isinstance(b, onnx.ModelProto):
            path = tmp_path / "b.onnx"
            onnx.save(b, path)
            b = path
        return prove_models(str(a), str(b), tmp_path / "proof", dataset=dataset, **settings)  # type: ignore[arg-type]

    return call


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name: str, built: onnx.ModelProto, prove: Prove) -> None:
    proof = prove(catalogue()[name].plant(built))
    assert not proof.report.passed
    assert proof.explanation is not None
    assert tuple(cause.culprit for cause in proof.explanation.causes) == PLANTED[name]
    assert proof.explanation.equal


@pytest.mark.parametrize(
    "name", [name for name, fault in catalogue().items() if fault.kind == "control"]
)
def test_a_change_that_is_no_fault_is_not_accused(
    name: str, built: onnx.ModelProto, prove: Prove
) -> None:
    proof = prove(catalogue()[name].plant(built))
    assert proof.report.passed
    assert proof.explanation is None


def test_a_checkpoint_and_its_export_are_the_same(shapes_checkpoint: Path, prove: Prove) -> None:
    assert prove(shapes_checkpoint).report.passed


def test_int8_and_a_graph_that_suppresses_are_the_same(exported: Path, prove: Prove) -> None:
    for variant in ("int8", "end-to-end"):
        proof = prove(f"{exported}@{variant}", a=exported)
        assert proof.report.passed, proof.report.table()


def test_two_faults_that_hide_each_other_are_both_named(
    built: onnx.ModelProto, prove: Prove
) -> None:
    faults = catalogue()
    proof = prove(faults["x_and_y_swapped"].plant(faults["colour_order"].plant(built)))
    assert proof.explanation is not None
    assert {cause.culprit for cause in proof.explanation.causes} == {CHANNELS, XY}


def test_an_unusual_range_of_pixels_is_fitted(built: onnx.ModelProto, prove: Prove) -> None:
    odd = onnx.ModelProto()
    odd.CopyFrom(built)
    change_pixels(odd, 1.3, -22.0)
    proof = prove(odd)
    assert proof.explanation is not None
    (cause,) = proof.explanation.causes
    assert cause.culprit == MEAN
    *gains, moved, _, _ = (float(each) for each in re.findall(r"[+-]?\d+\.\d+", cause.clause))
    assert gains == pytest.approx([1 / 1.3] * 3, rel=0.02)
    assert moved == pytest.approx(22 / 1.3, abs=0.5)


def test_a_contrast_of_each_picture_is_not_taken_for_another_cause(
    built: onnx.ModelProto, prove: Prove
) -> None:
    proof = prove(catalogue()["contrast_of_the_picture"].plant(built))
    causes = () if proof.explanation is None else proof.explanation.causes
    assert {cause.culprit for cause in causes} <= {MEAN}


def test_other_weights_are_not_explained_but_listed(built: onnx.ModelProto, prove: Prove) -> None:
    proof = prove(catalogue()["one_weight"].plant(built))
    assert proof.explanation is None
    assert any(note.startswith("1 of ") and "weights differ" in note for note in proof.notes)


def test_what_float16_cannot_hold_is_located(built: onnx.ModelProto, prove: Prove) -> None:
    proof = prove(catalogue()["float16_overflow"].plant(built))
    assert any("float16 ends at 65504" in note for note in proof.notes)


def test_rules_alone_that_differ_are_no_fault_of_the_network(
    built: onnx.ModelProto, prove: Prove
) -> None:
    proof = prove(catalogue()["score_threshold"].plant(built))
    assert proof.explanation is None
    assert proof.text == "A and B compute the same, but their manifests' rules differ."


def test_the_proof_is_written_passed_or_not(
    built: onnx.ModelProto, prove: Prove, tmp_path: Path
) -> None:
    for name, same in (("renamed_tensors", True), ("colour_order", False)):
        prove(catalogue()[name].plant(built))
        record = json.loads((tmp_path / "proof/proof.json").read_text())
        assert record["same"] == same
        assert record["culprits"] == ([] if same else [CHANNELS])
        assert [each["given"] for each in record["sides"]][1].endswith("b.onnx")
        pictures = [each["picture"] for each in record["worst"]]
        assert (pictures == []) == same
        assert all((tmp_path / "proof" / each).is_file() for each in pictures)
        page = (tmp_path / "proof/proof.html").read_text()
        assert ("B&#x27;s input is RGB" in page) == (not same)


SCRIPT = """
import json, os, sys
import cv2, numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
rule = json.loads(session.get_modelmeta().custom_metadata_map["spotlet"])
height, width = rule["input"]["size_hw"]
print(json.dumps({"spotlet_runner": 1, "classes": rule["classes"], "input": "frame",
                  "score_threshold": 0.4, "iou_threshold": 0.6}), flush=True)
while line := sys.stdin.buffer.readline():
    asked = json.loads(line)
    h, w = asked["height"], asked["width"]
    frame = np.frombuffer(sys.stdin.buffer.read(h * w * 3), np.uint8).reshape(h, w, 3)
    canvas = cv2.resize(frame[..., ::-1], (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    boxes, scores = session.run(["boxes", "scores"], {rule["input"]["name"]: canvas[None]})
    sure = scores[0].max(1) >= asked["score_threshold"]
    boxes, scores = boxes[0][sure].clip(0, 1) * (w, h, w, h), scores[0][sure]
    print(json.dumps({"id": asked["id"], "boxes": boxes.tolist(), "scores": scores.max(1).tolist(),
                      "class_ids": scores.argmax(1).tolist()}), flush=True)
"""
"""A user's own program: the picture is stretched, and its channels are swapped."""


@pytest.mark.live
def test_the_mistakes_of_a_program_are_named(good: Path, prove: Prove, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    proof = prove(f"runner:{sys.executable} {script} {good}")
    assert proof.explanation is not None
    assert {cause.culprit for cause in proof.explanation.causes} == {CHANNELS, PLACING}
    assert proof.explanation.equal


@pytest.mark.live
def test_a_runner_that_dies_leaves_no_proof(prove: Prove, tmp_path: Path) -> None:
    with pytest.raises(RunnerError):
        prove(f"runner:{sys.executable} -c 'raise SystemExit(1)'")
    assert not (tmp_path / "proof").exists()


@pytest.mark.live
def test_two_programs_that_find_nothing_prove_nothing(
    good: Path, prove: Prove, tmp_path: Path
) -> None:
    script = tmp_path / "none.py"
    script.write_text(SCRIPT.replace('asked["score_threshold"]', "2"))
    command = f"runner:{sys.executable} {script} {good}"
    with pytest.raises(UsageError, match="neither model finds anything"):
        prove(command, a=command)
    assert not (tmp_path / "proof").exists()


def test_wrong_input_is_refused_before_any_work(good: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to compare on"):
        prove_models(str(good), str(good), tmp_path / "proof")
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        ProveSettings(iou=1.5)
    with pytest.raises(UsageError, match="must be one of"):
        ProveSettings(precision="int4")


def test_the_command_exits_with_3_and_names_the_rows(
    good: Path, built: onnx.ModelProto, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    shapes_folder: Path,
) -> None:  # fmt: skip
    bad = tmp_path / "bad.onnx"
    onnx.save(catalogue()["colour_order"].plant(built), bad)
    words = ["prove", str(good), "--data", str(shapes_folder), "--out", str(tmp_path / "proof")]
    assert main([*words, str(good)]) == 0
    assert "PASS: A and B are the same." in capsys.readouterr().out
    assert main([*words, str(bad)]) == 3
    printed = capsys.readouterr()
    assert "B matches A when B's input is RGB." in printed.out
    assert "not the same: tensor boxes" in printed.err


def test_a_batch_of_which_only_the_first_is_right_is_no_equal(
    built: onnx.ModelProto, prove: Prove
) -> None:
    report = prove(catalogue()["batch_of_first"].plant(built)).report
    assert {row.name for row in report.failures} == {"tensor scores, batch 8 against 1, max |Δ|"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shared_int8_scale", "B's scores are only ever 0"),
        ("float16_overflow", "B's scores are NaN or infinite in 24 of 24 pictures"),
        ("same_padding", "attributes of 5 nodes differ: Conv"),
        ("silent_class", "B never finds"),
    ],
)
def test_what_is_conspicuous_is_said(
    name: str, told: str, built: onnx.ModelProto, prove: Prove
) -> None:
    notes = prove(catalogue()[name].plant(built)).notes
    assert any(note.startswith(told) for note in notes), notes


def test_cells_that_are_missing_are_a_row(built: onnx.ModelProto, prove: Prove) -> None:
    report = prove(catalogue()["level_dropped"].plant(built)).report
    assert "tensors, cells that only one has" in {row.name for row in report.failures}
