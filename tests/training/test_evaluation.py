from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import Shapes

from spotlet.detections import Detections
from spotlet.errors import DatasetError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.postprocess import detections_from_outputs
from spotlet_training.checkpoint import load_checkpoint
from spotlet_training.evaluation import (
    BATCH_SIZE,
    COCO_RULE,
    evaluate_detector,
    evaluate_network,
    require_classes,
)


@pytest.mark.parametrize("count", [1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 8])
def test_batches_measure_what_one_image_at_a_time_measures(
    count: int, shapes_checkpoint: Path
) -> None:
    pictures = Shapes(count, seed=5)
    network = load_checkpoint(shapes_checkpoint).network

    def detect(frame_bgr: ImageArray) -> Detections:
        height, width = frame_bgr.shape[:2]
        letterbox = Letterbox((height, width), network.settings.size_hw)
        with torch.no_grad():
            boxes, scores = network(torch.from_numpy(letterbox.apply(frame_bgr)[None]))
        return detections_from_outputs(
            boxes[0].numpy(), scores[0].numpy(), letterbox, pictures.class_names, COCO_RULE
        )

    with ThreadPoolExecutor(2) as pool:
        batched = evaluate_network(network, pictures, pool)
    single = evaluate_detector(detect, pictures)
    assert batched.ap == pytest.approx(single.ap, abs=1e-6)
    assert batched.per_class_ap50 == pytest.approx(single.per_class_ap50, abs=1e-6)


def test_other_classes_or_another_order_are_refused() -> None:
    require_classes(Shapes(1), ("square", "disc"))
    for names in (("disc", "square"), ("square",)):
        with pytest.raises(DatasetError, match="in the same order"):
            require_classes(Shapes(1), names)


def test_a_detector_that_knows_the_truth_scores_1() -> None:
    pictures = Shapes(5)
    samples = iter([pictures.load(index) for index in range(5)])

    def oracle(_frame: ImageArray) -> Detections:
        sample = next(samples)
        scores = np.ones(len(sample.class_ids), np.float32)
        return Detections(sample.boxes_xyxy, scores, sample.class_ids, pictures.class_names)

    assert evaluate_detector(oracle, pictures).ap == pytest.approx(1.0)
