"""The families of `foreign_families`: each network, its pixels, its lights, what must be found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from foreign_families import (
    CENTERNET,
    COARSE,
    FINE,
    HALF,
    IMAGENET,
    IMAGENET_BGR,
    LITTLE,
    OBJECTNESS,
    PLAIN,
    STEPS,
    Family,
    Light,
    Pixels,
    boxes_of,
    cells,
    centres,
    distances,
    distributions,
    rows,
)
from foreign_networks import HEIGHT, WIDTH
from onnx import TensorProto

INT64 = TensorProto.INT64
GAIN = 8.0


def by_level(level: float) -> float:
    return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A network whose answers are known.

    Attributes:
        make: returns the file's content.
        lights: what the frame shows.
        classes: their names.
        score: of a colour's level, 0 to 1.
        name: of the family, as `adopt` says it.
        free_batch: whether it answers several pictures at once.
        missed: lights that must not be found.
    """

    make: Callable[[], onnx.ModelProto]
    lights: tuple[Light, ...]
    name: str
    classes: tuple[str, ...] = ("red", "green", "blue")
    score: Callable[[float], float] = by_level
    free_batch: bool = True
    missed: tuple[Light, ...] = ()


def dets_and_labels() -> onnx.ModelProto:
    net, parts = rows(IMAGENET)
    net.returns("dets", net.joined(parts["boxes"], parts["scores"]))
    net.returns("labels", net.write("Reshape", parts["ids"], np.array([0, -1])), INT64)
    return net.model()


def without_batch(first: int, *, size: bool) -> onnx.ModelProto:
    """Torchvision's, or Detectron2's with the picture's size."""
    net, parts = rows(Pixels(), found=0.3)
    net.returns("3001", net.write("Reshape", parts["boxes"], np.array([-1, 4])))
    flat = {name: net.write("Reshape", parts[name], np.array([-1])) for name in ("ids", "scores")}
    net.returns("3002", net.write("Add", flat["ids"], np.array(first)), INT64)
    net.returns("3003", flat["scores"])
    if size:
        net.returns("3004", net.write.constant(np.array([HEIGHT, WIDTH])), INT64)
    return net.model(batch=1)


def rows_of_seven(*, last: bool) -> onnx.ModelProto:
    """YOLOv7's, or DetectionOutput's, with rows of no picture at the end."""
    net, parts = rows(Pixels() if last else PLAIN, found=0.3)
    ids = net.write("Cast", parts["ids"], to=TensorProto.FLOAT)
    score, boxes = parts["scores"], parts["boxes"]
    nothing = net.write("Mul", score, 0.0)
    if last:
        whole = net.joined(nothing, boxes, ids, score)
        net.returns("output", net.write("Reshape", whole, np.array([-1, 7])))
        return net.model(batch=1)
    unit = net.write("Mul", boxes, np.array([1 / WIDTH, 1 / HEIGHT] * 2))
    whole = net.joined(nothing, net.write("Add", ids, 1.0), score, unit)
    end = np.array([[[-1.0, 1.0, 0.9, 0.1, 0.1, 0.9, 0.9]]])
    net.returns("detections", net.write("Unsqueeze", net.joined(whole, end, axis=1), np.array([1])))
    return net.model(batch=1)


def rows_with_masks() -> onnx.ModelProto:
    net, parts = rows(Pixels())
    noise = np.random.default_rng(1).uniform(0.001, LITTLE, (96, 1))
    score = net.write("Max", parts["scores"], net.alike(parts["scores"], noise))
    ids = net.write("Cast", parts["ids"], to=TensorProto.FLOAT)
    more = net.alike(score, np.random.default_rng(2).normal(0, 1, (96, 32)))
    net.returns("output0", net.joined(parts["boxes"], score, ids, more))
    net.returns("output1", net.planes(more, 8))
    return net.model()


def fastestdet() -> onnx.ModelProto:
    net = Family(Pixels(colour="BGR"))
    level = net.colours(16)
    offset, size = centres(16)
    unit = size * 16 / [WIDTH, HEIGHT]
    box = np.hstack([np.arctanh(offset), np.log(unit / (1 - unit))])
    lit = net.write("Add", level, LITTLE)
    shares = net.write("Div", lit, net.write("ReduceSum", lit, np.array([2]), keepdims=1))
    whole = net.joined(net.one(level), net.alike(level, box), shares)
    net.returns("758", net.planes(whole, 16))
    return net.model()


def fastestdet_score(level: float) -> float:
    return level * (level + LITTLE) / (level + 3 * LITTLE)


def nanodet(*strides: int, point: float) -> onnx.ModelProto:
    """One output with all grids."""
    net = Family(IMAGENET_BGR)
    grids = []
    for place, stride in enumerate(strides):
        level = net.colours(stride, place)
        box = net.alike(level, distributions(stride, point, 8))
        grids.append(net.joined(level, box))
    net.returns("output", net.joined(*grids, axis=1))
    return net.model()


def heads(bins: int, *, apart: bool, pixels: Pixels) -> onnx.ModelProto:
    """Logits and distributions of each stride, in one output or apart."""
    net = Family(pixels)
    for place, stride in enumerate((8, 16, 32)):
        level = net.colours(stride, place)
        logits = net.write("Mul", net.write("Sub", level, 0.5), GAIN)
        box = net.alike(level, distributions(stride, 0.5, bins))
        if apart:
            net.returns(f"cls_{stride}", logits)
            net.returns(f"dis_{stride}", box)
        else:
            net.returns(f"out{place}", net.planes(net.joined(box, logits), stride))
    return net.model()


def by_logit(level: float) -> float:
    return float(1 / (1 + np.exp(-GAIN * (level - 0.5))))


def centernet(*, named: bool) -> onnx.ModelProto:
    """With sizes and offsets in any order, if they are named."""
    net = Family(CENTERNET)
    level = net.colours(8)
    offset, size = (net.planes(net.alike(level, each), 8) for each in centres(8))
    logits = net.write("Mul", net.write("Sub", level, 0.5), GAIN)
    net.returns("hm" if named else "401", net.planes(logits, 8))
    for name, tensor in [("reg", offset), ("wh", size)] if named else [("9", size), ("10", offset)]:
        net.returns(name, tensor)
    return net.model()


def centerface() -> onnx.ModelProto:
    net = Family(Pixels(scale=1.0))
    level = net.colours(8)
    offset, size = centres(8, 0.5)
    net.returns("537", net.planes(net.one(level), 8))
    net.returns("538", net.planes(net.alike(level, np.log(size[:, ::-1])), 8))
    net.returns("539", net.planes(net.alike(level, offset[:, ::-1]), 8))
    net.returns("540", net.planes(net.alike(level, np.full((96, 10), 0.5)), 8))
    return net.model()


def scrfd(*, batch: bool) -> onnx.ModelProto:
    """Two boxes for each cell: a poor one, then the right one."""
    net = Family(HALF)
    found: dict[str, list[str]] = {"score": [], "bbox": [], "kps": []}
    for place, stride in enumerate((8, 16, 32)):
        score = net.one(net.colours(stride, place))
        count = len(cells(stride))
        both = np.stack([np.full((count, 4), 0.5), distances(stride, 0.0)], axis=1)
        poor = net.write("Mul", score, 0.25)
        rows = net.write("Reshape", net.joined(poor, score), np.array([0, -1, 1]))
        found["score"].append(rows)
        found["bbox"].append(net.alike(rows, both.reshape(-1, 4)))
        found["kps"].append(net.alike(rows, np.full((2 * count, 10), 0.5)))
    for role, depth in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride, tensor in zip((8, 16, 32), found[role], strict=True):
            flat = tensor if batch else net.write("Reshape", tensor, np.array([-1, depth]))
            net.returns(f"{role}_{stride}" if batch else f"{400 + depth * 100 + stride}", flat)
    return net.model(batch="N" if batch else 1)


def yunet() -> onnx.ModelProto:
    net = Family(PLAIN)
    for place, stride in enumerate((8, 16, 32)):
        score = net.one(net.colours(stride, place))
        offset, size = centres(stride)
        box = np.hstack([offset, np.log(size)])
        net.returns(f"cls_{stride}", score)
        net.returns(f"obj_{stride}", net.alike(score, np.full((len(box), 1), OBJECTNESS)))
        net.returns(f"bbox_{stride}", net.alike(score, box))
        net.returns(f"kps_{stride}", net.alike(score, np.full((len(box), 10), 0.5)))
    return net.model()


def yunet_score(level: float) -> float:
    return float(np.sqrt(level * OBJECTNESS))


def raw_heads(channels: int) -> onnx.ModelProto:
    """Of a family that is not supported."""
    net = Family(Pixels())
    for stride in (8, 16, 32):
        level = net.colours(stride)
        numbers = np.tile(boxes_of(stride), (1, channels // 4 + 1))[:, :channels]
        net.returns(f"p{stride}", net.planes(net.alike(level, numbers), stride))
    return net.model()


FACE = ("face",)
SMALLER = (Light(1, 4, 8, 0, 200),)
"""Beside a greater one: not a peak of the heat map."""

KNOWN: dict[str, Known] = {
    "dets and labels": Known(make=dets_and_labels, lights=FINE, name="MMDetection"),
    "torchvision": Known(
        make=lambda: without_batch(1, size=False),
        lights=FINE,
        name="torchvision",
        free_batch=False,
    ),
    "Detectron2": Known(
        make=lambda: without_batch(0, size=True), lights=FINE, name="Detectron2", free_batch=False
    ),
    "YOLOv7's rows of seven": Known(
        make=lambda: rows_of_seven(last=True), lights=FINE, name="YOLOv7", free_batch=False
    ),
    "DetectionOutput's rows of seven": Known(
        make=lambda: rows_of_seven(last=False), lights=FINE, name="SSD", free_batch=False
    ),
    "rows with masks": Known(make=rows_with_masks, lights=FINE, name="32 more columns"),
    "FastestDet": Known(make=fastestdet, lights=COARSE, name="FastestDet", score=fastestdet_score),
    "NanoDet-Plus": Known(
        make=lambda: nanodet(8, 16, 32, 64, point=0.0), lights=STEPS, name="NanoDet-Plus"
    ),
    "NanoDet": Known(make=lambda: nanodet(8, 16, 32, point=0.5), lights=STEPS, name="NanoDet"),
    "NanoDet's heads": Known(
        make=lambda: heads(8, apart=True, pixels=IMAGENET_BGR),
        lights=STEPS,
        name="NanoDet",
        score=by_logit,
    ),
    "a YOLO's heads": Known(
        make=lambda: heads(16, apart=False, pixels=Pixels()),
        lights=STEPS,
        name="YOLO",
        score=by_logit,
    ),
    "a YOLO's heads, apart": Known(
        make=lambda: heads(16, apart=True, pixels=Pixels()),
        lights=STEPS,
        name="YOLO",
        score=by_logit,
    ),
    "CenterNet": Known(
        make=lambda: centernet(named=True),
        lights=FINE,
        name="CenterNet",
        score=by_logit,
        missed=SMALLER,
    ),
    "CenterNet without names": Known(
        make=lambda: centernet(named=False),
        lights=FINE,
        name="CenterNet",
        score=by_logit,
        missed=SMALLER,
    ),
    "CenterFace": Known(make=centerface, lights=FINE, name="CenterFace", classes=FACE),
    "SCRFD": Known(make=lambda: scrfd(batch=True), lights=STEPS, name="SCRFD", classes=FACE),
    "SCRFD without a batch": Known(
        make=lambda: scrfd(batch=False),
        lights=STEPS,
        name="SCRFD",
        classes=FACE,
        free_batch=False,
    ),
    "YuNet": Known(make=yunet, lights=STEPS, name="YuNet", classes=FACE, score=yunet_score),
}
