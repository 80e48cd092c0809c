"""Opens what a side of the comparison may be."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule, InputRule
from spotlet.model.package import VARIANTS, locate_model
from spotlet.postprocess import cells_from_detections
from spotlet.runner import Runner
from spotlet.session import ModelSession
from spotlet_export.adoption.proof import HALF_LIMITS, limits_of_graph
from spotlet_export.gate.gate import pytorch_tensors
from spotlet_export.gate.variants import DEFAULT_BUDGET, FP32_LIMITS, Limits, int8_limits
from spotlet_export.graph.graph import build_graph
from spotlet_export.judging.changes import Tensors
from spotlet_export.judging.sides import Compute, Side
from spotlet_export.package.describing import make_manifest
from spotlet_training.evaluation.measurement import CHECKPOINT_SUFFIX
from spotlet_training.network.checkpoint import load_checkpoint

RUNNER_PREFIX = "runner:"
"""Before the command of a program."""

FLOAT16_LIMITS = replace(HALF_LIMITS, accuracy=0.005)

LIMITS: dict[str, Limits] = {
    "float32": FP32_LIMITS,
    "float16": FLOAT16_LIMITS,
    "int8": int8_limits(DEFAULT_BUDGET),
}
"""By the precision that both sides have at least, the strictest first."""


def open_side(text: str, stack: ExitStack) -> Side:
    """Returns a model as the command line names it.

    Args:
        text: a `.safetensors` checkpoint; `runner:` and a command; or a model as for `Detector`,
            and for a package perhaps `@` and a variant.
        stack: ends the program.

    Raises:
        SpotletError: it cannot be opened.
    """
    if text.startswith(RUNNER_PREFIX):
        return _runner_side(text, stack)
    if text.endswith(CHECKPOINT_SUFFIX):
        return _checkpoint_side(text)
    return _file_side(text)


def _checkpoint_side(text: str) -> Side:
    checkpoint = load_checkpoint(Path(text))
    network = checkpoint.network
    manifest = make_manifest(checkpoint, Path(text).stem)

    def compute_batch(canvases: ImageArray) -> Tensors:
        return pytorch_tensors(network, canvases)

    return Side(
        title=text,
        kind="checkpoint",
        classes=manifest.classes,
        input=manifest.input,
        detection=manifest.detection,
        manifest=manifest,
        precision="float32",
        compute=_single(compute_batch),
        make_graph=lambda: build_graph(network, manifest),
        compute_batch=compute_batch,
        facts={"training": {key: checkpoint.training.get(key) for key in ("data", "epoch")}},
    )


def _file_side(text: str) -> Side:
    name, at, variant = text.rpartition("@")
    split = at and variant in VARIANTS and not Path(text).exists()
    path = locate_model(name, variant) if split else locate_model(text)
    session = ModelSession(path)
    manifest = session.manifest
    suppresses = manifest.output.form == "detections"
    model = onnx.load(path)
    return Side(
        title=text,
        kind="file",
        classes=manifest.classes,
        input=manifest.input,
        detection=manifest.detection,
        manifest=manifest,
        precision=_precision(model),
        compute=_single(session.run),
        least_score=manifest.detection.score_threshold if suppresses else 0.0,
        fixed_cells=not suppresses,
        path=path,
        make_graph=lambda: model,
        compute_batch=session.run,
        facts={"sha256": session.sha256, "name": manifest.name, "producer": manifest.producer},
    )


def _single(compute_batch: Callable[[ImageArray], Tensors]) -> Compute:
    """Returns the computation of one canvas by that of several."""

    def compute(canvas: ImageArray, _: float) -> Tensors:
        boxes, scores = compute_batch(canvas[np.newaxis])
        return boxes[0], scores[0]

    return compute


def _precision(model: onnx.ModelProto) -> str:
    limits = limits_of_graph(model.graph)
    if limits is HALF_LIMITS:
        return "float16"
    return "float32" if limits is FP32_LIMITS else "int8"


def _runner_side(text: str, stack: ExitStack) -> Side:
    command = text.removeprefix(RUNNER_PREFIX).strip()
    if not command:
        raise UsageError(f"{text!r}: needs a command, such as 'runner:python3 board.py'")
    runner = stack.enter_context(Runner(command))
    hello = runner.hello
    rule = None
    if (canvas := hello.canvas) is not None:
        size_hw = canvas.height, canvas.width
        rule = InputRule(
            size_hw=size_hw,
            resize=canvas.resize,
            interpolation=canvas.interpolation,
            pad_value=canvas.pad,
        )

    def compute(picture: ImageArray, least: float) -> Tensors:
        boxes, scores, class_ids = runner.answer(picture, least)
        count = np.array([len(boxes)])
        cells = cells_from_detections(scores[None], class_ids[None], count, len(hello.classes))
        return boxes, cells[0]

    fixed = False
    if rule is not None and hello.iou_threshold is not None:
        probes = (np.zeros((*rule.size_hw, 3), np.uint8), np.full((*rule.size_hw, 3), 99, np.uint8))
        counts = {len(compute(each, 0.0)[0]) for each in probes}
        fixed = len(counts) == 1 and counts != {0}
    return Side(
        title=text,
        kind="runner",
        classes=hello.classes,
        input=rule,
        detection=DetectionRule(
            score_threshold=hello.score_threshold, iou_threshold=hello.iou_threshold or 1.0
        ),
        manifest=None,
        precision="float16",
        compute=compute,
        fixed_cells=fixed,
        best_only=True,
        facts={"name": runner.name},
    )
