import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from labelled_sets import scenery
from patience import PATIENCE_SECONDS

from spotlet.boxes import box_iou
from spotlet.cli import parse_words
from spotlet.coco_labels import LABEL_FILE
from spotlet.errors import SpotletError, UsageError
from spotlet.letterbox import ImageArray
from spotlet_export.graph.suppression import with_suppression
from spotlet_training.commands import label
from spotlet_training.datasets.discover import read_labels

DEMO = Path(str(resources.files("spotlet_models"))) / "demo"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    label.add_arguments(parser)
    return label.run(parse_words(parser, [str(word) for word in words]))


def test_the_bundled_model_finds_most_of_the_bundled_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert run(DEMO / "clip.mp4", "--with", "garments", "--every", 25, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "10 pictures labelled" in printed
    assert f"next: spotlet data check {out}\nnext: spotlet train {out}\n" in printed
    truth = json.loads((DEMO / "truth.json").read_text())
    _, content = read_labels(out)
    assert list(content.class_names) == truth["classes"]
    objects = right = sure = 0
    for one in content.train:
        true = truth["frames"][int(one.path.stem.rpartition("-")[2])]
        counted = ~np.array(true["ignored"], np.bool_)
        boxes = np.array(true["boxes"], np.float32)[counted]
        hit = box_iou(boxes, one.boxes_xyxy[~one.ignored]) >= 0.5
        of_class = np.array(true["class_ids"])[counted][:, None] == one.class_ids[~one.ignored]
        objects += len(boxes)
        right += int((hit & of_class).any(axis=1).sum())
        sure += int((~one.ignored).sum())
    assert right > 0.6 * objects
    assert right > 0.6 * sure


def test_classes_are_chosen_and_renamed(
    tmp_path: Path,
    squares_model: Path,
    draw_squares: Callable[..., ImageArray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = draw_squares((120, 160), red=(10, 10, 40, 40), blue=(80, 10, 120, 50))
    assert cv2.imwrite(str(tmp_path / "a.png"), frame)
    words = ("--with", squares_model, "--classes", "red=warm,green", "--out", tmp_path / "set")
    assert run(tmp_path / "a.png", *words) == 0
    rows = json.loads((tmp_path / "set" / LABEL_FILE).read_text())
    assert [row["name"] for row in rows["categories"]] == ["warm", "green"]
    assert [row["category_id"] for row in rows["annotations"]] == [1]
    assert "a.png" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--with", "garments", "--classes", "shoe"), 2, "no teacher has it"),
        (("--with", "nothing-like-it"), 4, "no such file, folder or bundled model"),
        (("--with", "garments", "--score", "x"), 2, "must be a number"),
        (("--with", "garments", "--passes", "plain,twice"), 2, "must be one of plain"),
        ((), 2, "no teacher"),
    ],
)
def test_bad_words_are_one_line_and_leave_nothing(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), scenery(1))
    with pytest.raises(SpotletError, match=message) as caught:
        run(tmp_path / "a.png", *words, "--out", tmp_path / "set")
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_a_graph_that_suppresses_cannot_go_below_its_own_threshold(
    tmp_path: Path,
    squares_model: Path,
    draw_squares: Callable[..., ImageArray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    onnx.save(with_suppression(onnx.load(squares_model)), tmp_path / "end2end.onnx")
    assert cv2.imwrite(str(tmp_path / "a.png"), draw_squares((120, 160), red=(10, 10, 40, 40)))
    words = (tmp_path / "a.png", "--with", tmp_path / "end2end.onnx", "--out", tmp_path / "set")
    with pytest.raises(
        UsageError, match=r"blue=0.20: the graph of end2end.onnx@.* suppressed with 0.4"
    ):
        run(*words, "--score", 0.2)
    assert not (tmp_path / "set").exists()
    assert run(*words) == 0
    assert "drops what scores below 0.4" in capsys.readouterr().err
    assert read_labels(tmp_path / "set")[1].train[0].boxes_xyxy.tolist() == [[10, 10, 40, 40]]


@pytest.mark.live
def test_ctrl_c_leaves_a_valid_set_and_says_how_to_continue(
    tmp_path: Path, squares_model: Path, draw_squares: Callable[..., ImageArray]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    frame = draw_squares((120, 160), red=(10, 10, 40, 40))
    for number in range(3000):
        os.link(folder / "p0.png", folder / f"p{number}.png") if number else cv2.imwrite(
            str(folder / "p0.png"), frame
        )
    out = tmp_path / "set"
    words = ["label", str(folder), "--with", str(squares_model), "--out", str(out)]
    code = (
        "import importlib.metadata as m\nfrom spotlet import cli\n"
        "point = m.EntryPoint('label', 'spotlet_training.commands.label', cli.COMMAND_GROUP)\n"
        "cli._commands = lambda: {'label': point}\ncli.run_process()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (out / "images/p100.png").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert f"to continue: spotlet label {folder}" in errors
    assert "Traceback" not in errors
    _, content = read_labels(out)
    assert 0 < len(content.train) < 3000
    assert content.problems.found == []
