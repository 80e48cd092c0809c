"""One of the two models that are compared: a checkpoint, a model file, or a program."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx

from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule, InputRule, Manifest
from spotlet_export.judging.changes import InputChange, Tensors

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
        path: of a model file.
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
    path: Path | None = None
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
