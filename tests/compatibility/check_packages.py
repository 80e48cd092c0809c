"""Checks the bundled packages in a bare installation, and that it notices damage to one.

`installs.py` runs this with the oldest and the newest of the libraries that spotlet runs
on, installed without any extra: no torch, no onnx, no pytest. It prints a line for each package
and each damage, and ends with 1 where a package does not pass or a damage does.
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata, resources
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from spotlet import open_stream
from spotlet.boxes import FloatArray
from spotlet.check import check_model
from spotlet.check.golden import record_golden, write_golden
from spotlet.check.golden_rows import CANVAS_RULE, GOLDEN_RULE
from spotlet.check.tolerances import FP32_TOLERANCE
from spotlet.errors import SpotletError
from spotlet.letterbox import INTERPOLATIONS, ImageArray
from spotlet.model.package import GOLDEN_FOLDER, MODEL_FILE, bundled_models, variants_of
from spotlet.session import ModelSession

SUBJECT, OTHER = "garments", "cells"
"""The package that is damaged, and the one whose model is put in its place."""

LIBRARIES = ("spotlet", "numpy", "onnxruntime", "opencv-python-headless", "tqdm")

CORRUPTED_BYTES = 4096
"""A block of a disk: a thousand weights of the many, in the middle of the file."""

Change = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""What happens to the boxes and scores that a session gives."""


def main() -> int:
    """Prints what was found; returns the exit code."""
    print(f"python {platform.python_version()}", *map(_version, LIBRARIES), sep=", ")
    models = bundled_models()
    results = [
        _check(f"{name} {variant}", path)
        for name, folder in models.items()
        for variant, path in variants_of(folder).items()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        package = with_golden(models[SUBJECT], Path(scratch) / SUBJECT)
        results.append(_check("the copy to damage", package / MODEL_FILE))
        for name, damage in damages(models[OTHER] / MODEL_FILE).items():
            with damage(package / MODEL_FILE):
                results.append(_check(name, package / MODEL_FILE, passes=False))
    return 0 if results and all(results) else 1


def with_golden(package: Path, copy: Path) -> Path:
    """Returns a copy of a package; one without golden frames gets two of the demo's clip."""
    shutil.copytree(package, copy)
    if not (copy / GOLDEN_FOLDER).is_dir():
        frames = _clip_frames()
        record = record_golden(copy / MODEL_FILE, frames, FP32_TOLERANCE)
        write_golden(copy / GOLDEN_FOLDER, frames, {MODEL_FILE: record})
    return copy


def damages(other_model: Path) -> dict[str, Callable[[Path], AbstractContextManager[None]]]:
    """Returns what must not pass: each makes a model file, or what runs it, wrong meanwhile."""
    return {
        "a corrupted model": lambda path: holding(path, corrupted(path.read_bytes())),
        "a swapped model": lambda path: holding(path, other_model.read_bytes()),
        "an onnxruntime that computes otherwise": lambda _: computing(raise_every_tenth_score),
        "an accelerator that rounds": lambda _: computing(round_to_half),
        "an OpenCV that resizes otherwise": lambda _: resizing(cv2.INTER_NEAREST),
    }


def corrupted(model: bytes) -> bytes:
    """Returns a model file that loads, and in which some weights have another sign."""
    start = len(model) // 2
    end = start + CORRUPTED_BYTES
    return model[:start] + bytes(byte ^ 0x80 for byte in model[start:end]) + model[end:]


@contextmanager
def holding(model: Path, content: bytes) -> Iterator[None]:
    """Lets a model file hold something else meanwhile."""
    before = model.read_bytes()
    model.write_bytes(content)
    try:
        yield
    finally:
        model.write_bytes(before)


def raise_every_tenth_score(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Adds 3e-4 to some scores: too little to see in any detection."""
    raised = scores.copy()
    raised[:, ::10] += np.float32(3e-4)
    return boxes, raised


def round_to_half(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rounds to float16, as an accelerator that gives its outputs in half precision."""
    return boxes.astype(np.float16).astype(np.float32), scores.astype(np.float16).astype(np.float32)


def round_to_bfloat(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cuts to bfloat16's eight bits of fraction: the upper half of a float32."""
    cut = [
        (each.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for each in (boxes, scores)
    ]
    return cut[0], cut[1]


@contextmanager
def computing(change: Change) -> Iterator[None]:
    """Lets every session give changed outputs meanwhile."""
    run = ModelSession.run

    def changed(session: ModelSession, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
        return change(*run(session, canvases))

    with mock.patch.object(ModelSession, "run", changed):
        yield


@contextmanager
def resizing(interpolation: int) -> Iterator[None]:
    """Lets OpenCV interpolate otherwise meanwhile, where a manifest says linear of either kind."""
    with mock.patch.dict(INTERPOLATIONS, linear=interpolation, linear_exact=interpolation):
        yield


def _check(name: str, path: Path, *, passes: bool = True) -> bool:
    """Prints a line; returns whether the check came out as it must."""
    try:
        report = check_model(path)
    except SpotletError as error:
        print(f"WRONG {name}: {error}")
        return False
    last = [*report.rows, *report.failures][-1]
    good = report.passed if passes else last.rule in (CANVAS_RULE, GOLDEN_RULE) and not last.passed
    verdict = "passes" if report.passed else "fails"
    print(f"{'ok   ' if good else 'WRONG'} {name}: {verdict}: {last.rule}: {last.measured}")
    return good


def _clip_frames() -> dict[str, ImageArray]:
    clip = Path(str(resources.files("spotlet_models"))) / "demo" / "clip.mp4"
    with open_stream(clip) as stream:
        return {f"clip-{frame.index}": frame.image for frame in stream if frame.index % 100 == 5}


def _version(library: str) -> str:
    return f"{library} {metadata.version(library)}"


if __name__ == "__main__":
    sys.exit(main())
