"""Finds outputs with one row for each cell of a grid, by the number of cells."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy.typing as npt

from spotlet_export.adoption.recognition.family import (
    BYTE,
    NONE,
    ONES,
    Family,
    Three,
    is_unit,
)
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.signature import OutputSignature
from spotlet_export.adoption.signature_grids import Grids, Part

THREE, FOUR = (8, 16, 32), (8, 16, 32, 64)
"""Strides of most pyramids of features, pixels."""


class Cells(NamedTuple):
    """An output with one row for each cell.

    Attributes:
        name: of the output.
        values: (K, D).
        axes: of the output.
        stride: pixels.
    """

    name: str
    values: npt.NDArray[Any]
    axes: int
    stride: int

    @property
    def depth(self) -> int:
        """D."""
        return int(self.values.shape[1])

    def part(self, first: int = 0) -> Part:
        """Returns the columns from `first` on."""
        return Part(output=self.name, axes=self.axes, depth=self.depth, first=first)


def cells_of(size_hw: tuple[int, int], strides: Sequence[int]) -> int:
    """Returns how many cells grids have that cover the canvas."""
    return sum(-(-size_hw[0] // stride) * -(-size_hw[1] // stride) for stride in strides)


def pyramid(
    given: Tensors, size_hw: tuple[int, int], per_cell: int, most: int = 64
) -> list[list[Cells]]:
    """Returns the outputs of each stride, finest first; those of no stride are left out.

    Args:
        given: outputs by name.
        size_hw: of the canvas, pixels.
        per_cell: boxes of each cell.
        most: the coarsest stride.
    """
    found = []
    for stride in (each for each in (4, 8, 16, 32, 64, 128) if each <= most):
        high, wide = -(-size_hw[0] // stride), -(-size_hw[1] // stride)
        for name, tensor in ((name, each) for name, each in given.items() if each.size):
            if tensor.ndim == 4 and per_cell == 1 and tensor.shape[2:] == (high, wide):
                rows = tensor[0].reshape(tensor.shape[1], -1).T
            elif tensor.ndim in (2, 3) and tensor.shape[-2] == high * wide * per_cell:
                rows = tensor.reshape(-1, tensor.shape[-1])
            else:
                continue
            if tensor.ndim == 2 or tensor.shape[0] == 1:
                found.append(Cells(name, rows, tensor.ndim, stride))
    return [list(level) for _, level in groupby(found, key=lambda cells: cells.stride)]


def activation_of(*scores: npt.NDArray[Any]) -> str:
    """Returns `sigmoid` for logits, which are not all in [0, 1]."""
    return "none" if all(map(is_unit, scores)) else "sigmoid"


def grid_family(
    name: str,
    grids: Grids,
    classes: int,
    *,
    colour: str = "RGB",
    scale: float = BYTE,
    mean: Three = NONE,
    std: Three = ONES,
    resize: str = "letterbox",
    activation: str = "none",
    iou_threshold: float | None = None,
    extra: int = 0,
) -> Family:
    """Returns a family of the layout `grids`."""
    output = OutputSignature(
        layout="grids",
        boxes=grids.grids[0].boxes.output,
        classes=classes,
        box_format="xyxy" if grids.cornered else "cycxhw" if grids.y_first else "cxcywh",
        box_unit="pixels",
        activation=activation,
        grids=grids,
        iou_threshold=iou_threshold,
        extra=extra,
    )
    return Family(
        name=name,
        output=output,
        classes=classes,
        colour=colour,
        scale=scale,
        mean=mean,
        std=std,
        resize=resize,
    )
