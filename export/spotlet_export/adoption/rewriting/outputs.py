"""Writes the postprocessing: from the network's outputs to the boxes and scores of the contract."""

import numpy as np

from spotlet_export.adoption.rewriting.grids import write_cells
from spotlet_export.adoption.rewriting.nodes import NodeWriter
from spotlet_export.adoption.signature import ROWS, SUPPRESSED, OutputSignature, columns_of
from spotlet_export.adoption.signature_grids import OBJECTNESS_POWER, SCORE_POWER


def write_postprocessing(
    write: NodeWriter, rule: OutputSignature, size_hw: tuple[int, int], moved: dict[str, str]
) -> tuple[str, str]:
    """Writes the nodes after the network; returns the names of boxes (N, K, 4), scores (N, K, C).

    Args:
        write: receives the nodes.
        rule: what the outputs mean.
        size_hw: of the canvas, pixels.
        moved: new names of tensors, by those that the contract needs itself.
    """
    if rule.grids is not None:
        return _grids(write, rule, size_hw, moved)
    tensors = {
        role: write.cast(moved.get(name, name), np.float32)
        for role, name in (("boxes", rule.boxes), ("scores", rule.scores), ("ids", rule.ids))
        if name is not None
    }
    if rule.layout in SUPPRESSED:
        raw, scores = _suppressed(write, rule, tensors)
    else:
        raw, scores = _cells(write, rule, tensors)
    return _boxes(write, rule, raw, size_hw), scores


def _suppressed(
    write: NodeWriter, rule: OutputSignature, tensors: dict[str, str]
) -> tuple[str, str]:
    """Writes cells with one class each, from rows of box, score and class id."""
    boxes, score, ids = _rows(write, rule, tensors)
    first = 1 if rule.background == "first" else 0
    score = _activated(write, rule, score)
    if rule.rows is not None:
        boxes, score, ids = _best_rows(write, rule.rows, boxes, score, ids)
    known = write.constant(np.arange(first, first + rule.classes), np.int64)
    is_class = write.node("Equal", write.cast(ids, np.int64), known)
    return boxes, write.node("Mul", write.cast(is_class, np.float32), score)


def _rows(
    write: NodeWriter, rule: OutputSignature, tensors: dict[str, str]
) -> tuple[str, str, str]:
    """Writes boxes (N, K, 4), scores (N, K, 1) and class ids (N, K, 1) from a layout's rows."""
    boxes, batch = tensors["boxes"], 0 if rule.batch_axis else 1
    if rule.layout in ROWS:
        return _rows_of_one(write, rule, boxes)
    as_column = write.constant([batch, -1, 1], np.int64)
    if not rule.batch_axis:
        columns = 5 if rule.layout == "dets+labels" else 4
        boxes = write.node("Reshape", boxes, write.constant([1, -1, columns], np.int64))
    if rule.layout == "dets+labels":
        score = write.columns(boxes, 4, 5)
    else:
        score = write.node("Reshape", tensors["scores"], as_column)
    return (
        write.columns(boxes, 0, 4),
        score,
        write.node("Reshape", tensors["ids"], as_column),
    )


def _rows_of_one(write: NodeWriter, rule: OutputSignature, rows: str) -> tuple[str, str, str]:
    """Writes the columns of rows that hold everything; rows of no picture get no class."""
    if not rule.batch_axis:
        wide = len(ROWS[rule.layout]) + 3 + rule.extra
        rows = write.node("Reshape", rows, write.constant([1, -1, wide], np.int64))
    columns = {
        name: write.columns(rows, part.start, part.stop)
        for name, part in columns_of(rule.layout).items()
    }
    ids = columns["id"]
    if "batch" in columns:
        batch = write.cast(columns["batch"], np.int64)
        first = write.node("Equal", batch, write.constant([0], np.int64))
        ids = write.node("Where", first, ids, write.constant([-1]))
    return columns["box"], columns["score"], ids


def _best_rows(
    write: NodeWriter, rows: int, boxes: str, score: str, ids: str
) -> tuple[str, str, str]:
    """Writes a fixed number of rows from any number: the best ones, then zeros."""
    more = write.constant([0, 0, 0, 0, rows, 0], np.int64)
    boxes, score, ids = (write.node("Pad", each, more) for each in (boxes, score, ids))
    best = write.best(score, rows)
    return (
        write.node("GatherElements", boxes, write.node("Concat", *[best] * 4, axis=2), axis=1),
        write.node("GatherElements", score, best, axis=1),
        write.node("GatherElements", ids, best, axis=1),
    )


def _grids(
    write: NodeWriter, rule: OutputSignature, size_hw: tuple[int, int], moved: dict[str, str]
) -> tuple[str, str]:
    """Writes boxes and scores of outputs whose boxes are relative to the cells of grids."""
    assert rule.grids is not None
    tensors = {name: write.cast(moved.get(name, name), np.float32) for name in rule.outputs}
    columns = rule.classes + (rule.background != "none")
    cells = write_cells(write, rule.grids, size_hw, columns, tensors)
    scores = _without_background(write, rule, _activated(write, rule, cells.scores))
    if cells.objectness is not None:
        objectness = _activated(write, rule, cells.objectness)
        if rule.grids.joining == "powers":
            scores = _power(write, scores, SCORE_POWER)
            objectness = _power(write, objectness, OBJECTNESS_POWER)
        scores = write.node("Mul", scores, objectness)
        scores = write.node("Sqrt", scores) if rule.grids.joining == "root" else scores
    if cells.peaks is not None:
        scores = write.node("Mul", scores, cells.peaks)
    sides = write.constant([1 / size_hw[1], 1 / size_hw[0]] * 2)
    return write.clipped(write.node("Mul", cells.corners, sides)), scores


def _power(write: NodeWriter, tensor: str, power: float) -> str:
    """Writes a power of numbers that rounding may have brought below 0."""
    return write.node("Pow", write.node("Relu", tensor), write.constant(power))


def _cells(write: NodeWriter, rule: OutputSignature, tensors: dict[str, str]) -> tuple[str, str]:
    """Writes the raw boxes, and the scores, activated and without background."""
    columns = rule.classes + (rule.background != "none")
    first = 5 if rule.layout == "K,5+C" else 4
    axis = 1 if rule.layout == "4+C,K" else 2
    source, start = (tensors["boxes"], first) if rule.scores is None else (tensors["scores"], 0)
    boxes = write.columns(tensors["boxes"], 0, 4, axis)
    scores = write.columns(source, start, start + columns, axis)
    if axis == 1:
        boxes, scores = (write.node("Transpose", part, perm=[0, 2, 1]) for part in (boxes, scores))
    scores = _without_background(write, rule, _activated(write, rule, scores))
    if first == 5:
        objectness = _activated(write, rule, write.columns(tensors["boxes"], 4, 5))
        scores = write.node("Mul", scores, objectness)
    return boxes, scores


def _activated(write: NodeWriter, rule: OutputSignature, scores: str) -> str:
    if rule.activation == "sigmoid":
        return write.node("Sigmoid", scores)
    if rule.activation == "softmax":
        return write.node("Softmax", scores, axis=2)
    return write.clipped(scores)


def _without_background(write: NodeWriter, rule: OutputSignature, scores: str) -> str:
    if rule.background == "none":
        return scores
    first = 1 if rule.background == "first" else 0
    return write.columns(scores, first, first + rule.classes)


def _boxes(write: NodeWriter, rule: OutputSignature, raw: str, size_hw: tuple[int, int]) -> str:
    """Writes the decoding of (N, K, 4) to xyxy in [0, 1]."""
    height, width = size_hw
    if rule.box_format in ("yxyx", "cycxhw"):
        raw = write.reordered(raw, [1, 0, 3, 2], 2)
    if rule.box_format in ("cxcywh", "cycxhw"):
        centre, size = write.columns(raw, 0, 2), write.columns(raw, 2, 4)
        if rule.layout == "ssd":
            centre, size = _from_anchors(write, rule, centre, size, size_hw)
        elif rule.strides:
            centre, size = _from_grid(write, rule, centre, size, size_hw)
        half = write.node("Mul", size, write.constant(0.5))
        corners = [write.node(op, centre, half) for op in ("Sub", "Add")]
        raw = write.node("Concat", *corners, axis=2)
    if rule.box_format == "xywh":
        corner, size = write.columns(raw, 0, 2), write.columns(raw, 2, 4)
        raw = write.node("Concat", corner, write.node("Add", corner, size), axis=2)
    if rule.box_unit == "pixels" and rule.layout != "ssd":
        raw = write.node("Mul", raw, write.constant([1 / width, 1 / height] * 2))
    return write.clipped(raw)


def _from_grid(
    write: NodeWriter, rule: OutputSignature, centre: str, size: str, size_hw: tuple[int, int]
) -> tuple[str, str]:
    """Writes (offset + cell) * stride and exp(size) * stride; row by row, finest grid first."""
    cells, steps = [], []
    for stride in rule.strides:
        rows, columns = size_hw[0] // stride, size_hw[1] // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full((rows * columns, 1), stride))
    step = write.constant(np.concatenate(steps)[np.newaxis])
    moved = write.node("Add", centre, write.constant(np.concatenate(cells)[np.newaxis]))
    return (
        write.node("Mul", moved, step),
        write.node("Mul", write.node("Exp", size), step),
    )


def _from_anchors(
    write: NodeWriter, rule: OutputSignature, centre: str, size: str, size_hw: tuple[int, int]
) -> tuple[str, str]:
    """Writes the decoding of offsets from anchors.

    Source: Liu et al. 2016, SSD, section 2.2, equation 2, solved for the box.
    """
    assert rule.anchors is not None
    place, extent = rule.anchors[np.newaxis, :, :2], rule.anchors[np.newaxis, :, 2:]
    if rule.offsets == "pixels":
        by_centre = by_size = 1 / np.array([size_hw[1], size_hw[0]])
    else:
        by_centre, by_size = np.array(rule.variances[:2]), np.array(rule.variances[2:])
    moved = write.node("Mul", centre, write.constant(extent * by_centre))
    centre = write.node("Add", moved, write.constant(place))
    if rule.offsets == "pixels":
        return centre, write.node("Mul", size, write.constant(extent * by_size))
    grown = write.node("Exp", write.node("Mul", size, write.constant(by_size)))
    return centre, write.node("Mul", grown, write.constant(extent))
