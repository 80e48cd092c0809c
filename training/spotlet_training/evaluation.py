"""How well a network does on a labelled set, through the device's own pixels and boxes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch

from spotlet.detections import Detections
from spotlet.errors import DatasetError
from spotlet.evaluation import Accuracy, Truth, average_precision
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import detections_from_outputs
from spotlet_training.batches import ahead
from spotlet_training.datasets import Dataset, Sample
from spotlet_training.network import Network

COCO_RULE = DetectionRule(score_threshold=0.001, max_detections=300, every_class=True)
"""AP integrates over all scores and classes; of each it counts the best 100 in an image."""

BATCH_SIZE = 16


def evaluate_network(network: Network, dataset: Dataset, pool: ThreadPoolExecutor) -> Accuracy:
    """Returns the accuracy of a network on a set, in float32 and not in training's precision.

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
    prepared = ahead(prepare, range(len(dataset)), pool, depth=2 * BATCH_SIZE)
    while group := list(islice(prepared, BATCH_SIZE)):
        images = torch.from_numpy(np.stack([canvas for _, _, canvas in group])).to(device)
        with torch.inference_mode():
            boxes, scores = (tensor.cpu().numpy() for tensor in network(images))
        for n, (sample, letterbox, _) in enumerate(group):
            truths.append(truth_of(sample))
            found.append(
                detections_from_outputs(
                    boxes[n], scores[n], letterbox, dataset.class_names, COCO_RULE
                )
            )
    return average_precision(truths, found, dataset.class_names)


def evaluate_detector(detector: Callable[[ImageArray], Detections], dataset: Dataset) -> Accuracy:
    """Returns the accuracy of a detector, which takes one frame at a time, on a set."""
    truths, found = [], []
    for index in range(len(dataset)):
        sample = dataset.load(index)
        truths.append(truth_of(sample))
        found.append(detector(sample.image_bgr))
    return average_precision(truths, found, dataset.class_names)


def require_classes(dataset: Dataset, class_names: tuple[str, ...]) -> None:
    """Does nothing where a set has the model's classes, in the model's order.

    Raises:
        DatasetError: it has others.
    """
    if dataset.class_names != class_names:
        raise DatasetError(
            f"the set's classes are {', '.join(dataset.class_names)}; the model's are "
            f"{', '.join(class_names)}: must be the same, in the same order"
        )


def truth_of(sample: Sample) -> Truth:
    """Returns the labels of a sample as the evaluator takes them."""
    return Truth(boxes_xyxy=sample.boxes_xyxy, class_ids=sample.class_ids, ignored=sample.ignored)
