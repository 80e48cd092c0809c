"""A side with what it computed so far, as it is or changed."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from spotlet.detections import Detections
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import detections_from_outputs, suppress
from spotlet_export.judging.changes import AS_IS, InputChange, Setting, Tensors
from spotlet_export.judging.graphs import GraphSession, in_16_bits, in_float32, with_float_input
from spotlet_export.judging.layouts import LAYOUTS
from spotlet_export.judging.resizing import RESIZES, lay
from spotlet_export.judging.sides import Side

KINDS = {
    "float16": onnx.TensorProto.FLOAT16,
    "bfloat16": onnx.TensorProto.BFLOAT16,
}

MOST_BYTES = 2**28
"""Results that a side keeps: those of 90 pictures, for 8400 cells of 80 classes."""


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

    @property
    def size(self) -> int:
        """Bytes of both arrays."""
        return self.boxes.nbytes + self.scores.nbytes


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
        computed = self._computed.pop(key, None)
        if computed is None:
            letterbox = self.side.letterbox((frame.shape[0], frame.shape[1]), setting.input)
            tensors = self._compute(frame, letterbox, setting.input, least)
            if tensors is None:
                return None
            computed = Cells(letterbox, *tensors)
            kept_bytes = sum(each.size for each in self._computed.values()) + computed.size
            while kept and self._computed and kept_bytes > MOST_BYTES:
                kept_bytes -= self._computed.pop(next(iter(self._computed))).size
        if kept:
            self._computed[key] = computed  # at the end: what is used seldom goes first
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
            if setting.overlap is not None:
                rule = replace(rule, iou_threshold=setting.overlap)
            found = detections_from_outputs(cells.boxes, scores, letterbox, self.side.classes, rule)
        if setting.agnostic and len(found):
            one_class = np.zeros_like(found.class_ids)
            kept = suppress(found.boxes_xyxy, found.scores, one_class, rule.iou_threshold)
            found = found.select(kept)
        return found

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
