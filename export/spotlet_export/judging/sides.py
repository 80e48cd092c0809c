"""One of the two models that are compared: a checkpoint, a model file, or a program."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule, InputRule, Manifest
from spotlet.model.package import VARIANTS, locate_model
from spotlet.postprocess import cells_from_detections, detections_from_outputs
from spotlet.runner import Runner
from spotlet.session import ModelSession
from spotlet_export.adoption.proof import HALF_LIMITS, limits_of_graph
from spotlet_export.gate.gate import pytorch_tensors
from spotlet_export.gate.variants import DEFAULT_BUDGET, FP32_LIMITS, Limits, int8_limits
from spotlet_export.graph.graph import build_graph
from spotlet_export.judging.changes import AS_IS, LAYOUTS, InputChange, Setting, Tensors
from spotlet_export.judging.graphs import (
    GraphSession,
    in_16_bits,
    in_float32,
    with_float_input,
)
from spotlet_export.judging.resizing import RESIZES, lay
from spotlet_export.package.describing import make_manifest
from spotlet_training.evaluation.measurement import CHECKPOINT_SUFFIX
from spotlet_training.network.checkpoint import load_checkpoint

KINDS = {
    "float16": onnx.TensorProto.FLOAT16,
    "bfloat16": onnx.TensorProto.BFLOAT16,
}

RUNNER_PREFIX = "runner:"
"""Before the command of a program."""

FLOAT16_LIMITS = replace(HALF_LIMITS, accuracy=0.005)

LIMITS: dict[str, Limits] = {
    "float32": FP32_LIMITS,
    "float16": FLOAT16_LIMITS,
    "int8": int8_limits(DEFAULT_BUDGET),
}
"""By the precision that both sides have at least, the strictest first."""

Compute = Callable[[ImageArray, float], Tensors]
"""A canvas (H, W, 3) uint8 BGR and the least score of interest in; its cells out."""


@dataclass(kw_only=True, eq=False)
class Side:
    """A model under comparison.

    Attributes:
        title: as the user gave it.
        kind: `checkpoint`, `file` or `runner`.
        classes: their names; the index is the class id.
        input: how a frame becomes the canvas; None: it takes frames of any size.
        detection: thresholds and limits.
        manifest: None for a runner.
        precision: a key of `LIMITS`.
        least_score: what is below it, the model has dropped.
        compute: the model as it is.
        fixed_cells: whether all canvases have the same cells in the same order.
        best_only: whether a cell has the score of its best class only.
        facts: for records.
        make_graph: builds its ONNX graph; None for a runner.
        compute_batch: several canvases at a time, (N, H, W, 3); None for a runner.
    """

    title: str
    kind: str
    classes: tuple[str, ...]
    input: InputRule | None
    detection: DetectionRule
    manifest: Manifest | None
    precision: str
    compute: Compute
    least_score: float = 0.0
    fixed_cells: bool = True
    best_only: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    make_graph: Callable[[], onnx.ModelProto] | None = None
    compute_batch: Callable[[ImageArray], Tensors] | None = None

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """Its ONNX graph. Precondition: `make_graph` is not None."""
        assert self.make_graph is not None
        return self.make_graph()

    def letterbox(self, frame_hw: tuple[int, int], change: InputChange) -> Letterbox:
        """Returns how a frame of this height and width, pixels, lies on the canvas."""
        if self.input is None:
            return Letterbox(frame_hw, frame_hw)
        own = self.input.letterbox(frame_hw)
        pad = own.pad_value if change.pad_value is None else change.pad_value
        return replace(own, resize=change.placing or own.resize, pad_value=pad)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What a model computed for a frame.

    Attributes:
        letterbox: from the frame to the canvas and back.
        boxes: (K, 4) float32 xyxy, in [0, 1] of the canvas, as the model gave them.
        scores: (K, C) float32.
    """

    letterbox: Letterbox
    boxes: np.ndarray[Any, np.dtype[np.float32]]
    scores: np.ndarray[Any, np.dtype[np.float32]]


class Subject:
    """A side with what it computed so far, under any changes.

    Attributes:
        side: the model.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self._computed: dict[tuple[str, InputChange, float], Cells] = {}
        self._sessions: dict[str, GraphSession | None] = {}

    @property
    def takes_floats(self) -> bool:
        """Whether it can be given pixels that are not bytes, and another precision."""
        return self.side.make_graph is not None and self._session("") is not None

    def cells(
        self,
        name: str,
        frame: ImageArray,
        setting: Setting = AS_IS,
        least: float = 0.0,
        *,
        kept: bool = True,
    ) -> Cells | None:
        """Returns what the model computes for a frame.

        Args:
            name: of the frame; the same name is computed once.
            frame: (H, W, 3) uint8 BGR.
            setting: the changes.
            least: score of interest.
            kept: whether the same is asked again.

        Returns:
            None if the model cannot be changed like this.
        """
        least = 0.0 if self.side.fixed_cells else least
        key = (name, setting.input, least)
        computed = self._computed.get(key)
        if computed is None:
            letterbox = self.side.letterbox((frame.shape[0], frame.shape[1]), setting.input)
            tensors = self._compute(frame, letterbox, setting.input, least)
            if tensors is None:
                return None
            computed = Cells(letterbox, *tensors)
            if kept:
                self._computed[key] = computed
        boxes, scores = computed.boxes, computed.scores
        with np.errstate(all="ignore"):  # a broken model's infinities are what is looked for
            for output in setting.outputs:
                boxes, scores = output(boxes, scores)
        return Cells(computed.letterbox, boxes, scores)

    def found(self, cells: Cells, setting: Setting, rule: DetectionRule) -> Detections:
        """Returns the detections in a frame's cells, with scores in [0, 1]."""
        letterbox = cells.letterbox
        if setting.mapping is not None:
            letterbox = replace(letterbox, resize=setting.mapping)
        with np.errstate(all="ignore"):
            scores = np.clip(np.nan_to_num(cells.scores, nan=0.0), 0, 1)
            return detections_from_outputs(cells.boxes, scores, letterbox, self.side.classes, rule)

    def _compute(
        self, frame: ImageArray, letterbox: Letterbox, change: InputChange, least: float
    ) -> Tensors | None:
        resize = None if change.interpolation is None else RESIZES[change.interpolation]
        canvas = frame if self.side.input is None else lay(frame, letterbox, resize)
        pixels = LAYOUTS[change.layout](canvas) if change.layout else canvas
        if not change.floats and not change.precision:
            return self.side.compute(pixels.astype(np.uint8, copy=False), least)
        session = self._session(change.precision)
        if session is None:
            return None
        values = pixels * np.array(change.gain, np.float32) + np.array(change.offset, np.float32)
        return session.run(values.astype(np.float32))

    def _session(self, precision: str) -> GraphSession | None:
        """Returns the changed file; None if there is none, or onnxruntime cannot run it."""
        if precision not in self._sessions:
            self._sessions[precision] = self._changed(precision)
        return self._sessions[precision]

    def _changed(self, precision: str) -> GraphSession | None:
        manifest = self.side.manifest
        if self.side.make_graph is None or manifest is None:
            return None
        model: onnx.ModelProto | None = with_float_input(self.side.graph, manifest.input.name)
        assert model is not None
        try:
            if precision in KINDS:
                model = in_16_bits(model, KINDS[precision])
            elif precision == "float32":
                model = in_float32(model)
            return None if model is None else GraphSession(model, manifest)
        except Exception:  # onnx's and onnxruntime's exceptions share no base: it is not tried
            return None


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

    def compute(canvas: ImageArray, _: float) -> Tensors:
        boxes, scores = pytorch_tensors(network, canvas[np.newaxis])
        return boxes[0], scores[0]

    return Side(
        title=text,
        kind="checkpoint",
        classes=manifest.classes,
        input=manifest.input,
        detection=manifest.detection,
        manifest=manifest,
        precision="float32",
        compute=compute,
        make_graph=lambda: build_graph(network, manifest),
        compute_batch=lambda canvases: pytorch_tensors(network, canvases),
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

    def compute(canvas: ImageArray, _: float) -> Tensors:
        boxes, scores = session.run(canvas[np.newaxis])
        return boxes[0], scores[0]

    return Side(
        title=text,
        kind="file",
        classes=manifest.classes,
        input=manifest.input,
        detection=manifest.detection,
        manifest=manifest,
        precision=_precision(model),
        compute=compute,
        least_score=manifest.detection.score_threshold if suppresses else 0.0,
        fixed_cells=not suppresses,
        make_graph=lambda: model,
        compute_batch=session.run,
        facts={"sha256": session.sha256, "name": manifest.name, "producer": manifest.producer},
    )


def _precision(model: onnx.ModelProto) -> str:
    limits = limits_of_graph(model.graph)
    if limits is HALF_LIMITS:
        return "float16"
    return "float32" if limits is FP32_LIMITS else "int8"


def _runner_side(text: str, stack: ExitStack) -> Side:
    command = text.removeprefix(RUNNER_PREFIX).strip()
    if not command:
        raise UsageError(f"{text}: needs a command, such as 'runner:python3 board.py'")
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
