"""The three real sets, counted. They lie beside the repository and not in it."""

from pathlib import Path

import numpy as np
import pytest

from spotlet_training.datasets import open_splits

DATA = Path(__file__).parents[3].parent / "shared" / "data"

SETS = {
    "cells-voc": ("voc", ("Platelets", "RBC", "WBC"), (205, 87), (2805, 1138)),
    "cards-yolo": (
        "yolo",
        ("nine", "ten", "jack", "queen", "king", "ace"),
        (246, 50),
        (439, 88),
    ),
    "pcb-coco": (
        "coco",
        ("open", "short", "mousebite", "spur", "copper", "pin-hole"),
        (800, 200),
        (5519, 1354),
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_real_set_reads_as_its_authors_counted_it(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"the real set {name} is not on this machine")
    splits = open_splits(DATA / name)
    parts = (splits.train, splits.val)
    images = tuple(len(part) for part in parts)
    boxes = tuple(sum(len(one.class_ids) for one in part.labels) for part in parts)
    assert (splits.format, splits.class_names, images, boxes) == SETS[name]
    for index in range(0, len(splits.val), 10):
        sample = splits.val.load(index)
        height, width = sample.image_bgr.shape[:2]
        assert np.all(sample.boxes_xyxy >= 0)
        assert np.all(sample.boxes_xyxy <= [width, height, width, height])
        assert np.all(sample.boxes_xyxy[:, 2:] > sample.boxes_xyxy[:, :2])
