"""Small packages that may, or may not, take the place of one another in a run."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from conftest import CANVAS_HW, CLASSES, SCORES, squares_graph
from onnx import helper, numpy_helper

from spotlet.check.golden import record_golden, write_golden
from spotlet.check.probe import record_probe
from spotlet.check.tolerances import FP32_TOLERANCE
from spotlet.detector import Detector
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest


def frame_with_red() -> ImageArray:
    """A grey frame of 240 x 320 with a red square, of which every package's score is known."""
    frame = np.full((240, 320, 3), 60, np.uint8)
    frame[80:140, 120:180] = (0, 0, 255)
    return frame


def write_package(
    folder: Path,
    *,
    red: float = SCORES[2],
    classes: Sequence[str] = CLASSES,
    pad_value: int = 114,
    least_score: float = 0.4,
    objects: bool = True,
) -> Path:
    """Writes a whole package for the network that finds squares; returns the folder.

    Args:
        folder: created if needed; its files are replaced.
        red: the score that it gives a red square: two packages differ in it.
        classes: of the manifest.
        pad_value: of the manifest.
        least_score: of the manifest.
        objects: whether its golden frame shows one.
    """
    model = squares_graph()
    for constant in model.graph.initializer:
        if constant.name == "score_of_class":
            scores = np.diag([*SCORES[:2], red]).astype(np.float32)[None]
            constant.CopyFrom(numpy_helper.from_array(scores, constant.name))
    manifest = Manifest(
        name="squares",
        classes=tuple(classes),
        input=InputRule(size_hw=CANVAS_HW, pad_value=pad_value),
        detection=DetectionRule(score_threshold=least_score),
    )
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    onnx.save(model, path)
    frames = {"one": frame_with_red() if objects else np.full((90, 70, 3), 60, np.uint8)}
    entry = {
        "variant": "fp32",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "probe": record_probe(Detector(path)),
        "probe_tolerance": FP32_TOLERANCE.tensors,
    }
    (folder / "parity.json").write_text(json.dumps({"schema": 2, "files": {path.name: entry}}))
    records = {path.name: record_golden(path, frames, FP32_TOLERANCE)}
    write_golden(folder / "golden", frames, records)
    return folder


def damage(folder: Path, kind: str) -> Path:
    """Makes a package `truncated`, of `other bytes`, a wrong `golden` or of `no record`."""
    model = folder / "model.onnx"
    if kind == "truncated":
        model.write_bytes(model.read_bytes()[:-100])
    elif kind == "other bytes":
        model.write_bytes(model.read_bytes() + b"\x42\x01\x00")  # a field that ONNX does not know
    elif kind == "golden":
        picture = folder / "golden" / "one.png"
        assert cv2.imwrite(str(picture), 255 - read_image(picture))
    else:
        (folder / "parity.json").unlink()
    return folder
