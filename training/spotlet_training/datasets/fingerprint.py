"""A hash that shows whether a dataset has changed."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet_training.datasets.labels import ImageLabels, LabelledImages
from spotlet_training.datasets.sample import Dataset, Sample

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
    """Returns name, boxes, class ids, ignored flags and unknown classes of images."""
    if isinstance(dataset, LabelledImages):
        return [(one.path.name, *_arrays(one)) for one in dataset.labels]
    chosen = np.linspace(0, len(dataset) - 1, min(SAMPLED, len(dataset))).astype(int).tolist()
    samples = [dataset.load(index) for index in chosen]
    return [(one.name, *_arrays(one)) for one in samples]


def _arrays(one: ImageLabels | Sample) -> tuple[npt.NDArray[Any], ...]:
    return one.boxes_xyxy, one.class_ids, one.ignored, np.array(one.unknown_ids, np.int64)
