"""Recognises families with one grid, or with all grids in one output."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.recognition.cells import (
    FOUR,
    THREE,
    activation_of,
    cells_of,
    grid_family,
    pyramid,
)
from spotlet_export.adoption.recognition.family import Family, is_unit
from spotlet_export.adoption.recognition.pyramids import NANODET_BINS, nanodet
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.signature_grids import Grid, Grids, Part

SUM_SLACK = 1e-3
"""How far a softmax may be from a sum of 1."""

BEST_CELLS = 10
"""Of a heat map, whose offsets are looked at."""

MOST_OFFSET = 1.5
"""Of a centre from its cell, strides; trained ones are from 0 to 1, or from -0.5 to 0.5."""

HEAT_STRIDES = (2, 4, 8)
"""Of heat maps, pixels. Source: Zhou et al. 2019, Objects as Points, section 3: 4."""


def grid_families(given: Tensors, classes: int | None, size_hw: tuple[int, int]) -> list[Family]:
    """Returns the families with one grid, or with all in one output, that fit.

    Args:
        given: outputs by name, for one canvas.
        classes: how many there are; None if that is not known.
        size_hw: of the canvas, pixels.
    """
    return [
        *_one_grid(given, size_hw),
        *_one_output(given, classes, size_hw),
        *_heat_maps(given, size_hw),
    ]


def _one_grid(given: Tensors, size_hw: tuple[int, int]) -> list[Family]:
    """FastestDet: objectness, box and a softmax of the classes, in one grid.

    Source: FastestDet (BSD-3-Clause), example/onnx-runtime: the decoding and the pixels.
    """
    levels = pyramid(given, size_hw, 1)
    if len(given) != 1 or len(levels) != 1 or levels[0][0].axes != 4:
        return []
    (cells,) = levels[0]
    shares = cells.values[:, 5:].astype(np.float64)
    if cells.depth < 6 or not is_unit(cells.values[:, :1]) or not is_unit(shares):
        return []
    if np.abs(shares.sum(axis=1) - 1).max() > SUM_SLACK:
        return []
    grid = Grid(
        strides=(cells.stride,),
        boxes=cells.part(1),
        scores=cells.part(5),
        objectness=cells.part(0),
    )
    grids = Grids(grids=(grid,), coding="canvas", joining="powers")
    return [
        grid_family(
            "FastestDet",
            grids,
            cells.depth - 5,
            colour="BGR",
            resize="stretch",
            iou_threshold=0.45,
        )
    ]


def _one_output(given: Tensors, classes: int | None, size_hw: tuple[int, int]) -> list[Family]:
    """NanoDet: scores and distributions of all grids in one output.

    Source: NanoDet (Apache-2.0), model/head: the points are (column, row) * stride for
    NanoDet-Plus, which has four strides, and half a stride further for its predecessor with three.
    """
    found = []
    for name, tensor in given.items():
        if tensor.ndim != 3 or tensor.shape[0] != 1:
            continue
        scores = tensor.shape[2] - 4 * NANODET_BINS
        for strides, point in ((FOUR, 0.0), (THREE, 0.5)):
            if tensor.shape[1] != cells_of(size_hw, strides) or scores < 1:
                continue
            if classes not in (None, scores) or not is_unit(tensor[0, :, :scores]):
                continue
            if is_unit(tensor[0, :, scores:]):
                continue
            part = Part(output=name, axes=3, depth=tensor.shape[2])
            boxes = Part(output=name, axes=3, depth=tensor.shape[2], first=scores)
            grid = Grid(strides=strides, boxes=boxes, scores=part)
            found.append(nanodet((grid,), point, scores, "none"))
    return found


def _heat_maps(given: Tensors, size_hw: tuple[int, int]) -> list[Family]:
    """CenterNet and CenterFace: a heat map, sizes and offsets, in one grid.

    Source: CenterNet (MIT, Zhou et al. 2019), lib/detectors/ctdet.py and lib/models/decode.py;
    CenterFace (MIT), prj-python/centerface.py: y first, sizes as logarithms, offsets from the
    cell's middle, no search for peaks. In both, the outputs are in the order heat map, sizes,
    offsets.
    """
    levels = [level for level in pyramid(given, size_hw, 1) if level[0].stride in HEAT_STRIDES]
    if len(levels) != 1 or any(cells.axes != 4 for cells in levels[0]):
        return []
    pairs = [cells for cells in levels[0] if cells.depth == 2]
    heats = [cells for cells in levels[0][:1] if cells.depth != 2]
    if len(pairs) != 2 or len(heats) != 1:
        return []
    (heat,), (size, offset) = heats, pairs
    if _named(size.name, ("off", "reg")) or _named(offset.name, ("wh", "size", "scale")):
        size, offset = offset, size
    if not _are_offsets(offset.values, heat.values):
        return []
    named = _named(size.name, ("wh", "size", "scale")) and _named(offset.name, ("off", "reg"))
    points = [cells.depth for cells in levels[0] if cells.depth == 10]
    face = heat.depth == 1 and len(points) == 1 and len(levels[0]) == 4
    if heat.depth == 1 and not face and not named:
        return []
    grid = Grid(
        strides=(heat.stride,), boxes=size.part(), scores=heat.part(), offsets=offset.part()
    )
    activation = activation_of(heat.values)
    if face:
        rule = Grids(grids=(grid,), coding="exponents", point=0.5, y_first=True)
        return [
            grid_family(
                "CenterFace",
                rule,
                1,
                scale=1.0,
                resize="stretch",
                activation=activation,
                iou_threshold=0.3,
            )
        ]
    rule = Grids(grids=(grid,), coding="sizes", peaks=True)
    return [
        grid_family(
            "CenterNet",
            rule,
            heat.depth,
            colour="BGR",
            mean=(0.408, 0.447, 0.47),
            std=(0.289, 0.274, 0.278),
            activation=activation,
        )
    ]


def _are_offsets(values: npt.NDArray[Any], heat: npt.NDArray[Any]) -> bool:
    """Returns whether the offsets of the best cells are about as large as a cell, as they must."""
    best = np.argsort(-heat.max(axis=1), kind="stable")[:BEST_CELLS]
    return bool((np.abs(values[best]) <= MOST_OFFSET).mean() > 0.5)


def _named(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)
