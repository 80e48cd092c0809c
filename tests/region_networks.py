"""Detectors of one region for each class, whose answers move with the picture exactly.

The box of a class is that of all pixels of its colour, so it is right in every shifted, scaled or
mirrored copy; the score is the share of the colour in it. A pixel has the colour of a class if each
channel, brought to [0, 1] as the network expects, is within 0.3 of it: read in any other way,
the network finds nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from foreign_networks import OBJECTNESS, Writer
from onnx import TensorProto, helper

from spotlet.letterbox import ImageArray

SIDE = 128
NEAR = 0.3
GAIN = 8.0
STRIDES = (8, 16, 32)
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
COLOURS = {
    "red": (1, 0, 0),
    "yellow": (1, 1, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "cyan": (0, 1, 1),
}
"""RGB; yellow and cyan change places where red and blue do."""

Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """How a network is exported; mean and std in the order of `colour`.

    With `square`, only what is square on the canvas scores. `box_scale_xy` multiplies the boxes.
    """

    classes: tuple[str, ...] = ("red", "yellow", "green")
    layout: str = "K,4+C"
    colour: str = "RGB"
    scale: float = 1 / 255
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    box_format: str = "cxcywh"
    box_unit: str = "pixels"
    activation: str = "none"
    strides: bool = False
    square: bool = False
    box_scale_xy: tuple[float, float] = (1.0, 1.0)


def network(make: Region) -> onnx.ModelProto:
    """Returns the file's content."""
    w = Writer("float32")
    column = [np.reshape(each, (1, 3, 1, 1)) for each in (make.mean, make.std)]
    level = w("Div", w("Add", w("Mul", "image", column[1]), column[0]), make.scale * 255)
    if make.colour == "BGR":
        level = w("Gather", level, np.array([2, 1, 0]), axis=1)
    rows = [_row(w, make, level, class_id) for class_id in range(len(make.classes))]
    boxes, scores, sure = (w("Concat", *parts, axis=1) for parts in zip(*rows, strict=True))
    if make.layout == "boxes+scores":
        outputs = {"boxes": boxes, "scores": scores}
    else:
        parts: list[object] = [boxes, scores]
        if make.layout == "K,5+C":
            parts.insert(1, sure)
        whole = w("Concat", *parts, axis=2)
        if make.strides:
            nothing = np.zeros((1, CELLS - len(rows), 5 + len(rows)))
            whole = w("Concat", whole, nothing, axis=1)
        outputs = {"all": whole}
    for role, name in outputs.items():
        w.nodes.append(helper.make_node("Identity", [name], [f"out_{role}"]))
    graph = helper.make_graph(
        w.nodes,
        "regions",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(f"out_{role}", TensorProto.FLOAT, None) for role in outputs],
        w.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def _row(w: Writer, make: Region, level: str, class_id: int) -> tuple[str, str, str]:
    """Writes a class's box (1, 1, 4), scores (1, 1, C) and objectness (1, 1, 1)."""
    wanted = np.reshape(np.array(COLOURS[make.classes[class_id]], np.float64), (1, 3, 1, 1))
    apart = w("ReduceMax", w("Abs", w("Sub", level, wanted)), axes=[1], keepdims=1)
    mask = w("Cast", w("Less", apart, NEAR), to=TensorProto.FLOAT)
    edges = np.arange(SIDE, dtype=np.float64)
    across, down = edges.reshape(1, 1, 1, SIDE), edges.reshape(1, 1, SIDE, 1)
    first = [_most(w, w("Mul", mask, SIDE - each)) for each in (across, down)]
    last = [_most(w, w("Mul", mask, each + 1)) for each in (across, down)]
    # Without a pixel, the box is the canvas.
    start = [w("Mod", w("Sub", float(SIDE), each), float(SIDE), fmod=1) for each in first]
    found = _most(w, mask)
    none = w("Mul", w("Sub", 1.0, found), float(SIDE))
    end = [w("Add", each, none) for each in last]
    sides = [w("Sub", high, low) for low, high in zip(start, end, strict=True)]
    count = w("ReduceSum", mask, np.array([1, 2, 3]), keepdims=1)
    score = w("Div", count, w("Mul", *sides))
    if make.square:
        uneven = w("Abs", w("Sub", w("Div", *sides), 1.0))
        score = w("Mul", score, w("Cast", w("Less", uneven, 0.2), to=TensorProto.FLOAT))
    score = w("Reshape", score, np.array([1, 1, 1]))
    if make.activation == "sigmoid":
        score = w("Mul", w("Sub", score, 0.5), GAIN)
    nothing = -GAIN / 2 if make.activation == "sigmoid" else 0.0
    others = np.full((1, 1, 1), nothing)
    columns = [score if each == class_id else others for each in range(len(make.classes))]
    scores = w("Concat", *columns, axis=2)
    objectness = w("Reshape", w("Mul", found, OBJECTNESS), np.array([1, 1, 1]))
    return _box(w, make, start, end, sides, class_id), scores, objectness


def _most(w: Writer, tensor: str) -> str:
    return w("ReduceMax", tensor, axes=[1, 2, 3], keepdims=1)


def _box(
    w: Writer, make: Region, start: list[str], end: list[str], sides: list[str], cell: int
) -> str:
    if make.box_format == "xyxy":
        parts = [*start, *end]
    elif make.box_format == "xywh":
        parts = [*start, *sides]
    elif make.box_format == "x1x2y1y2":
        parts = [start[0], end[0], start[1], end[1]]
    else:
        centres = [w("Div", w("Add", *pair), 2.0) for pair in zip(start, end, strict=True)]
        parts = [*centres, *sides]
        if make.strides:  # in the row of the first cells
            first = float(STRIDES[0])
            parts = [
                w("Sub", w("Div", centres[0], first), float(cell)),
                w("Div", centres[1], first),
                *(w("Log", w("Div", side, first)) for side in sides),
            ]
    box = w("Reshape", w("Concat", *parts, axis=1), np.array([1, 1, 4]))
    if make.box_scale_xy != (1.0, 1.0):
        box = w("Mul", box, np.array([*make.box_scale_xy] * 2))
    return w("Div", box, float(SIDE)) if make.box_unit == "unit" else box


FRAME_HW = (160, 240)

Box = tuple[int, int, int, int]

BOXES: dict[str, Box] = {"red": (30, 20, 90, 60), "yellow": (130, 70, 200, 130)}
"""Left, top, right, bottom, pixels of the frame."""

TALL: dict[str, Box] = {"red": (30, 20, 105, 70), "yellow": (120, 75, 195, 125)}
"""Square on the canvas where the frame is stretched."""


def make_frame(boxes: dict[str, Box]) -> ImageArray:
    """Returns a frame of grey noise with coloured rectangles."""
    rng = np.random.default_rng(3)
    frame = rng.integers(90, 140, (*FRAME_HW, 3), np.uint8)
    for name, (left, top, right, bottom) in boxes.items():
        frame[top:bottom, left:right] = np.array(COLOURS[name][::-1], np.uint8) * 250
    return frame


def save(make: Region, path: Any) -> Any:
    """Writes the file; returns its path."""
    onnx.save(network(make), path)
    return path
