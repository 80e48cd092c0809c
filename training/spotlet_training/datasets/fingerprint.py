"""Whether a dataset is the one that it was."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from spotlet_training.datasets import Dataset, LabelledImages

SAMPLED = 16
"""Images that a fingerprint looks at where the labels cannot be had without the images."""


def fingerprint(*datasets: Dataset) -> str:
    """Returns a hash of class names, image names, their order and labels; not of pixels.

    Where labels cannot be had without images, it looks at `SAMPLED` of them and at their number.
    """
    digest = hashlib.sha256()
    for dataset in datasets:
        digest.update(json.dumps([dataset.class_names, len(dataset)]).encode())
        for name, *arrays in _labels(dataset):
            digest.update(json.dumps([name, len(arrays[0])]).encode())
            for array in arrays:
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _labels(dataset: Dataset) -> Sequence[tuple[Any, ...]]:
    """Returns name, boxes, class ids and marks of images."""
    if isinstance(dataset, LabelledImages):
        return [
            (one.path.name, one.boxes_xyxy, one.class_ids, one.ignored) for one in dataset.labels
        ]
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLED, len(dataset))).astype(int).tolist()
    samples = [dataset.load(index) for index in chosen]
    return [(one.name, one.boxes_xyxy, one.class_ids, one.ignored) for one in samples]
