"""The families: each network, what the frame shows, and what must be found."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx
from foreign_families import COARSE, FINE, IMAGENET_BGR, STEPS, Light, Pixels
from foreign_heads import (
    anchored,
    by_logit,
    centerface,
    centernet,
    fastestdet,
    fastestdet_score,
    heads,
    nanodet,
    scrfd,
    yunet,
    yunet_score,
)
from foreign_rows import (
    dets_and_labels,
    rows_in_order,
    rows_of_seven,
    rows_with_masks,
    without_batch,
)

from spotlet_export.adoption.recognition.faces import ANCHORED


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
    "torchvision's, of one picture": Known(
        make=lambda: without_batch(1, size=False, alone=True),
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
    "YOLO-NAS's rows of seven": Known(
        make=lambda: rows_in_order("batch", "box", "score", "id"),
        lights=FINE,
        name="YOLO-NAS",
        free_batch=False,
    ),
    "PaddleDetection": Known(
        make=lambda: rows_in_order("id", "score", "box"),
        lights=FINE,
        name="PaddleDetection",
        free_batch=False,
    ),
    "rows of six without a batch": Known(
        make=lambda: rows_in_order("box", "score", "id"),
        lights=FINE,
        name="without a batch",
        free_batch=False,
    ),
    "class ids before scores": Known(
        make=lambda: rows_in_order("box", "id", "score", batch=True),
        lights=FINE,
        name="class id and score",
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
    "UltraFace": Known(
        make=lambda: anchored(ANCHORED[0], decoded=True),
        lights=STEPS,
        name="UltraFace",
        classes=FACE,
    ),
    "UltraFace, not decoded": Known(
        make=lambda: anchored(ANCHORED[0], decoded=False),
        lights=STEPS,
        name="UltraFace",
        classes=FACE,
    ),
    "RetinaFace": Known(
        make=lambda: anchored(ANCHORED[1], decoded=False),
        lights=STEPS,
        name="RetinaFace",
        classes=FACE,
    ),
    "YuNet": Known(make=yunet, lights=STEPS, name="YuNet", classes=FACE, score=yunet_score),
}
