"""The signature of an original network: what its input expects, and what its outputs mean.

Data only. The rewriting of the graph and the independent decoder in numpy both follow it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet_export.adoption.signature_grids import Grids

LAYOUTS = {
    "4+C,K": "one output [N, 4+C, K]: a box and the class scores, one column for each cell",
    "K,4+C": "one output [N, K, 4+C]: the same, one row for each cell",
    "K,5+C": "one output [N, K, 5+C]: with an objectness that multiplies the class scores",
    "K,6": "one output [N, K, 6]: corners, score, class id; already suppressed",
    "boxes+scores": "two outputs [N, K, 4] and [N, K, C]",
    "boxes+scores+ids": "three outputs [N, K, 4], [N, K] and [N, K]; already suppressed",
    "ssd": "two outputs: offsets from anchors, and class scores",
    "dets+labels": "two outputs [N, K, 5] and [N, K]: corners and score, class id; suppressed",
    "batch,box,id,score": "one output [K, 7]: batch index, corners, class id, score; suppressed",
    "batch,box,score,id": "one output [K, 7]: batch index, corners, score, class id; suppressed",
    "batch,id,score,box": "one output [1, 1, K, 7]: batch index, class id, score, corners; "
    "suppressed",
    "id,score,box": "one output [K, 6]: class id, score, corners; suppressed",
    "box,id,score": "one output [N, K, 6]: corners, class id, score; suppressed",
    "grids": "outputs of one or more grids, whose boxes are relative to their cells",
}
"""Output layouts that can be adopted."""

ROWS = {
    "K,6": ("box", "score", "id"),
    "batch,box,id,score": ("batch", "box", "id", "score"),
    "batch,box,score,id": ("batch", "box", "score", "id"),
    "batch,id,score,box": ("batch", "id", "score", "box"),
    "id,score,box": ("id", "score", "box"),
    "box,id,score": ("box", "id", "score"),
}
"""Layouts with one output of rows: what their columns are, four for a box, one for the others."""


def columns_of(layout: str) -> dict[str, slice]:
    """Returns the columns of each part of a row, of a layout in `ROWS`."""
    found, start = {}, 0
    for name in ROWS[layout]:
        end = start + (4 if name == "box" else 1)
        found[name] = slice(start, end)
        start = end
    return found


SUPPRESSED = (*ROWS, "boxes+scores+ids", "dets+labels")
"""Layouts with one class in each row and nothing left to suppress."""

MOST_SUPPRESSED = 1000
"""Rows that suppressed outputs rarely exceed; grids have more."""

BOX_FORMATS = ("xyxy", "cxcywh", "yxyx", "cycxhw", "xywh")
"""Two corners, or centre and size, x first or y first; or upper left corner and size."""

BOX_UNITS = ("pixels", "unit")
"""Pixels of the canvas, or fractions of its sides."""

ACTIVATIONS = ("none", "sigmoid", "softmax")
BACKGROUNDS = ("none", "first", "last")
COLOURS = ("RGB", "BGR")
AXES = ("NCHW", "NHWC")

OFFSETS = ("variances", "pixels")
"""Offsets of `ssd`: Liu et al.'s, scaled by variances, with the logarithm of the size; or plain
ones, in pixels of the canvas for an anchor of the canvas's size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputSignature:
    """What the network expects: (pixel * scale - mean) / std of each colour.

    Attributes:
        name: of the input.
        dtype: numpy's name of its type.
        axes: one of `AXES`.
        size_hw: of the canvas, pixels.
        colour: one of `COLOURS`.
        scale: of a pixel's 0 to 255.
        mean: of the three colours in the order of `colour`, after the scale.
        std: likewise.
        fixed: constant values of other inputs, by name.
        batch_axis: whether it has the axis N; without it, it takes one picture.
    """

    name: str
    dtype: str
    axes: str
    size_hw: tuple[int, int]
    colour: str
    scale: float
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fixed: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    batch_axis: bool = True

    @property
    def plain(self) -> bool:
        """Whether the pixels go in unchanged."""
        return self.scale == 1 and not any(self.mean) and set(self.std) == {1.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputSignature:
    """What the network's outputs mean.

    Attributes:
        layout: one of `LAYOUTS`.
        boxes: name of the output with the boxes, or with all.
        scores: name of the output with the scores, if it is a separate one.
        ids: name of the output with class ids, if there is one.
        classes: C, without background.
        box_format: one of `BOX_FORMATS`; for `ssd`, of the offsets.
        box_unit: one of `BOX_UNITS`.
        activation: what brings the scores to [0, 1], one of `ACTIVATIONS`.
        background: where the scores have a column for it, one of `BACKGROUNDS`; with `first`, ids
            start at 1.
        strides: of the grids of undecoded boxes, pixels; empty if boxes are decoded.
        anchors: (K, 4) float32 cxcywh in [0, 1] of the canvas, of `ssd`.
        offsets: one of `OFFSETS`, of `ssd`.
        variances: of the offsets, in the order x, y, width, height.
        extra: columns after the class scores that are dropped.
        overlapping: whether rows of a suppressed layout are duplicates of others all the same.
        rows: how many of the best rows to take from a suppressed output with a free number of
            rows, padded with zeros; None if the number is fixed.
        batch_axis: whether the outputs have an axis for the batch; without it, they are those of
            one picture.
        grids: of `grids`.
        iou_threshold: of the suppression in the family's own programs; None if it is unknown.
    """

    layout: str
    boxes: str
    scores: str | None = None
    ids: str | None = None
    classes: int
    box_format: str
    box_unit: str
    activation: str = "none"
    background: str = "none"
    strides: tuple[int, ...] = ()
    anchors: FloatArray | None = None
    offsets: str = "variances"
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    extra: int = 0
    overlapping: bool = False
    rows: int | None = None
    batch_axis: bool = True
    grids: Grids | None = None
    iou_threshold: float | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are used, in the layout's order."""
        if self.grids is not None:
            parts = (part for grid in self.grids.grids for part in grid.parts)
            return tuple(dict.fromkeys(part.output for part in parts))
        return tuple(name for name in (self.boxes, self.scores, self.ids) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """How to read a network.

    Attributes:
        input: what it expects.
        output: what it returns.
    """

    input: InputSignature
    output: OutputSignature

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values; of anchors their count only."""
        content = {"input": asdict(self.input), "output": asdict(self.output)}
        content["input"]["fixed"] = {
            name: value.tolist() for name, value in self.input.fixed.items()
        }
        if self.output.anchors is not None:
            content["output"]["anchors"] = f"{len(self.output.anchors)} given"
        return content


def grid_size(size_hw: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Returns how many cells grids of these strides have on a canvas."""
    return int(np.sum([(size_hw[0] // stride) * (size_hw[1] // stride) for stride in strides]))
