import doctest
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlet import Detector, open_stream
from spotlet.detections import Detections
from spotlet.evaluation import Accuracy, Truth
from spotlet.letterbox import RESIZES, Letterbox
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet.model import locate_model
from spotlet_export.card import markdown as card_markdown
from spotlet_export.card.card import NO_NOTES, CardContents, model_card
from spotlet_export.card.measured import NOT_MEASURED
from spotlet_export.gate.report import Report, Row
from spotlet_training.evaluation.evaluation import Evaluation
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY, threshold_curves

ROOT = Path(__file__).parents[3]

CLASSES = ("mouse|bite", "_spur_", "```")
"""Names that Markdown would read as a table, as italics, as the end of a block."""

TRAINING = {
    "data": "boards",
    "train_images": 801,
    "val_images": 203,
    "epoch": 16,
    "settings": {"epochs": 18},
    "val_ap": 0.6061,
    "val_ap50": 0.9612,
    THRESHOLD_KEY: 0.31,
}

QUANTISATION = {
    "calibration_images": 127,
    "budget": 0.0123,
    "layers": 41,
    "float_layers": ["neck.0", "stem_conv"],
    "ap_drop": 0.0045,
    "latency": {
        "fp32_ms": 19.87,
        "int8_ms": 8.44,
        "ratio": 2.36,
        "threads": 3,
        "cpu": "Abacus",
        "instructions": "none",
    },
}


def make_manifest(**changes: Any) -> Manifest:
    manifest = Manifest(
        name="boards",
        classes=CLASSES,
        input=InputRule(name="pixels", size_hw=(192, 320), interpolation="area", pad_value=37),
        output=OutputRule(boxes="places", scores="classes", score_activation="softmax"),
        detection=DetectionRule(score_threshold=0.31, iou_threshold=0.55, max_detections=77),
        training=TRAINING,
        producer="spotlet 9.8.7",
    )
    return replace(manifest, **changes)


def make_evaluation(first: float) -> Evaluation:
    """Four images; average precisions that occur once: `first`, and 0.01 more each time.

    Of nine objects (4, 3 and 2 of the classes) 3, 2 and 1 are found, with a score of 0.5; two
    more boxes, of the first class and the last, find nothing.
    """
    figures = iter(np.arange(first, first + 0.2, 0.01).round(3).tolist())
    objects, right, wrong = [0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2], [0, 2]
    places = np.array([[20 * x, 0, 20 * x + 10, 10] for x in range(20)], np.float32)
    truths, shown = [], []
    for image in range(4):
        mine = [n for n in range(9) if n % 4 == image]
        found = [n for n in mine if right.count(objects[n]) > objects[:n].count(objects[n])]
        lost = wrong if image == 0 else []
        ids = np.array([objects[n] for n in mine], np.int64)
        truths.append(Truth(boxes_xyxy=places[mine], class_ids=ids, ignored=ids < 0))
        boxes = places[[*found, *(10 + n for n in lost)]]
        class_ids = np.array([*(objects[n] for n in found), *lost], np.int64)
        shown.append(Detections(boxes, np.full(len(boxes), 0.5, np.float32), class_ids, CLASSES))
    return Evaluation(
        class_names=CLASSES,
        truths=tuple(truths),
        found=tuple(shown),
        shown=tuple(shown),
        accuracy=Accuracy(
            ap=next(figures),
            ap50=next(figures),
            ap75=next(figures),
            ap_small=None,
            ap_medium=next(figures),
            ap_large=next(figures),
            objects_small=0,
            objects_medium=5,
            objects_large=4,
            per_class_ap={name: next(figures) for name in CLASSES},
            per_class_ap50={name: next(figures) for name in CLASSES},
            per_class_objects=dict(zip(CLASSES, (4, 3, 2), strict=True)),
        ),
        curves=threshold_curves(truths, shown, len(CLASSES)),
    )


def make_contents(**changes: Any) -> CardContents:
    contents = CardContents(
        manifest=make_manifest(),
        report=Report(
            (
                Row(variant="fp32", name="tensor", over="9 frames", measured=3e-7, limit=1e-4),
                Row(variant="int8", name="tensor", over="9 frames", measured=0.013, limit=0.02),
            )
        ),
        file_bytes={"model.onnx": 1_740_000, "model.int8.onnx": 560_000},
        evaluations={
            "model.onnx": make_evaluation(0.3),
            "model.int8.onnx": make_evaluation(0.6),
        },
        quantisation=QUANTISATION,
        data_name="boards-val",
        golden_frames=6,
        golden_source="generated",
        notes="## Where from\n\nA *factory*.",
    )
    return replace(contents, **changes)


def without_int8(**changes: Any) -> CardContents:
    return make_contents(
        file_bytes={"model.onnx": 1_740_000},
        evaluations={"model.onnx": make_evaluation(0.3)},
        quantisation=None,
        report=Report(make_contents().report.rows[:1]),
        **changes,
    )


def sections(card: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.*)$", card, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and text of each block of code, as CommonMark finds them (section 4.5)."""
    found, fence, language, lines = [], "", "", list[str]()
    for line in text.splitlines():
        opening = re.fullmatch(r"(`{3,})([^`]*)", line)
        if not fence and opening:
            fence, language, lines = opening[1], opening[2], []
        elif fence and re.fullmatch(r"`+", line) and len(line) >= len(fence):
            found.append((language, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    assert not fence, "a block has no end"
    return found


def rows_of(table: str) -> dict[str, list[str]]:
    """The cells of a table's rows, by the first."""
    rows = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    return {row[0]: row[1:] for row in rows}


def block(card: str, language: str) -> str:
    return next(text for name, text in blocks(card) if name == language)


def test_the_head_has_what_the_training_recorded() -> None:
    head = model_card(make_contents()).split("\n## ")[0].splitlines()
    assert head[0] == "# boards"
    assert head[2:] == [
        "- Classes: `mouse|bite`, `_spur_`, ```` ``` ````",
        "- Input: 320x192 uint8 BGR, letterboxed (area, border 37)",
        "- Files: `model.onnx` 1.74 MB, `model.int8.onnx` 0.56 MB, written by spotlet 9.8.7",
        "- Trained on 801 images of `boards`, epoch 16 of 18 kept",
        "- Validation (203 images, which also chose the epoch): AP50 0.961, AP 0.606",
        "- Default score threshold: 0.31, the best (F1) on those validation images",
    ]


@pytest.mark.parametrize(
    ("training", "recorded"),
    [
        ({}, []),
        (
            {"train_images": 5, "settings": {"epochs": 2}, "epoch": 2, THRESHOLD_KEY: None},
            ["- Trained on 5 images, 2 epochs"],
        ),
        (
            {"val_images": 7, "val_accuracy": 0.912, "val_iou": 0.834},
            ["- One object per image. Validation (7 images): accuracy 0.912, mean IoU 0.834"],
        ),
    ],
)
def test_a_card_leaves_out_what_was_not_recorded(
    training: dict[str, Any], recorded: list[str]
) -> None:
    card = model_card(without_int8(manifest=make_manifest(training=training)))
    head = card.split("\n## ")[0].rstrip().splitlines()
    assert head[4] == "- File: `model.onnx` 1.74 MB, written by spotlet 9.8.7"
    assert head[5:] == recorded


def test_the_accuracy_of_both_files_stands_side_by_side() -> None:
    text = sections(model_card(make_contents()))["Accuracy"]
    assert "on 4 validation images of `boards-val`" in text
    ((_, table),) = blocks(text)
    rows = rows_of(table)
    assert rows["class"] == ["objects", "AP50", "AP", "AP50 int8", "AP int8"]
    for number, name in enumerate(CLASSES):
        ap, ap50 = 0.35 + number / 100, 0.38 + number / 100
        figures = [ap50, ap, ap50 + 0.3, ap + 0.3]
        assert rows[name] == [str(4 - number), *(f"{each:.3f}" for each in figures)]
    assert rows["all"] == ["9", "0.310", "0.300", "0.610", "0.600"]
    assert rows["small, below 32 x 32"] == ["0", "-", "-"]
    assert rows["medium"] == ["5", "0.330", "0.630"]
    assert rows["large, from 96 x 96"] == ["4", "0.340", "0.640"]
    # F1 of the classes: 2·3/(4+4), 2·2/(2+3), 2·1/(2+2); 6 of 8 boxes are right, 6 of 9 objects
    # found, at any threshold to 0.5, of which the middle is taken.
    met = "mean F1 of the classes 0.683; of all boxes precision 0.750, recall 0.667"
    for label in ("", "int8: "):
        assert f"\n{label}best score threshold 0.27: {met}" in table
        assert f"\n{label}the model's own 0.31: {met}" in table
    assert "\nAP75 0.320\n" in table
    assert "\nint8: AP75 0.620\n" in table


def test_without_int8_the_card_does_not_mention_it() -> None:
    card = model_card(without_int8())
    assert not re.search(r"\bint8", card)
    assert re.search(r"\bint8", model_card(make_contents()))
    ((_, table),) = blocks(sections(card)["Accuracy"])
    assert rows_of(table)["class"] == ["objects", "AP50", "AP"]


def test_without_labelled_images_the_card_says_so() -> None:
    card = model_card(make_contents(evaluations={}, data_name=None))
    assert sections(card)["Accuracy"].strip() == NOT_MEASURED


def test_a_set_without_a_name_gets_none() -> None:
    assert "on 4 validation images with the" in model_card(make_contents(data_name=None))


def test_the_gates_table_is_there_for_every_file() -> None:
    contents = make_contents()
    ((_, table),) = blocks(sections(model_card(contents))["The export is the same network"])
    assert table == contents.report.table()
    assert {"3e-07", "0.013"} <= set(table.split())


def test_the_card_has_the_cost_and_the_gain_of_int8() -> None:
    text = sections(model_card(make_contents()))["int8"]
    for fact in (
        "AP lost: 0.0045, of at most 0.0123",
        "Size: 0.56 MB, float32 1.74 MB",
        "8.4 ms a frame, float32 19.9 ms: 2.36 times as fast",
        "Measured on: `Abacus`, instructions for eight-bit products: none.",
        "with 3 threads",
        "Calibrated on 127 training images",
        "Layers of 41 that went back to float32 to keep the budget, in order: `neck.0`, "
        "`stem_conv`.",
    ):
        assert fact in text
    slower = QUANTISATION | {"latency": QUANTISATION["latency"] | {"ratio": 0.8}}  # type: ignore[operator]
    assert "slower, 0.80 times as fast" in model_card(make_contents(quantisation=slower))
    all_quantised = QUANTISATION | {"float_layers": []}
    assert "in order: none." in model_card(make_contents(quantisation=all_quantised))


def test_the_notes_stand_after_the_figures_under_a_heading() -> None:
    titles = list(sections(model_card(make_contents())))
    assert titles == [
        "Accuracy",
        "Where from",
        "The export is the same network",
        "int8",
        "Input and output",
        "Use",
    ]
    bare = sections(model_card(make_contents(notes="A *factory*.\n")))
    assert bare["What it is for, and where its data is from"].strip() == "A *factory*."
    none = sections(model_card(make_contents(notes=" \n")))
    assert none["What it is for, and where its data is from"].strip() == NO_NOTES


def test_names_with_signs_of_markdown_stay_within_their_blocks() -> None:
    card = model_card(make_contents())
    ((_, table),) = blocks(sections(card)["Accuracy"])
    assert list(rows_of(table))[1:4] == list(CLASSES)
    assert [language for language, _ in blocks(sections(card)["Use"])] == [
        "python",
        "python",
        "",
    ]


def test_the_card_has_the_golden_frames_and_quotes_the_command() -> None:
    named = make_contents(manifest=make_manifest(name="my boards"))
    use = sections(model_card(named))["Use"]
    assert "holds 6 frames (drawn)" in use
    assert blocks(use)[-1] == ("", "spotlet check 'my boards'")
    assert "golden" not in model_card(replace(named, golden_frames=0))


@pytest.mark.parametrize("every_class", [False, True])
def test_the_contract_carries_the_models_rules(every_class: bool) -> None:
    rule = replace(make_manifest().detection, every_class=every_class)
    card = model_card(make_contents(manifest=make_manifest(detection=rule)))
    text = sections(card)["Input and output"]
    for fact in (
        "under the key `spotlet`",
        "**Input** `pixels`: uint8, N x 192 x 320 x 3",
        "`INTER_AREA`",
        "filled with 37",
        "**Outputs** `places`: float32, N x K x 4",
        "`classes`: float32, N x K x 3 (a score in [0, 1] for each class, in the order above; "
        "the classes exclude each other (softmax)",
        "every class whose score is at least 0.31" if every_class else "its best class, if that",
        "of more than 3000",
        "already kept is over 0.55",
        "the best 77 are",
        "](letterbox.png)",
    ):
        assert fact in text, fact


@given(
    frame_hw=st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
    canvas_hw=st.sampled_from([(192, 320), (320, 192), (384, 384), (7, 5)]),
    resize=st.sampled_from(RESIZES),
)
def test_the_formulae_of_the_contract_are_the_runtimes(
    frame_hw: tuple[int, int], canvas_hw: tuple[int, int], resize: str
) -> None:
    rule = replace(make_manifest().input, size_hw=canvas_hw, resize=resize)
    manifest = make_manifest(input=rule)
    text = sections(model_card(make_contents(manifest=manifest)))["Input and output"]
    (_, placement), (_, way_back) = blocks(text)
    values: dict[str, Any] = {"h": frame_hw[0], "w": frame_hw[1]}
    exec(placement, values)
    letterbox = Letterbox(frame_hw, canvas_hw, resize=resize)
    assert (values["new_h"], values["new_w"]) == letterbox.resized_hw
    assert (values["left"], values["top"]) == letterbox.offset_xy
    for x, y in ((0.1, 0.2), (0.5, 0.4), (1.0, 0.9)):
        exec(way_back, values | {"x": x, "y": y}, values)
        point = np.array([[x * canvas_hw[1], y * canvas_hw[0]] * 2], np.float32)
        expected = letterbox.to_frame(point)[0, :2]
        assert (values["x_frame"], values["y_frame"]) == pytest.approx(expected.tolist(), abs=0.01)


def test_the_python_program_runs_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_stream(locate_model("garments").parents[1] / "demo" / "clip.mp4") as stream:
        frame = next(iter(stream)).image
    package = tmp_path / 'a "package"'
    package.mkdir()
    for file in ("model.onnx", "model.int8.onnx"):
        shutil.copy(locate_model("garments"), package / file)
    expected = Detector("garments")(frame)
    assert len(expected) > 0
    for name in ("garments", str(package)):
        card = model_card(make_contents(manifest=make_manifest(name=name)))
        values: dict[str, Any] = {"frame_bgr": frame}
        exec(block(card, "python"), values)
        lines = capsys.readouterr().out.splitlines()
        assert lines == [f"{each.name} {each.score} {each.box_xyxy}" for each in expected]
    (_, int8) = [text for language, text in blocks(card) if language == "python"]
    exec(int8, values)
    assert values["detector"].session.path == package / "model.int8.onnx"


@given(side=st.integers(1, 900), new_side=st.integers(1, 900))
def test_the_exact_resize_of_the_contract_is_opencvs(side: int, new_side: int) -> None:
    rule = replace(make_manifest().input, interpolation="linear_exact")
    text = sections(model_card(make_contents(manifest=make_manifest(input=rule))))[
        "Input and output"
    ]
    assert "`INTER_LINEAR_EXACT`" in text
    _, (_, exact), _ = blocks(text)
    row = np.random.default_rng(side).integers(0, 256, (1, side, 3), np.uint8)
    wanted = cv2.resize(row, (new_side, 1), interpolation=cv2.INTER_LINEAR_EXACT)
    for x in range(new_side):
        values: dict[str, Any] = {"floor": math.floor, "w": side, "new_w": new_side, "x": x}
        exec(exact, values)
        first, second = (row[0, values[name]].astype(int) for name in ("first", "second"))
        mixed = first * (256 - values["weight"]) + second * values["weight"]
        # One row: both neighbours above and below are the same, with weights that make 256.
        assert ((mixed * 256 + 32768) >> 16).tolist() == wanted[0, x].tolist()


@pytest.mark.parametrize(
    ("rule", "adapted"),
    [
        ({"interpolation": "linear_exact", "pad_value": 114, "name": "image"}, False),
        ({"interpolation": "linear_exact", "pad_value": 114, "name": "pixels"}, True),
        ({"interpolation": "linear_exact", "pad_value": 0, "name": "image"}, True),
        ({"interpolation": "linear", "pad_value": 114, "name": "image"}, True),
    ],
)
def test_a_card_says_whether_the_other_hosts_run_the_model_as_they_are(
    rule: dict[str, Any], adapted: bool
) -> None:
    manifest = make_manifest(
        input=InputRule(size_hw=(192, 320), **rule), output=OutputRule(score_activation="softmax")
    )
    use = sections(model_card(make_contents(manifest=manifest)))["Use"]
    for program in ("c", "browser", "end_to_end.py"):
        assert f"`{program}`" in use
        assert (ROOT / "examples" / program).exists()
    assert ("This model has other rules" in use) is adapted


def test_a_card_explains_suppression_in_the_graph_if_a_file_has_it() -> None:
    sizes = {**make_contents().file_bytes, "model.int8.end2end.onnx": 600_000}
    text = sections(model_card(make_contents(file_bytes=sizes)))["Input and output"]
    for fact in ("`places`: float32, N x 77 x 4", "`count`: int64, N.", "count among the 77"):
        assert fact in text
    without = sections(model_card(make_contents()))
    assert "end2end" not in without["Input and output"]
    assert "`model.end2end.onnx`, which `spotlet export --end-to-end`" in without["Use"]
    assert "--end-to-end" not in model_card(make_contents(file_bytes=sizes))


def test_text_cannot_end_its_own_block() -> None:
    text = "a\n```\n`````\nb"
    assert blocks(card_markdown.fenced(text, "js")) == [("js", text)]


def test_the_examples_of_markdown_are_true() -> None:
    assert doctest.testmod(card_markdown).failed == 0
