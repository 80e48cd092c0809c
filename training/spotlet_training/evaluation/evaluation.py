"""Measures detectors on a labelled set, through the device's pixel path."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from spotlet import Detector
from spotlet.detections import Detections
from spotlet.evaluation import Accuracy, Truth, average_precision
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import detections_from_outputs
from spotlet.session import SessionSettings
from spotlet.tiles import TileSettings
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


def evaluate_network(network: Network, dataset: Dataset, pool: ThreadPoolExecutor) -> Evaluation:
    """Measures a network on a set, in exact float32 whatever the training's precision.

    Args:
        network: in evaluation mode, on its device.
        dataset: labelled images.
        pool: threads that decode.
    """
    size_hw = network.settings.size_hw
    device = network.device

    def prepare(index: int) -> tuple[Sample, Letterbox, ImageArray]:
        sample = dataset.load(index)
        height, width = sample.image_bgr.shape[:2]
        letterbox = Letterbox((height, width), size_hw)
        return sample, letterbox, letterbox.apply(sample.image_bgr)

    truths: list[Truth] = []
    found: list[Detections] = []
    shown: list[Detections] = []
    names = dataset.class_names
    prepared = ahead(prepare, range(len(dataset)), pool, depth=2 * BATCH_SIZE)
    while group := list(islice(prepared, BATCH_SIZE)):
        images = torch.from_numpy(np.stack([canvas for _, _, canvas in group])).to(device)
        with torch.inference_mode(), float32_products(device):
            boxes, scores = (tensor.cpu().numpy() for tensor in network(images))
        for n, (sample, letterbox, _) in enumerate(group):
            truths.append(truth_of(sample))
            for rule, into in ((COCO_RULE, found), (SHOWN_RULE, shown)):
                into.append(detections_from_outputs(boxes[n], scores[n], letterbox, names, rule))
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


def network_detector(network: Network, class_names: tuple[str, ...], rule: DetectionRule) -> Detect:
    """Returns a function that runs a network on one frame at a time."""

    def detect(frame_bgr: ImageArray) -> Detections:
        height, width = frame_bgr.shape[:2]
        letterbox = Letterbox((height, width), network.settings.size_hw)
        images = torch.from_numpy(letterbox.apply(frame_bgr)[np.newaxis]).to(network.device)
        with torch.inference_mode():
            boxes, scores = (tensor[0].cpu().numpy() for tensor in network(images))
        return detections_from_outputs(boxes, scores, letterbox, class_names, rule)

    return detect


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
