"""Measures detectors on a labelled set, through the device's pixel path."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from spotlet import Detector
from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.evaluation import Accuracy, Truth, average_precision
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import NO_TILES, DetectionRule
from spotlet.postprocess import detections_from_outputs
from spotlet.seams import border_pixels, merge_parts, moved
from spotlet.session import SessionSettings
from spotlet.tiles import Part, TileSettings
from spotlet_training.datasets import Dataset, Sample
from spotlet_training.datasets.ahead import ahead
from spotlet_training.evaluation.operating_point import (
    THRESHOLDS,
    OperatingPoint,
    ThresholdCurves,
    best_operating_point,
    threshold_curves,
)
from spotlet_training.learning.hardware import float32_products
from spotlet_training.network import Network

COCO_RULE = DetectionRule(score_threshold=0.001, max_detections=300, every_class=True)
"""AP integrates over all scores and classes, and counts the best 100 of a class per image."""

SHOWN_RULE = DetectionRule(score_threshold=float(THRESHOLDS[0]))
"""What a viewer sees at the lowest useful threshold."""

BATCH_SIZE = 16

Detect = Callable[[ImageArray], Detections]
"""A frame in, detections out."""

DetectTwice = Callable[[ImageArray], tuple[Detections, Detections]]
"""A frame in, detections by two rules out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What a detector found on a labelled set, and how accurate that is.

    Attributes:
        class_names: the index is the class id.
        truths: of each image.
        found: in each image, for AP: every class and every score (`COCO_RULE`).
        shown: in each image, as a viewer sees it: one class per place (`SHOWN_RULE`).
        accuracy: average precision of `found`.
        curves: how many of those `shown` are right, by score threshold.
    """

    class_names: tuple[str, ...]
    truths: tuple[Truth, ...]
    found: tuple[Detections, ...]
    shown: tuple[Detections, ...]
    accuracy: Accuracy
    curves: ThresholdCurves

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The score threshold with the best F1; None if no object was found."""
        return best_operating_point(self.curves)

    @property
    def unknown_images(self) -> dict[str, int]:
        """In how many images each class is unknown, by name; complete classes are left out."""
        counts = Counter(index for truth in self.truths for index in truth.unknown_ids)
        return {self.class_names[index]: counts[index] for index in sorted(counts)}

    def point_at(self, score_threshold: float) -> OperatingPoint:
        """Returns the figures at a score threshold, 0.05 or more."""
        thresholds = np.array([score_threshold])
        classes = len(self.class_names)
        return threshold_curves(self.truths, self.shown, classes, thresholds).point(0)

    def shown_from(self, score_threshold: float) -> list[Detections]:
        """Returns what a viewer sees in each image at a score threshold, 0.05 or more."""
        return [each.select(each.scores >= score_threshold) for each in self.shown]


def evaluate_network(
    network: Network,
    dataset: Dataset,
    pool: ThreadPoolExecutor,
    tiles: TileSettings = NO_TILES,
) -> Evaluation:
    """Measures a network on a set, in exact float32 whatever the training's precision.

    Args:
        network: in evaluation mode, on its device.
        dataset: labelled images.
        pool: threads that decode.
        tiles: how images are cut.
    """
    size_hw = network.settings.size_hw
    device = network.device

    def prepare(index: int) -> tuple[Sample, list[_Placed]]:
        sample = dataset.load(index)
        return sample, _placed(sample.image_bgr, tiles, size_hw)

    truths: list[Truth] = []
    found: list[Detections] = []
    shown: list[Detections] = []
    names = dataset.class_names
    prepared = ahead(prepare, range(len(dataset)), pool, depth=2 * BATCH_SIZE)
    while group := list(islice(prepared, BATCH_SIZE)):
        placed = [each for _, views in group for each in views]
        tensors: list[tuple[FloatArray, FloatArray]] = []
        for start in range(0, len(placed), BATCH_SIZE):
            some = np.stack([each.canvas for each in placed[start : start + BATCH_SIZE]])
            with torch.inference_mode(), float32_products(device):
                outputs = network(torch.from_numpy(some).to(device))
            tensors += zip(*(tensor.cpu().numpy() for tensor in outputs), strict=True)
        rest = iter(tensors)
        for sample, views in group:
            truths.append(truth_of(sample))
            own = list(islice(rest, len(views)))
            for rule, into in ((COCO_RULE, found), (SHOWN_RULE, shown)):
                into.append(_merged(own, views, names, rule))
    return _evaluation(truths, found, shown, names)


def evaluate_model(
    model: str | Path,
    dataset: Dataset,
    session: SessionSettings = SessionSettings(),  # noqa: B008
    tiles: TileSettings | None = None,
) -> Evaluation:
    """Measures an exported model on a set, through the shipped runtime.

    Args:
        model: as `spotlet.Detector` takes it.
        dataset: labelled images.
        session: threads and execution provider.
        tiles: how images are cut; None: as the model's manifest says.

    Raises:
        ModelFileError: the model cannot be used.
    """
    detector = Detector(model, session=session, tiles=tiles)
    find = replace(COCO_RULE, iou_threshold=detector.rule.iou_threshold)
    show = replace(detector.rule, score_threshold=SHOWN_RULE.score_threshold)

    def detect(frame_bgr: ImageArray) -> tuple[Detections, Detections]:
        outputs = detector.part_outputs(frame_bgr)
        return detector.found_in(outputs, find), detector.found_in(outputs, show)

    return evaluate_detector(detect, dataset)


def evaluate_detector(detect: DetectTwice, dataset: Dataset) -> Evaluation:
    """Returns how a detector, which takes one frame at a time, does on a set.

    Args:
        detect: by `COCO_RULE`, and by `SHOWN_RULE`.
        dataset: labelled images.
    """
    truths, pairs = [], []
    for index in range(len(dataset)):
        sample = dataset.load(index)
        truths.append(truth_of(sample))
        pairs.append(detect(sample.image_bgr))
    found, shown = ([pair[n] for pair in pairs] for n in (0, 1))
    return _evaluation(truths, found, shown, dataset.class_names)


def network_detector(
    network: Network,
    class_names: tuple[str, ...],
    rule: DetectionRule,
    tiles: TileSettings = NO_TILES,
) -> Detect:
    """Returns a function that runs a network on one frame at a time."""

    def detect(frame_bgr: ImageArray) -> Detections:
        views = _placed(frame_bgr, tiles, network.settings.size_hw)
        images = torch.from_numpy(np.stack([each.canvas for each in views])).to(network.device)
        with torch.inference_mode():
            tensors = zip(*(tensor.cpu().numpy() for tensor in network(images)), strict=True)
        return _merged(list(tensors), views, class_names, rule)

    return detect


class _Placed(NamedTuple):
    """A part of a picture on a canvas."""

    part: Part
    letterbox: Letterbox
    canvas: ImageArray


def _placed(
    image_bgr: ImageArray, tiles: TileSettings, canvas_hw: tuple[int, int]
) -> list[_Placed]:
    """Returns the parts of a picture on canvases; the first is the whole one."""
    placed = []
    for part in tiles.parts((image_bgr.shape[0], image_bgr.shape[1]), canvas_hw):
        left, top, right, bottom = part
        letterbox = Letterbox((bottom - top, right - left), canvas_hw)
        placed.append(_Placed(part, letterbox, letterbox.apply(image_bgr[top:bottom, left:right])))
    return placed


def _merged(
    tensors: Sequence[tuple[FloatArray, FloatArray]],
    views: Sequence[_Placed],
    class_names: tuple[str, ...],
    rule: DetectionRule,
) -> Detections:
    """Returns the detections of a picture from the tensors of its parts."""
    found = [
        moved(detections_from_outputs(*each, view.letterbox, class_names, rule), view.part)
        for each, view in zip(tensors, views, strict=True)
    ]
    if len(found) == 1:
        return found[0]
    borders = [border_pixels(view.letterbox) for view in views]
    return merge_parts(found, [view.part for view in views], borders, rule)


def truth_of(sample: Sample) -> Truth:
    """Returns the labels of a sample in the evaluator's form."""
    return Truth(
        boxes_xyxy=sample.boxes_xyxy,
        class_ids=sample.class_ids,
        ignored=sample.ignored,
        unknown_ids=sample.unknown_ids,
    )


def _evaluation(
    truths: list[Truth],
    found: list[Detections],
    shown: list[Detections],
    class_names: tuple[str, ...],
) -> Evaluation:
    return Evaluation(
        class_names=class_names,
        truths=tuple(truths),
        found=tuple(found),
        shown=tuple(shown),
        accuracy=average_precision(truths, found, class_names),
        curves=threshold_curves(truths, shown, len(class_names)),
    )
