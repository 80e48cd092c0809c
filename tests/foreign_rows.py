"""Families of `foreign_families` with suppressed rows."""

import numpy as np
import onnx
from foreign_families import IMAGENET, LITTLE, Family, Pixels, rows
from foreign_networks import HEIGHT, WIDTH
from onnx import TensorProto

INT64 = TensorProto.INT64


def dets_and_labels(first: int = 0, kind: int = INT64) -> onnx.ModelProto:
    """MMDeploy's, or one with ids from another number or of another type."""
    net, parts = rows(IMAGENET)
    net.returns("dets", net.joined(parts["boxes"], parts["scores"]))
    ids = net.write("Add", net.write("Reshape", parts["ids"], np.array([0, -1])), np.array(first))
    net.returns("labels", net.write("Cast", ids, to=kind), kind)
    return net.model()


def without_batch(first: int, *, size: bool, alone: bool = False) -> onnx.ModelProto:
    """Torchvision's, or Detectron2's with the picture's size."""
    net, parts = rows(Pixels(), found=0.3, alone=alone)
    net.returns("3001", net.write("Reshape", parts["boxes"], np.array([-1, 4])))
    flat = {name: net.write("Reshape", parts[name], np.array([-1])) for name in ("ids", "scores")}
    net.returns("3002", net.write("Add", flat["ids"], np.array(first)), INT64)
    net.returns("3003", flat["scores"])
    if size:
        net.returns("3004", net.write.constant(np.array([HEIGHT, WIDTH])), INT64)
    return net.model(batch=1)


def rows_of_seven(*, last: bool) -> onnx.ModelProto:
    """YOLOv7's, or DetectionOutput's, with rows of no picture at the end."""
    net, parts = rows(Pixels(), found=0.3)
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


def noisy_rows() -> tuple[Family, str, str, str]:
    """Returns a network with its boxes, scores and ids, whose rows without an object score little.

    For values to tell what a column is, on any picture.
    """
    net, parts = rows(Pixels())
    noise = np.random.default_rng(1).uniform(0.001, LITTLE, (96, 1))
    score = net.write("Max", parts["scores"], net.alike(parts["scores"], noise))
    return net, parts["boxes"], score, net.write("Cast", parts["ids"], to=TensorProto.FLOAT)


def rows_in_order(*order: str, batch: bool = False) -> onnx.ModelProto:
    net, box, score, ids = noisy_rows()
    parts = {"box": box, "score": score, "id": ids, "batch": net.write("Mul", score, 0.0)}
    whole = net.joined(*(parts[name] for name in order))
    if not batch:
        whole = net.write("Reshape", whole, np.array([-1, len(order) + 3]))
    net.returns("output", whole)
    return net.model(batch="N" if batch else 1)


def rows_with_masks() -> onnx.ModelProto:
    net, box, score, ids = noisy_rows()
    more = net.alike(score, np.random.default_rng(2).normal(0, 1, (96, 32)))
    net.returns("output0", net.joined(box, score, ids, more))
    net.returns("output1", net.planes(more, 8))
    return net.model()
