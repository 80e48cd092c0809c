"""The shipped runners of real engines: each computes what onnxruntime does, on a bundled model."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_SECONDS

from spotlet import Detector
from spotlet.check.golden import read_golden_frame
from spotlet.letterbox import ImageArray
from spotlet.model.package import bundled_models, locate_model
from spotlet.runner import Runner, RunnerError
from spotlet.runner.messages import Canvas

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.name != "posix", reason="runners need Linux or macOS"),
]

EXAMPLES = Path(__file__).parents[3] / "examples" / "runners"

MODEL = "cells"

FRAMES = ("drawn-640x360", "drawn-300x300", "drawn-517x333")

SURE = 0.59
"""A score near which none of the objects in these frames has its own."""

TOLERANCE = 1e-4
"""Of a coordinate, as a share of the canvas, and of a score: what float32 may differ by when sums
are added in another order, many times over. Half precision differs by a hundred times as much."""


def program(name: str, *arguments: object) -> str:
    return shlex.join([sys.executable, str(EXAMPLES / name), *map(str, arguments)])


def start(command: str) -> Runner:
    return Runner(command, start_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS)


def opencv(make_once: Callable[..., Path]) -> str:
    return program("opencv_dnn.py", locate_model(MODEL, None))


def openvino(make_once: Callable[..., Path]) -> str:
    pytest.importorskip("openvino", reason="openvino is not installed (pip install openvino)")
    return program("openvino_model.py", locate_model(MODEL, None))


def ncnn(make_once: Callable[..., Path]) -> str:
    pytest.importorskip("ncnn", reason="ncnn is not installed (pip install ncnn pnnx)")
    if importlib.util.find_spec("pnnx") is None:
        pytest.skip("pnnx is not installed (pip install pnnx)")
    call = [sys.executable, "-c", "import pnnx; pnnx.pnnx()"]
    folder = make_once("ncnn", lambda folder: convert(folder, "ncnn_model.py", pnnx=call))
    files = (folder / f"model.ncnn.{kind}" for kind in ("param", "bin"))
    return program("ncnn_model.py", folder / "model.onnx", *files)


def litert(make_once: Callable[..., Path]) -> str:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (see CONTRIBUTING.md)")
    converter = shutil.which("onnx2tf")
    if converter is None:
        pytest.skip("onnx2tf is not on the PATH (see CONTRIBUTING.md)")

    def fill(folder: Path) -> None:
        # onnx2tf downloads these pictures, on which it tries the network, unless they are there.
        pictures = np.random.default_rng(0).random((20, 128, 128, 3), np.float32)
        np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", pictures)
        convert(folder, "litert_model.py", python=[sys.executable], onnx2tf=[converter])

    folder = make_once("litert", fill)
    return program(
        "litert_model.py", folder / "model.onnx", folder / "litert" / "fixed_float32.tflite"
    )


def convert(folder: Path, example: str, **programs: list[str]) -> None:
    """Converts a copy of the model as the example's first lines say.

    Args:
        folder: of the copy, `model.onnx`.
        example: the runner.
        **programs: the first word of each of its commands, and what to start instead.
    """
    shutil.copy(locate_model(MODEL, None), folder / "model.onnx")
    text = (EXAMPLES / example).read_text("utf-8").split('"""')[1].replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("    ")]
    calls = [[*programs[words[0]], *words[1:]] for words in commands if words[0] in programs]
    assert len(calls) == len(programs)
    for call in calls:
        done = subprocess.run(
            call, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "engine", [opencv, openvino, ncnn, pytest.param(litert, marks=pytest.mark.slow)]
)
def test_an_engine_computes_every_cell_as_onnxruntime_does(
    engine: Callable[..., str], make_once: Callable[..., Path]
) -> None:
    detector = Detector(MODEL, score_threshold=SURE)
    with start(engine(make_once)) as runner:
        for name in FRAMES:
            frame = read_golden_frame(locate_model(MODEL, None).parent / "golden", name)
            ours = detector.outputs(frame)
            boxes, scores, class_ids = runner.answer(ours.canvas, 0.0)
            assert boxes.shape == ours.boxes.shape
            its_class = ours.scores[np.arange(len(class_ids)), class_ids]
            np.testing.assert_allclose(boxes, ours.boxes, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(scores, its_class, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(scores, ours.scores.max(1), rtol=0, atol=TOLERANCE)
            expected, found = detector(frame), runner.find(frame, SURE)
            assert len(expected) > 0
            assert found.class_ids.tolist() == expected.class_ids.tolist()
            np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=0.1)


@pytest.mark.parametrize("name", bundled_models())
def test_a_runner_says_of_a_model_what_its_manifest_says(name: str) -> None:
    manifest = Detector(name).manifest
    rule, (height, width) = manifest.input, manifest.input.size_hw
    with start(program("opencv_dnn.py", locate_model(name, None))) as runner:
        hello = runner.hello
    assert hello.classes == manifest.classes
    assert hello.canvas == Canvas(
        height=height,
        width=width,
        resize=rule.resize,
        pad=rule.pad_value,
        interpolation=rule.interpolation,
    )
    assert hello.score_threshold == manifest.detection.score_threshold
    assert hello.iou_threshold == manifest.detection.iou_threshold
    assert hello.name.startswith(f"{manifest.name}, OpenCV ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"no ONNX at all", "cannot be read as ONNX"),
        (b"\x0a\xff", "cannot be read as ONNX (index out of range)"),
        (b"\x08\x08", "no manifest; give an .onnx that Spotlet exported or adopted"),
        (b'\x72\x0d\x0a\x07spotlet\x12\x02{"', "cannot be read as ONNX"),
    ],
)
def test_a_file_that_is_not_a_model_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "given.onnx"
    if content is not None:
        path.write_bytes(content)
    text = failure(program("opencv_dnn.py", path))
    assert said in text
    assert "given.onnx: " in text


def test_a_runner_without_its_arguments_says_which() -> None:
    assert "(its last words: usage: opencv_dnn.py MODEL.onnx)" in failure(program("opencv_dnn.py"))


def test_a_model_that_suppresses_in_its_graph_is_refused() -> None:
    text = failure(program("opencv_dnn.py", locate_model("everyday", "end-to-end")))
    assert "suppresses in its graph; give the variant that does not" in text


ENGINE = """
import numpy as np
__version__ = "9-build"
class Core:
    def compile_model(self, model, device, settings):
        print("compiling", settings, flush=True)
        return lambda pictures: {{"boxes": {boxes}, "scores": {scores}}}
"""
"""A stand-in for OpenVINO, which prints to standard output."""

BOXES, SCORES = "np.full((1, 2, 4), .25)", "np.array([[[.25, .5, .125], [0, .25, .75]]])"

FAULTS = {
    ("np.full((1, 2, 4), np.nan)", SCORES): "OpenVINO 9, f32: computed NaN or infinity",
    (BOXES, "np.full((1, 2, 3), np.inf)"): "computed NaN or infinity",
    ("np.zeros((1, 4, 2))", SCORES): "boxes (4, 2) and scores (2, 3)",
    (BOXES, "np.zeros((1, 2, 4))"): "the model has 3 classes",
    (BOXES, "np.full((1, 2, 3), 1.5)"): "apply the network's activation",
    ("np.array([[[.5, .5, .2, .2]] * 2])", SCORES): "not a centre and a size",
}


@pytest.mark.parametrize("outputs", FAULTS)
def test_an_engine_that_computes_nonsense_is_named_with_what(
    tmp_path: Path, outputs: tuple[str, str]
) -> None:
    assert FAULTS[outputs] in failure(with_engine(tmp_path, *outputs))


def test_a_cell_is_sent_with_its_best_class_if_that_reaches_the_score(tmp_path: Path) -> None:
    canvas: ImageArray = np.zeros((384, 384, 3), np.uint8)
    with start(with_engine(tmp_path, BOXES, SCORES)) as runner:
        assert runner.hello.name == "cells, OpenVINO 9, f32"
        assert runner.answer(canvas, 0.0)[2].tolist() == [1, 2]
        boxes, scores, class_ids = runner.answer(canvas, 0.6)
    assert (boxes.tolist(), scores.tolist(), class_ids.tolist()) == ([[0.25] * 4], [0.75], [2])


def with_engine(folder: Path, boxes: str, scores: str) -> str:
    """Returns the command of OpenVINO's runner with an engine that computes these."""
    (folder / "openvino.py").write_text(ENGINE.format(boxes=boxes, scores=scores), "utf-8")
    command = program("openvino_model.py", locate_model(MODEL, None))
    return f"env {shlex.quote(f'PYTHONPATH={folder}')} {command}"


def failure(command: str) -> str:
    """Returns the one line of the error that a runner causes by its answer to a black canvas."""
    with pytest.raises(RunnerError) as caught, start(command) as runner:
        runner.answer(np.zeros((384, 384, 3), np.uint8), 0.0)
    assert "\n" not in str(caught.value)
    return str(caught.value)
