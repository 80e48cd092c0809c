"""Recognises face detectors with published anchors: UltraFace and RetinaFace."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet_export.adoption.recognition.family import (
    ONES,
    Family,
    Three,
    is_ordered,
    is_unit,
)
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.signature import OutputSignature

SUM_SLACK = 1e-3
"""How far the shares of face and background may be from a sum of 1."""

MOST_OUTSIDE = 2.0
"""Sides of the canvas. Offsets of all anchors extend further than boxes do."""


class Anchored(NamedTuple):
    """A family of face detectors with anchors.

    Attributes:
        name: of the family.
        strides: of its grids, pixels.
        sizes: of the anchors of each grid, pixels.
        points: columns of key points in a third output; 0 without one.
        clipped: whether centres are spread evenly over the canvas, and anchors end at 1.
        colour: one of `signature.COLOURS`.
        mean: of the three colours.
        std: likewise.
        resize: one of `spotlet.letterbox.RESIZES`.
        iou_threshold: of its suppression.
    """

    name: str
    strides: tuple[int, ...]
    sizes: tuple[tuple[int, ...], ...]
    points: int
    clipped: bool
    colour: str
    mean: Three
    std: Three
    resize: str
    iou_threshold: float


ANCHORED = (
    Anchored(
        name="UltraFace",
        strides=(8, 16, 32, 64),
        sizes=((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)),
        points=0,
        clipped=True,
        colour="RGB",
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        resize="stretch",
        iou_threshold=0.3,
    ),
    Anchored(
        name="RetinaFace",
        strides=(8, 16, 32),
        sizes=((16, 32), (64, 128), (256, 512)),
        points=10,
        clipped=False,
        colour="BGR",
        mean=(104.0, 117.0, 123.0),
        std=ONES,
        resize="letterbox_corner",
        iou_threshold=0.4,
    ),
)
"""Source: Ultra-Light-Fast-Generic-Face-Detector-1MB (MIT), vision/ssd/config/fd_config.py and
vision/utils/box_utils.py; Pytorch_Retinaface (MIT), data/config.py and layers/functions."""


def face_families(given: Tensors, size_hw: tuple[int, int]) -> list[Family]:
    """Returns the families of face detectors with anchors that fit.

    Args:
        given: outputs by name, for one canvas.
        size_hw: of the canvas, pixels.
    """
    found = []
    for kind in ANCHORED:
        anchors = anchors_of(kind, size_hw)
        rows = {n: each[0] for n, each in given.items() if each.shape[:-1] == (1, len(anchors))}
        scores = [name for name in rows if _are_shares(rows[name])]
        boxes = [name for name in rows if rows[name].shape[1] == 4 and name not in scores]
        points = [name for name in rows if rows[name].shape[1] == kind.points]
        if len(scores) == len(boxes) == 1 and len(rows) == len(given) == 2 + len(points):
            classes = rows[scores[0]].shape[1] - 1
            output = _output(kind, boxes[0], scores[0], rows[boxes[0]], anchors)
            found.append(_family(kind, replace(output, classes=classes)))
    return found


def anchors_of(kind: Anchored, size_hw: tuple[int, int]) -> FloatArray:
    """Returns the anchors (K, 4) cxcywh of a canvas, in fractions of it."""
    high, wide = size_hw
    found = []
    for stride, sizes in zip(kind.strides, kind.sizes, strict=True):
        rows, columns = -(-high // stride), -(-wide // stride)
        down, across = (rows, columns) if kind.clipped else (high / stride, wide / stride)
        found += [
            ((column + 0.5) / across, (row + 0.5) / down, size / wide, size / high)
            for row in range(rows)
            for column in range(columns)
            for size in sizes
        ]
    anchors = np.array(found, np.float32)
    return np.clip(anchors, 0, 1) if kind.clipped else anchors


def _are_shares(scores: npt.NDArray[Any]) -> bool:
    """Returns whether each row has shares of 1: background, and one or more classes."""
    wide = scores.astype(np.float64)
    sums = wide.sum(axis=1)
    return wide.shape[1] > 1 and is_unit(wide) and bool(np.abs(sums - 1).max() < SUM_SLACK)


def _output(
    kind: Anchored, boxes: str, scores: str, values: npt.NDArray[Any], anchors: FloatArray
) -> OutputSignature:
    """Returns what the outputs mean: boxes if the file decodes them, else offsets from anchors."""
    decoded = is_ordered(values) and bool(np.abs(values).max() < MOST_OUTSIDE)
    return OutputSignature(
        layout="boxes+scores" if decoded else "ssd",
        boxes=boxes,
        scores=scores,
        classes=0,
        box_format="xyxy" if decoded else "cxcywh",
        box_unit="unit",
        background="first",
        anchors=None if decoded else anchors,
        iou_threshold=kind.iou_threshold,
    )


def _family(kind: Anchored, output: OutputSignature) -> Family:
    return Family(
        name=kind.name,
        output=output,
        classes=output.classes,
        colour=kind.colour,
        scale=1.0,
        mean=kind.mean,
        std=kind.std,
        resize=kind.resize,
    )
