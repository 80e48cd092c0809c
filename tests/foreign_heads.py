"""Families of `foreign_families` whose boxes are relative to cells."""

import numpy as np
import onnx
from foreign_families import (
    CENTERNET,
    HALF,
    IMAGENET_BGR,
    LITTLE,
    OBJECTNESS,
    PLAIN,
    Family,
    Pixels,
    boxes_of,
    cells,
    centres,
    distances,
    distributions,
)
from foreign_networks import HEIGHT, WIDTH

from spotlet_export.adoption.recognition.faces import Anchored, anchors_of

GAIN = 8.0


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
    share = (level + LITTLE) / (level + 3 * LITTLE)
    return float(level**0.6 * share**0.4)


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


def centernet(*, named: bool, one: bool = False, large: bool = False) -> onnx.ModelProto:
    """With sizes and offsets in any order, if they are named; with one class, of any colour."""
    net = Family(CENTERNET)
    level = net.one(net.colours(8)) if one else net.colours(8)
    numbers = centres(8)[1] if large else centres(8)[0], centres(8)[1]
    offset, size = (net.planes(net.alike(level, each), 8) for each in numbers)
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


def anchored(kind: Anchored, *, decoded: bool) -> onnx.ModelProto:
    """With several anchors for each cell; the last of them says the box."""
    net = Family(Pixels(colour=kind.colour, scale=1.0, mean=kind.mean, std=kind.std))
    sizes = np.array([WIDTH, HEIGHT])
    scores, boxes, start = [], [], 0
    anchors = anchors_of(kind, (HEIGHT, WIDTH)).astype(np.float64)
    for place, (stride, each) in enumerate(zip(kind.strides, kind.sizes, strict=True)):
        score = net.one(net.colours(stride, place))
        count = len(each)
        nothing = [net.write("Mul", score, 0.0)] * (count - 1)
        flat = net.write("Reshape", net.joined(*nothing, score), np.array([0, -1, 1]))
        scores.append(flat)
        wanted = np.repeat(boxes_of(stride), count, axis=0) / np.tile(sizes, 2)
        own = anchors[start : start + len(wanted)]
        start += len(wanted)
        centre, size = (wanted[:, :2] + wanted[:, 2:]) / 2, wanted[:, 2:] - wanted[:, :2]
        moved = (centre - own[:, :2]) / own[:, 2:] / 0.1
        offsets = np.hstack([moved, np.log(size / own[:, 2:]) / 0.2])
        boxes.append(net.alike(flat, wanted if decoded else offsets))
    face = net.joined(*scores, axis=1)
    net.returns("confidences", net.joined(net.write("Sub", np.array([[[1.0]]]), face), face))
    net.returns("boxes", net.joined(*boxes, axis=1))
    if kind.points:
        net.returns("points", net.alike(face, np.full((len(anchors), kind.points), 0.5)))
    return net.model()


def raw_heads(channels: int) -> onnx.ModelProto:
    """Of a family that is not supported."""
    net = Family(Pixels())
    for stride in (8, 16, 32):
        level = net.colours(stride)
        numbers = np.tile(boxes_of(stride), (1, channels // 4 + 1))[:, :channels]
        net.returns(f"p{stride}", net.planes(net.alike(level, numbers), stride))
    return net.model()
