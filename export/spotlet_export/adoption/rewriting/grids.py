"""Writes the decoding of boxes that are relative to the cells of grids."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.rewriting.nodes import NodeWriter
from spotlet_export.adoption.signature_grids import Grid, Grids, Part

NEIGHBOURS = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
"""Of a cell, itself included. Source: Zhou et al. 2019, Objects as Points, section 4."""


class Cells(NamedTuple):
    """Names of the tensors of all cells, grid by grid.

    Attributes:
        corners: (N, K, 4) xyxy, pixels of the canvas.
        scores: (N, K, columns), not activated.
        objectness: (N, K, 1), not activated, if there is one.
        peaks: (N, K, columns), 1 where the score is a local maximum, else 0; if that counts.
    """

    corners: str
    scores: str
    objectness: str | None
    peaks: str | None


def write_cells(
    write: NodeWriter,
    grids: Grids,
    size_hw: tuple[int, int],
    columns: int,
    tensors: Mapping[str, str],
) -> Cells:
    """Writes the nodes from the outputs to the cells.

    Args:
        write: receives the nodes.
        grids: what the outputs mean.
        size_hw: of the canvas, pixels.
        columns: of the scores, with one for the background if there is one.
        tensors: float32, by the outputs' names.
    """
    place, step = _places(grids, size_hw)
    objectness = [grid.objectness for grid in grids.grids if grid.objectness is not None]
    return Cells(
        corners=_corners(write, grids, size_hw, (place, step), tensors),
        scores=_joined(write, [grid.scores for grid in grids.grids], columns, tensors),
        objectness=_joined(write, objectness, 1, tensors) if objectness else None,
        peaks=_peaks(write, grids.grids, columns, tensors) if grids.peaks else None,
    )


def _corners(
    write: NodeWriter,
    grids: Grids,
    size_hw: tuple[int, int],
    cells: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    tensors: Mapping[str, str],
) -> str:
    place, step = cells
    boxes = [grid.boxes for grid in grids.grids]
    if grids.cornered:
        distances = (
            _expected(write, _joined(write, boxes, 4 * grids.bins, tensors), grids.bins)
            if grids.bins
            else _joined(write, boxes, 4, tensors)
        )
        away = write.node("Mul", distances, write.constant(step * [-1, -1, 1, 1]))
        return write.node("Add", away, write.constant(np.tile(place * step, 2)))
    offsets = [grid.offsets for grid in grids.grids if grid.offsets is not None]
    numbers = _joined(write, boxes, 2 if offsets else 4, tensors)
    if offsets:
        numbers = write.node("Concat", _joined(write, offsets, 2, tensors), numbers, axis=2)
    if grids.y_first:
        numbers = write.reordered(numbers, [1, 0, 3, 2], 2)
    centre, size = write.columns(numbers, 0, 2), write.columns(numbers, 2, 4)
    if grids.coding == "canvas":
        centre = write.node("Tanh", centre)
        canvas = write.constant([size_hw[1], size_hw[0]])
        size = write.node("Mul", write.node("Sigmoid", size), canvas)
    else:
        size = write.node("Exp", size) if grids.coding == "exponents" else size
        size = write.node("Mul", size, write.constant(step))
    moved = write.node("Add", centre, write.constant(place))
    centre = write.node("Mul", moved, write.constant(step))
    half = write.node("Mul", size, write.constant(0.5))
    return write.node("Concat", *(write.node(op, centre, half) for op in ("Sub", "Add")), axis=2)


def _places(
    grids: Grids, size_hw: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns the points (1, K, 2) of all cells, in strides, and the strides (1, K, 1)."""
    places, steps = [], []
    for stride in (stride for grid in grids.grids for stride in grid.strides):
        y, x = np.mgrid[: -(-size_hw[0] // stride), : -(-size_hw[1] // stride)]
        points = np.stack([x.ravel(), y.ravel()], axis=1) + grids.point
        places.append(np.repeat(points, grids.per_cell, axis=0))
        steps.append(np.full((len(places[-1]), 1), stride))
    return (
        np.concatenate(places)[np.newaxis].astype(np.float32),
        np.concatenate(steps)[np.newaxis].astype(np.float32),
    )


def _expected(write: NodeWriter, logits: str, bins: int) -> str:
    """Writes the expected values (N, K, 4) of distributions over 0, 1, … (N, K, 4 * bins).

    Source: Li et al. 2020, Generalized Focal Loss, equation 5.
    """
    apart = write.node("Reshape", logits, write.constant([0, -1, 4, bins], np.int64))
    shares = write.node("Softmax", apart, axis=3)
    weights = write.constant(np.arange(bins)[:, np.newaxis])
    expected = write.node("MatMul", shares, weights)
    return write.node("Reshape", expected, write.constant([0, -1, 4], np.int64))


def _joined(write: NodeWriter, parts: list[Part], columns: int, tensors: Mapping[str, str]) -> str:
    """Writes a part of all grids, (N, K, columns)."""
    each = []
    for part in parts:
        tensor = tensors[part.output]
        if part.axes == 4:
            tensor = write.node("Transpose", tensor, perm=[0, 2, 3, 1])
        if part.axes != 3:
            batch = 0 if part.axes == 4 else 1
            rows = write.constant([batch, -1, part.depth], np.int64)
            tensor = write.node("Reshape", tensor, rows)
        if (part.first, columns) != (0, part.depth):
            tensor = write.columns(tensor, part.first, part.first + columns)
        each.append(tensor)
    return each[0] if len(each) == 1 else write.node("Concat", *each, axis=1)


def _peaks(
    write: NodeWriter, grids: tuple[Grid, ...], columns: int, tensors: Mapping[str, str]
) -> str:
    """Writes 1 where a score is the greatest among its neighbours, else 0."""
    (part,) = (grid.scores for grid in grids)
    heat = write.columns(tensors[part.output], part.first, part.first + columns, axis=1)
    lower = write.node("Less", heat, write.node("MaxPool", heat, **NEIGHBOURS))
    mask = write.cast(write.node("Not", lower), np.float32)
    rows = write.constant([0, -1, columns], np.int64)
    return write.node("Reshape", write.node("Transpose", mask, perm=[0, 2, 3, 1]), rows)
