"""Detectors of known families, in small, whose answers are known without running them.

As in `foreign_networks`, the score of class `red`, `green` or `blue` in a cell is the mean of that
colour in it, and a cell's box is a constant. In a family with several strides, each answers one
colour: the finest red, the next green, the next blue.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from foreign_networks import HEIGHT, WIDTH, Writer
from onnx import TensorProto, helper

DOWN, ACROSS = 2, 3
"""Pixels of the frame for one of the canvas: it is stretched."""

OBJECTNESS = 0.81
LITTLE = 0.01
FAR = -40.0
"""The logit of a bin without a share."""

UNEQUAL = np.array([1.0, 0.99, 0.98])

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Light:
    """A cell in one colour: its place in the grid of a stride, and the class of that colour."""

    row: int
    column: int
    stride: int
    class_id: int
    level: int


FINE = (Light(1, 3, 8, 0, 230), Light(4, 7, 8, 1, 210), Light(6, 2, 8, 2, 250))
"""For families with one fine grid, and for rows."""

COARSE = (Light(0, 1, 16, 0, 230), Light(2, 4, 16, 1, 210), Light(3, 1, 16, 2, 250))
"""For a family with one grid of 16 pixels."""

STEPS = (Light(1, 2, 8, 0, 230), Light(2, 2, 16, 1, 210), Light(1, 2, 32, 2, 250))
"""For families with a grid for each stride."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What a family expects: (pixel * scale - mean) / std."""

    colour: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


PLAIN = Pixels(colour="BGR", scale=1.0)
IMAGENET = Pixels(scale=1.0, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
IMAGENET_BGR = Pixels(
    colour="BGR", scale=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)
)
HALF = Pixels(scale=1.0, mean=(127.5,) * 3, std=(128.0,) * 3)
CENTERNET = Pixels(colour="BGR", mean=(0.408, 0.447, 0.47), std=(0.289, 0.274, 0.278))


def frame_of(lights: tuple[Light, ...]) -> npt.NDArray[np.uint8]:
    """Returns a black frame with the lit cells in their colours."""
    frame = np.zeros((HEIGHT * DOWN, WIDTH * ACROSS, 3), np.uint8)
    for light in lights:
        high, wide = light.stride * DOWN, light.stride * ACROSS
        top, left = light.row * high, light.column * wide
        frame[top : top + high, left : left + wide, 2 - light.class_id] = light.level
    return frame


def boxes_of(stride: int) -> Numbers:
    """Returns (K, 4) xyxy, pixels of the canvas, of the cells of a stride, row by row."""
    rng = np.random.default_rng(stride)
    rows, columns = -(-HEIGHT // stride), -(-WIDTH // stride)
    y, x = (np.mgrid[:rows, :columns].reshape(2, -1) + 0.5) * stride
    centre = np.stack([x, y], axis=1) + rng.uniform(-0.2, 0.2, (len(x), 2)) * stride
    half = (np.array([1.2, 0.9]) + rng.uniform(-0.1, 0.1, (len(x), 2))) * stride
    return np.hstack([centre - half, centre + half])


def box_of(light: Light) -> Numbers:
    """Returns the box (4,) that must be found for a light, pixels of its frame."""
    columns = -(-WIDTH // light.stride)
    box = boxes_of(light.stride)[light.row * columns + light.column]
    sides: Numbers = box * [ACROSS, DOWN, ACROSS, DOWN]
    return np.clip(sides, 0, [WIDTH * ACROSS, HEIGHT * DOWN] * 2)


def cells(stride: int, point: float = 0.0) -> Numbers:
    """Returns the points (K, 2) of the cells of a stride, pixels."""
    y, x = np.mgrid[: -(-HEIGHT // stride), : -(-WIDTH // stride)].reshape(2, -1) + point
    return np.stack([x, y], axis=1) * stride


def distances(stride: int, point: float) -> Numbers:
    """Returns left, top, right, bottom (K, 4) from the cells' points, in strides."""
    boxes, places = boxes_of(stride), cells(stride, point)
    return np.hstack([places - boxes[:, :2], boxes[:, 2:] - places]) / stride


def distributions(stride: int, point: float, bins: int) -> Numbers:
    """Returns the logits (K, 4 * bins) of distributions with these distances as their means."""
    wanted = distances(stride, point)
    logits = np.full((*wanted.shape, bins), FAR)
    low = np.floor(wanted).astype(int)
    for place in np.ndindex(wanted.shape):
        share = wanted[place] - low[place]
        logits[place][low[place] : low[place] + 2] = np.log([1 - share, share])
    return logits.reshape(len(wanted), -1)


def centres(stride: int, point: float = 0.0) -> tuple[Numbers, Numbers]:
    """Returns offsets of the centres and sizes (K, 2), in strides."""
    boxes = boxes_of(stride)
    offset = ((boxes[:, :2] + boxes[:, 2:]) / 2 - cells(stride, point)) / stride
    return offset, (boxes[:, 2:] - boxes[:, :2]) / stride


class Family:
    """Writes a network of a family; each method returns the name of a tensor."""

    def __init__(self, pixels: Pixels, *, alone: bool = False) -> None:
        self.write = Writer("float32")
        self.alone = alone
        self.outputs: list[tuple[str, str, int]] = []
        order = np.array([2, 1, 0]) if pixels.colour == "BGR" else np.arange(3)
        std, mean = (np.array(each).reshape(1, 3, 1, 1) for each in (pixels.std, pixels.mean))
        image = self.write("Unsqueeze", "image", np.array([0])) if alone else "image"
        by = self.write("Mul", image, std / pixels.scale / 255)
        level = self.write("Add", by, mean / pixels.scale / 255)
        self.level = self.write("Gather", level, order, axis=1)

    def colours(self, stride: int, *shown: int) -> str:
        """Means (N, K, 3) of the colours in the cells of a stride; those not shown are 0."""
        right, below = -WIDTH % stride, -HEIGHT % stride
        kernel = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        pooled = self.write("AveragePool", self.level, pads=[0, 0, below, right], **kernel)
        flat = self.write("Reshape", pooled, np.array([0, 3, -1]))
        mask = np.isin(np.arange(3), shown or (0, 1, 2)).astype(float)
        return self.write("Mul", self.write("Transpose", flat, perm=[0, 2, 1]), mask)

    def alike(self, tensor: str, numbers: Numbers) -> str:
        """Constant numbers (K, D) for each picture, (N, K, D)."""
        one = self.write("Slice", tensor, np.array([0]), np.array([1]), np.array([2]))
        return self.write("Add", self.write("Mul", one, 0.0), numbers[np.newaxis])

    def one(self, tensor: str) -> str:
        """The greatest colour, (N, K, 1)."""
        return self.write("ReduceMax", tensor, axes=[2], keepdims=1)

    def planes(self, tensor: str, stride: int) -> str:
        """(N, K, D) as (N, D, H, W)."""
        turned = self.write("Transpose", tensor, perm=[0, 2, 1])
        shape = [0, 0, -(-HEIGHT // stride), -(-WIDTH // stride)]
        return self.write("Reshape", turned, np.array(shape))

    def joined(self, *tensors: str | Numbers, axis: int = 2) -> str:
        """Several, one after the other."""
        return self.write("Concat", *tensors, axis=axis)

    def returns(self, name: str, tensor: str, kind: int = TensorProto.FLOAT) -> None:
        """Makes a tensor an output."""
        self.outputs.append((name, tensor, kind))

    def model(self, batch: int | str = "N") -> onnx.ModelProto:
        """Returns the file's content."""
        nodes = list(self.write.nodes)
        nodes += [helper.make_node("Identity", [own], [name]) for name, own, _ in self.outputs]
        sides = [3, HEIGHT, WIDTH] if self.alone else [batch, 3, HEIGHT, WIDTH]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)
        ends = [helper.make_tensor_value_info(name, kind, None) for name, _, kind in self.outputs]
        graph = helper.make_graph(nodes, "family", [image], ends, self.write.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model


def rows(
    pixels: Pixels, found: float | None = None, *, alone: bool = False
) -> tuple[Family, dict[str, Any]]:
    """Returns a network with its boxes (1, K, 4), scores and ids (1, K, 1), of the fine grid.

    With `found`, rows with a lesser score are dropped. `alone`, it takes one picture, no batch.
    """
    net = Family(pixels, alone=alone)
    level = net.colours(8)
    parts = {
        "boxes": net.alike(level, boxes_of(8)),
        "scores": net.one(level),
        # In grey, where all colours are equal, red is preferred, not what rounding leaves.
        "ids": net.write("ArgMax", net.write("Mul", level, UNEQUAL), axis=2, keepdims=1),
    }
    if found is not None:
        lit = net.write("Greater", parts["scores"], found)
        kept = net.write("NonZero", net.write("Reshape", lit, np.array([-1])))
        kept = net.write("Reshape", kept, np.array([-1]))
        parts = {name: net.write("Gather", each, kept, axis=1) for name, each in parts.items()}
    return net, parts
