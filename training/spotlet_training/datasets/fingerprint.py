"""A hash that shows whether a dataset has changed."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from spotlet_training.datasets.labels import LabelledImages
from spotlet_training.datasets.sample import Dataset

SAMPLED = 16
"""Images that are hashed if labels cannot be read without images."""


def fingerprint(*datasets: Dataset) -> str:
    """Returns a hash of class names, image names, their order and labels; not of pixels.

    If labels cannot be read without images, `SAMPLED` of them and their number are hashed.
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
    """Returns name, boxes, class ids and ignored flags of images."""
    if isinstance(dataset, LabelledImages):
        return [
            (one.path.name, one.boxes_xyxy, one.class_ids, one.ignored) for one in dataset.labels
        ]
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLED, len(dataset))).astype(int).tolist()
    samples = [dataset.load(index) for index in chosen]
    return [(one.name, one.boxes_xyxy, one.class_ids, one.ignored) for one in samples]
