"""Single-object scenes without files: a bright rectangle on black, tall or wide."""

import numpy as np
import torch

from spotlet_training.localization.record import digest_of
from spotlet_training.localization.scenes import FrozenScenes, FrozenSet


def rectangles(count: int, seed: int) -> FrozenScenes:
    """Scenes of 64 x 64; the class says whether the rectangle is tall (0) or wide (1)."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 64, 64, 3), np.uint8)
    boxes = np.zeros((count, 4), np.float32)
    class_ids = np.arange(count) % 2
    for index, tall in enumerate(class_ids == 0):
        width, height = (14, 30) if tall else (30, 14)
        left, top = rng.integers(0, 64 - width), rng.integers(0, 64 - height)
        images[index, top : top + height, left : left + width] = 200
        boxes[index] = left, top, left + width, top + height
    return FrozenScenes(
        torch.from_numpy(images), torch.from_numpy(boxes / 64), torch.from_numpy(class_ids)
    )


def rectangle_set() -> FrozenSet:
    """96 scenes to learn from, 24 held out."""
    train, val = rectangles(96, 0), rectangles(24, 1)
    return FrozenSet(train, val, "plain", True, digest_of(train, val), True)
