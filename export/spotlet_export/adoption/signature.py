"""How another's network is read: what it wants to be given, and what its outputs mean.

Data alone. The rewriting of the graph and the independent telling in numpy both read it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray

LAYOUTS = {
    "4+C,K": "one output [N, 4+C, K]: a box and the class scores, a place a column",
    "K,4+C": "one output [N, K, 4+C]: the same, a place a row",
    "K,5+C": "one output [N, K, 5+C]: with an objectness that the class scores are multiplied by",
    "K,6": "one output [N, K, 6]: corners, score, class id; suppressed already",
    "boxes+scores": "two outputs [N, K, 4] and [N, K, C]",
    "boxes+scores+ids": "three outputs [N, K, 4], [N, K] and [N, K]; suppressed already",
    "ssd": "two outputs of offsets from anchors and of class scores",
}
"""The layouts of outputs that can be adopted."""

SUPPRESSED = ("K,6", "boxes+scores+ids")
"""Layouts with one class a row, and nothing left to suppress."""

BOX_FORMATS = ("xyxy", "cxcywh", "yxyx", "cycxhw")
"""Two corners, or a centre and a size; x first, or y."""

BOX_UNITS = ("pixels", "unit")
"""Of the canvas: its pixels, or its sides being 1."""

ACTIVATIONS = ("none", "sigmoid", "softmax")
BACKGROUNDS = ("none", "first", "last")
COLOURS = ("RGB", "BGR")
AXES = ("NCHW", "NHWC")

OFFSETS = ("variances", "pixels")
"""What the offsets of `ssd` are: Liu et al.'s, scaled by variances, with the logarithm of the size;
or plain ones, in pixels of the canvas where an anchor has the canvas's size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputSignature:
    """What the network wants to be given: (pixel * scale - mean) / std of each colour.

    Attributes:
        name: of the input.
        dtype: numpy's name of its type.
        axes: one of `AXES`.
        size_hw: of the canvas, pixels.
        colour: one of `COLOURS`.
        scale: of a pixel's 0 to 255.
        mean: of the three colours in the order of `colour`, after the scale.
        std: likewise.
        fixed: what other inputs are given always, by name.
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

    @property
    def plain(self) -> bool:
        """Whether the pixels go in as they are."""
        return self.scale == 1 and not any(self.mean) and set(self.std) == {1.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputSignature:
    """What the network's outputs mean.

    Attributes:
        layout: one of `LAYOUTS`.
        boxes: name of the output with the boxes, or with all.
        scores: name of the output with the scores, where it is another.
        ids: name of the output with class ids, where there is one.
        classes: C, without background.
        box_format: one of `BOX_FORMATS`; of `ssd`, of offsets.
        box_unit: one of `BOX_UNITS`.
        activation: what scores need to be in [0, 1], one of `ACTIVATIONS`.
        background: where the scores have a column for it, one of `BACKGROUNDS`; ids then begin
            at 1 where it is `first`.
        strides: of the grids of undecoded boxes, pixels; empty where they are decoded.
        anchors: (K, 4) float32 cxcywh in [0, 1] of the canvas, of `ssd`.
        offsets: one of `OFFSETS`, of `ssd`.
        variances: of the offsets, in the order x, y, width, height.
        extra: columns after the class scores that are left out.
        rows: of a suppressed output whose number of rows is free: the best so many are taken,
            padded with zeros; None where the number is fixed.
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
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """How a network is read, whole.

    Attributes:
        input: what it is given.
        output: what it gives.
    """

    input: InputSignature
    output: OutputSignature

    def to_json(self) -> dict[str, Any]:
        """Returns it as values of JSON; of arrays their shape only."""
        content = {"input": asdict(self.input), "output": asdict(self.output)}
        content["input"]["fixed"] = {
            name: value.tolist() for name, value in self.input.fixed.items()
        }
        if self.output.anchors is not None:
            content["output"]["anchors"] = f"{len(self.output.anchors)} given"
        return content


def grid_size(size_hw: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Returns how many places grids of these strides have on a canvas."""
    return int(np.sum([(size_hw[0] // stride) * (size_hw[1] // stride) for stride in strides]))
