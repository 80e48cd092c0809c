"""A small model and small clips, made on the spot, for tests of whatever stands on the runtime."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

# Each core has a worker, so more threads would only wait for each other. numpy and torch
# read this when they are imported, here and in the programs that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper
from shapes import Shapes

from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, InputRule, Manifest

# A machine that is busy with something else is no fault of the code.
settings.register_profile("spotlet", deadline=None)
settings.load_profile("spotlet")

CANVAS_HW = (120, 160)
CLASSES = ("blue", "green", "red")  # the index is the channel of BGR
SCORES = (0.7, 0.8, 0.9)


def squares_graph(batch: int | str = "N") -> onnx.ModelProto:
    """A network that finds the bounding box of what is purely blue, green and red.

    One cell a class: boxes (N, 3, 4) and scores (N, 3, 3), on the diagonal the class's score
    where there is any such pixel, else 0.
    """
    height, width = CANVAS_HW
    eye = np.diag(SCORES).astype(np.float32)[None]
    constants = {
        "high": np.float32(150),
        "low": np.float32(110),
        "score_of_class": eye,
        "axis_1": np.array([1]),
        "axis_2": np.array([2]),
        "axis_last": np.array([-1]),
        "columns": np.arange(width, dtype=np.float32).reshape(1, width, 1),
        "rows": np.arange(height, dtype=np.float32).reshape(1, height, 1),
        "width": np.float32(width),
        "height": np.float32(height),
        "one": np.float32(1),
        "zero": np.float32(0),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        # A pixel is of a channel's class when that is the only bright one of the three.
        helper.make_node("Greater", ["pixels", "high"], ["bright"]),
        helper.make_node("Greater", ["pixels", "low"], ["lit"]),
        helper.make_node("Cast", ["lit"], ["lit_number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["lit_number", "axis_last"], ["lit_count"]),
        helper.make_node("Equal", ["lit_count", "one"], ["alone"]),
        helper.make_node("And", ["bright", "alone"], ["pure"]),
        helper.make_node("Cast", ["pure"], ["pure_number"], to=TensorProto.FLOAT),
    ]
    for side, axis, index in (("x", "axis_1", "columns"), ("y", "axis_2", "rows")):
        size = "width" if side == "x" else "height"
        nodes += [
            helper.make_node("ReduceMax", ["pure_number", axis], [f"{side}_any"], keepdims=0),
            helper.make_node("Greater", [f"{side}_any", "zero"], [f"{side}_mask"]),
            helper.make_node("Where", [f"{side}_mask", index, size], [f"{side}_starts"]),
            helper.make_node("Add", [index, "one"], [f"{side}_next"]),
            helper.make_node("Where", [f"{side}_mask", f"{side}_next", "zero"], [f"{side}_ends"]),
            helper.make_node("ReduceMin", [f"{side}_starts", "axis_1"], [f"{side}_low"]),
            helper.make_node("ReduceMax", [f"{side}_ends", "axis_1"], [f"{side}_high"]),
            helper.make_node("Div", [f"{side}_low", size], [f"{side}1"]),
            helper.make_node("Div", [f"{side}_high", size], [f"{side}2"]),
        ]
    nodes += [
        helper.make_node("Concat", ["x1", "y1", "x2", "y2"], ["stacked"], axis=1),
        helper.make_node("Transpose", ["stacked"], ["boxes"], perm=[0, 2, 1]),
        helper.make_node("ReduceMax", ["x_any", "axis_1"], ["present"]),
        helper.make_node("Mul", ["present", "score_of_class"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, height, width, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, 3, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3, 3]),
        ],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background ignores Ctrl-C for them and for the programs
    # that they start, some of which are to be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def squares_manifest() -> Manifest:
    return Manifest(name="squares", classes=CLASSES, input=InputRule(size_hw=CANVAS_HW))


@pytest.fixture(scope="session")
def save_squares_model(squares_manifest: Manifest) -> Callable[..., Path]:
    """Saves the network that finds squares, with any text as its manifest."""

    def save(path: Path, manifest: str | None = None, batch: int | str = "N") -> Path:
        model = squares_graph(batch)
        text = squares_manifest.to_json() if manifest is None else manifest
        if text:
            helper.set_model_props(model, {METADATA_KEY: text})
        onnx.save(model, path)
        return path

    return save


@pytest.fixture(scope="session")
def squares_model(
    save_squares_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The `.onnx` file of a detector for pure blue, green and red squares."""
    return save_squares_model(tmp_path_factory.mktemp("model") / "squares.onnx")


@pytest.fixture(scope="session")
def draw_squares() -> Callable[..., ImageArray]:
    """Draws a grey frame with squares: class name to left, top, right, bottom."""

    def draw(size_hw: tuple[int, int], **squares: tuple[int, int, int, int]) -> ImageArray:
        frame = np.full((*size_hw, 3), 60, np.uint8)
        for name, (left, top, right, bottom) in squares.items():
            frame[top:bottom, left:right] = 0
            frame[top:bottom, left:right, CLASSES.index(name)] = 255
        return frame

    return draw


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """Encodes frames: `.avi` as Motion JPEG, `.mp4` as MPEG-4, `.webm` as VP8."""
    codecs = {".avi": "MJPG", ".mp4": "mp4v", ".webm": "VP80"}

    def write(path: Path, frames: Sequence[ImageArray], fps: float = 20.0) -> Path:
        height, width = frames[0].shape[:2]
        fourcc = cv2.VideoWriter.fourcc(*codecs[path.suffix])
        writer = cv2.VideoWriter(str(path), fourcc, fps, (width, height))
        assert writer.isOpened()
        for frame in frames:
            writer.write(frame)
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def moving_square(
    draw_squares: Callable[..., ImageArray],
) -> Callable[..., list[ImageArray]]:
    """Frames of 240 x 320 in which a red square of 60 pixels goes right by 4 a frame."""

    def frames(count: int) -> list[ImageArray]:
        lefts = [20 + 4 * (n % 50) for n in range(count)]
        return [draw_squares((240, 320), red=(left, 80, left + 60, 140)) for left in lefts]

    return frames


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Fills a folder once for all workers of a run, which must not change it."""
    from filelock import FileLock

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each has a folder of its own in that of the run
        root = root.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, is_made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not is_made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a fill that failed has left
                folder.mkdir()
                fill(folder)
                is_made.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    """16 labelled pictures of squares and discs."""
    return Shapes(16)


@pytest.fixture(scope="session")
def shapes_checkpoint(shapes: Shapes, make_once: Callable[..., Path]) -> Path:
    """A detector for squares and discs on a canvas of 96 x 96, trained for some seconds.

    How well it came out is luck, so no test may count on more than that it finds something. It is
    unsure of much, which gives the gate many detections to compare.
    """
    # Here and not above, so that tests of the runtime alone need no torch.
    from spotlet_training.learning.settings import PRETRAINED, TrainingSettings
    from spotlet_training.training import BEST_CHECKPOINT, train

    settings = TrainingSettings(
        weights=PRETRAINED, epochs=12, size_hw=(96, 96), batch_size=4, device="cpu",
        precision="float32",
    )  # fmt: skip

    def fill(folder: Path) -> None:
        train(shapes, shapes, settings, folder)

    return make_once("shapes", fill) / BEST_CHECKPOINT


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shapes as a YOLO set on disk: 16 images to train on, 8 to validate on."""
    root = tmp_path_factory.mktemp("shapes-yolo")
    for split, count, seed in (("train", 16, 0), ("val", 8, 1)):
        pictures = Shapes(count, seed)
        images, labels = root / "images" / split, root / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index in range(count):
            sample = pictures.load(index)
            height, width = sample.image_bgr.shape[:2]
            cv2.imwrite(str(images / f"{sample.name}.png"), sample.image_bgr)
            corners = sample.boxes_xyxy / [width, height, width, height]
            lines = [
                f"{class_id} {(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}\n"
                for class_id, (x1, y1, x2, y2) in zip(sample.class_ids, corners, strict=True)
            ]
            (labels / f"{sample.name}.txt").write_text("".join(lines))
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(Shapes(1).class_names))
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{names}")
    return root
