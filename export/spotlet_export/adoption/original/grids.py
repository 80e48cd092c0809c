"""Decodes outputs of grids a second, slow and obvious way: grid by grid, in numpy.

As `original.decoder`, it imports nothing of the rewriting.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.signature import OutputSignature
from spotlet_export.adoption.signature_grids import OBJECTNESS_POWER, SCORE_POWER, Grid, Grids, Part

Wide = npt.NDArray[np.float64]


def activated(values: Wide, rule: OutputSignature) -> Wide:
    """Returns scores (K, C) after the network's activation."""
    if rule.activation == "sigmoid":
        return np.where(
            values < 0, np.exp(values) / (1 + np.exp(values)), 1 / (1 + np.exp(-values))
        )
    if rule.activation == "softmax":
        return _shares(values)
    return values


def decoded_grids(
    outputs: Mapping[str, Wide], rule: OutputSignature, size_hw: tuple[int, int]
) -> tuple[Wide, Wide]:
    """Returns boxes (K, 4) in fractions of the canvas, and scores (K, C), of one canvas.

    Args:
        outputs: by name, a batch of 1.
        rule: what they mean.
        size_hw: of the canvas, pixels.
    """
    assert rule.grids is not None
    boxes, scores = [], []
    for grid in rule.grids.grids:
        places = [
            (column + rule.grids.point, row + rule.grids.point, stride)
            for stride in grid.strides
            for row in range(-(-size_hw[0] // stride))
            for column in range(-(-size_hw[1] // stride))
            for _ in range(rule.grids.per_cell)
        ]
        corners = _corners(outputs, grid, rule.grids, np.array(places, np.float64), size_hw)
        boxes.append(corners / [size_hw[1], size_hw[0], size_hw[1], size_hw[0]])
        scores.append(_scores(outputs, grid, rule))
    return np.concatenate(boxes), np.concatenate(scores)


def _rows(outputs: Mapping[str, Wide], part: Part) -> Wide:
    """Returns all columns of an output from the part's first on, one row for each box."""
    values = outputs[part.output]
    if part.axes == 4:
        planes = values[0].reshape(-1, part.depth, *values.shape[2:])
        values = np.stack([plane.reshape(part.depth, -1).T for plane in planes], axis=1)
    return values.reshape(-1, part.depth)[:, part.first :]


def _corners(
    outputs: Mapping[str, Wide], grid: Grid, rule: Grids, places: Wide, size_hw: tuple[int, int]
) -> Wide:
    """Returns left, top, right, bottom, pixels of the canvas."""
    x, y, stride = places.T
    numbers = _rows(outputs, grid.boxes)
    if rule.cornered:
        if rule.bins:
            sides = [numbers[:, n * rule.bins : (n + 1) * rule.bins] for n in range(4)]
            means = [(_shares(side) * np.arange(rule.bins)).sum(axis=1) for side in sides]
        else:
            means = list(numbers[:, :4].T)
        left, top, right, bottom = means
        corners = [x - left, y - top, x + right, y + bottom]
        return np.stack([side * stride for side in corners], axis=1)
    if grid.offsets is not None:
        numbers = np.hstack([_rows(outputs, grid.offsets)[:, :2], numbers[:, :2]])
    across, down, wide, high = numbers[:, :4].T
    if rule.y_first:
        across, down, wide, high = down, across, high, wide
    if rule.coding == "canvas":
        across, down = np.tanh(across), np.tanh(down)
        wide, high = size_hw[1] / (1 + np.exp(-wide)), size_hw[0] / (1 + np.exp(-high))
    elif rule.coding == "exponents":
        wide, high = np.exp(wide) * stride, np.exp(high) * stride
    else:
        wide, high = wide * stride, high * stride
    x, y = (x + across) * stride, (y + down) * stride
    return np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1)


def _scores(outputs: Mapping[str, Wide], grid: Grid, rule: OutputSignature) -> Wide:
    """Returns (K, C) without background."""
    assert rule.grids is not None
    columns = rule.classes + (rule.background != "none")
    raw = _rows(outputs, grid.scores)[:, :columns]
    scores = activated(raw, rule)
    if rule.background != "none":
        scores = scores[:, 1:] if rule.background == "first" else scores[:, :-1]
    if grid.objectness is not None:
        objectness = activated(_rows(outputs, grid.objectness)[:, :1], rule)
        if rule.grids.joining == "powers":
            scores = np.maximum(scores, 0) ** SCORE_POWER
            scores = scores * np.maximum(objectness, 0) ** OBJECTNESS_POWER
        else:
            scores = scores * objectness
            scores = np.sqrt(np.maximum(scores, 0)) if rule.grids.joining == "root" else scores
    if rule.grids.peaks:
        high, wide = outputs[grid.scores.output].shape[2:]
        heat = raw.reshape(high, wide, columns)
        for row, column in np.ndindex(high, wide):
            near = heat[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            scores[row * wide + column] *= heat[row, column] >= near.max(axis=(0, 1))
    return scores


def _shares(logits: Wide) -> Wide:
    """Returns the softmax of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Wide = powers / powers.sum(axis=1, keepdims=True)
    return shares
