"""Detectors as other exporters write them, whose answers are known without running them.

A canvas is divided into cells of 8 pixels. The score of class `red`, `green` or `blue` of a cell is
the mean of that colour in it; a cell's box is a constant. So what must be found in a frame of flat
cells can be worked out by hand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

CELL = 8
HEIGHT, WIDTH = 64, 96
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
PLACES = ROWS * COLUMNS
CLASSES = ("red", "green", "blue")
OBJECTNESS = 0.9
GAIN = 8.0
BACKGROUND_LOGIT = 4.0
LEAST_SCORE = 0.3
TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
}


def cell_boxes() -> npt.NDArray[np.float64]:
    """Returns (K, 4) xyxy, pixels of the canvas: about 20 x 13, a little off the cell's middle."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:ROWS, :COLUMNS].reshape(2, -1) * CELL + CELL / 2
    centre = np.stack([x, y], axis=1) + rng.uniform(-2, 2, (PLACES, 2))
    half = np.array([10, 6.5]) + rng.uniform(-2, 2, (PLACES, 2))
    return np.hstack([centre - half, centre + half])


def as_centres(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns cxcywh of xyxy."""
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def anchors() -> npt.NDArray[np.float32]:
    """Returns (K, 4) cxcywh in [0, 1] of the canvas, near the boxes but not on them."""
    rng = np.random.default_rng(8)
    unit = as_centres(cell_boxes()) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    return (unit * rng.uniform(0.8, 1.25, unit.shape)).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """How a network is exported.

    `rows` is what becomes of suppressed rows without an object: kept, `dropped`, `zeroed`, or
    `first`: zeroed, and of a batch only the first picture is answered. With `mixed` a black
    picture of a batch takes the scores of all. With `hard_batch` the graph reshapes to the batch;
    with `merged` also to three times the batch, which only this batch can be.
    """

    layout: str
    axes: str = "NCHW"
    colour: str = "RGB"
    dtype: str = "float32"
    scale: float = 1 / 255
    mean: float = 0.0
    std: float = 1.0
    batch: int | str = "N"
    hard_batch: bool = False
    merged: bool = False
    box_format: str = "xyxy"
    box_unit: str = "pixels"
    activation: str = "none"
    background: str = "none"
    strides: bool = False
    offsets: str = "variances"
    free_size: bool = False
    opset: int = 17
    extra: int = 0
    rows: str = "kept"
    mixed: bool = False


class Writer:
    """Nodes and constants of a graph."""

    def __init__(self, dtype: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.dtype = "float16" if dtype == "float16" else "float32"

    def __call__(self, op: str, *inputs: object, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        # A name that the contract uses too: the rewriting must not mix them up.
        name = "scores" if not self.nodes else f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def constant(self, values: object) -> str:
        array = np.asarray(values)
        if array.dtype == np.float64:
            array = array.astype(self.dtype)
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return self.constants[-1].name


def network(make: Make) -> onnx.ModelProto:
    """Returns the file's content."""
    w = Writer(make.dtype)
    tensor = "image"  # as the contract's, to be mixed up if anything can be
    if make.dtype != w.dtype:
        tensor = w("Cast", tensor, to=TYPES[w.dtype])
    if make.axes == "NHWC":
        tensor = w("Transpose", tensor, perm=[0, 3, 1, 2])
    pooled = w("AveragePool", tensor, kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    level = w("Add", w("Mul", pooled, make.std / make.scale / 255), make.mean / make.scale / 255)
    if make.colour == "BGR":
        level = w("Gather", level, np.array([2, 1, 0]), axis=1)
    batch = make.batch if isinstance(make.batch, int) else 1
    if make.merged:
        level = w("Reshape", level, np.array([batch * 3, PLACES]))
    first = batch if make.hard_batch else 0
    flat = w("Reshape", level, np.array([first, 3, PLACES]))
    level = w("Transpose", flat, perm=[0, 2, 1])
    nothing = w("Mul", w("Slice", level, np.array([0]), np.array([1]), np.array([2])), 0.0)
    scores = _scores(w, make, level, nothing)
    boxes = w("Add", nothing, _boxes(make)[np.newaxis])
    outputs = _outputs(w, make, boxes, scores, nothing)
    for role, name, _ in outputs:
        w.nodes.append(helper.make_node("Identity", [name], [f"out_{role}"]))
    side: list[int | str] = ["h", "w"] if make.free_size else [HEIGHT, WIDTH]
    shape = [make.batch, 3, *side] if make.axes == "NCHW" else [make.batch, *side, 3]
    graph = helper.make_graph(
        w.nodes,
        "foreign",
        [helper.make_tensor_value_info("image", TYPES[make.dtype], shape)],
        [helper.make_tensor_value_info(f"out_{role}", kind, None) for role, _, kind in outputs],
        w.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", make.opset)])
    model.ir_version = 8
    return model


def _scores(w: Writer, make: Make, level: str, nothing: str) -> str:
    if make.activation == "sigmoid":
        level = w("Mul", w("Sub", level, 0.5), GAIN)
    if make.activation == "softmax":
        level = w("Mul", level, GAIN)
    if make.background != "none":
        empty = w("Add", nothing, BACKGROUND_LOGIT)
        parts = [empty, level] if make.background == "first" else [level, empty]
        level = w("Concat", *parts, axis=2)
    if make.mixed:
        lit = w("Ceil", w("ReduceMax", level, axes=[1, 2], keepdims=1))
        level = w("Mul", level, w("ReduceMin", lit, axes=[0], keepdims=1))
    return level


def _boxes(make: Make) -> npt.NDArray[np.float64]:
    """Returns the constant as the network says it."""
    boxes = cell_boxes()
    if make.layout == "ssd":
        return _offsets(make, as_centres(boxes) / [WIDTH, HEIGHT, WIDTH, HEIGHT])
    if make.box_unit == "unit":
        boxes = boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    if make.box_format == "cxcywh":
        boxes = as_centres(boxes)
    if make.box_format == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if make.box_format == "xywh":
        boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    if make.strides:
        y, x = np.mgrid[:ROWS, :COLUMNS].reshape(2, -1)
        boxes = np.hstack([boxes[:, :2] / CELL - np.stack([x, y], 1), np.log(boxes[:, 2:] / CELL)])
    return boxes


def _offsets(make: Make, unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    place = anchors().astype(np.float64)
    moved = (unit[:, :2] - place[:, :2]) / place[:, 2:]
    if make.offsets == "pixels":
        offsets = np.hstack([moved, unit[:, 2:] / place[:, 2:]]) * [WIDTH, HEIGHT, WIDTH, HEIGHT]
        # Key points follow the box.
        return np.hstack([offsets, np.full((PLACES, 12), 77.0)])
    offsets = np.hstack([moved / 0.1, np.log(unit[:, 2:] / place[:, 2:]) / 0.2])
    return offsets[:, [1, 0, 3, 2]] if make.box_format == "cycxhw" else offsets


def _outputs(
    w: Writer, make: Make, boxes: str, scores: str, nothing: str
) -> list[tuple[str, str, int]]:
    """Writes the layout's outputs; returns of each its role, its name and its type."""
    kind = TYPES[w.dtype]
    if make.layout in ("boxes+scores", "ssd"):
        return [("boxes", boxes, kind), ("scores", scores, kind)]
    if make.layout in ("K,6", "boxes+scores+ids"):
        best = w("ReduceMax", scores, axes=[2], keepdims=1)
        ids = w("ArgMax", scores, axis=2, keepdims=1)
        if make.layout == "K,6":
            ids = w("Cast", ids, to=kind)
            whole = w("Concat", boxes, best, ids, axis=2)
            return [("all", _suppressed(w, make, whole, best), kind)]
        boxes, best, ids = (_suppressed(w, make, each, best) for each in (boxes, best, ids))
        rows = np.array([0, -1])
        scores, ids = w("Reshape", best, rows), w("Reshape", ids, rows)
        return [("ids", ids, TensorProto.INT64), ("boxes", boxes, kind), ("scores", scores, kind)]
    parts = [boxes, scores]
    if make.layout == "K,5+C":
        parts = [boxes, w("Add", nothing, OBJECTNESS), scores]
    parts += [nothing] * make.extra
    whole = w("Concat", *parts, axis=2)
    if make.layout == "4+C,K":
        whole = w("Transpose", whole, perm=[0, 2, 1])
    return [("all", whole, kind)]


def _suppressed(w: Writer, make: Make, whole: str, best: str) -> str:
    """Writes what becomes of rows (N, K, D) by their scores (N, K, 1)."""
    if make.rows == "kept":
        return whole
    found = w("Greater", best, LEAST_SCORE)
    if make.rows == "dropped":
        kept = w("NonZero", w("Reshape", found, np.array([-1])))
        return w("Gather", whole, w("Reshape", kept, np.array([-1])), axis=1)
    nothing = w("Sub", whole, whole)
    zeroed = w("Where", found, whole, nothing)
    if make.rows == "zeroed":
        return zeroed
    first = w("Gather", zeroed, np.array([0]), axis=0)
    return w("ScatterND", nothing, np.array([[0]]), first)


def expected_score(make: Make, level: float) -> float:
    """Returns the score of a cell's colour, 0 to 1, where its two other colours are 0."""
    if make.activation == "sigmoid":
        return float(1 / (1 + np.exp(-GAIN * (level - 0.5))))
    if make.activation == "softmax":
        logits = [GAIN * level, 0, 0] + [BACKGROUND_LOGIT] * (make.background != "none")
        return float(np.exp(logits[0]) / np.exp(logits).sum())
    return level * OBJECTNESS if make.layout == "K,5+C" else level


def save(make: Make, path: Path) -> Path:
    """Writes the file; returns its path."""
    onnx.save(network(make), path)
    return path
