"""The experiment's scenes as arrays."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spotlet_training.scenes import CLASS_NAMES
from spotlet_training.scenes.fashion import Split

Variant = Literal["plain", "photo"]
VARIANTS: tuple[Variant, ...] = ("plain", "photo")

SPLITS: tuple[Split, ...] = ("train", "t10k")
"""Fashion-MNIST's, which the scenes keep."""


@dataclass(frozen=True, slots=True, eq=False)
class FrozenScenes:
    """Scenes of one split, in memory.

    Attributes:
        images: (N, H, W, 3) uint8 BGR.
        boxes: (N, 4) float32 xyxy, in units of the image's sides.
        class_ids: (N,) int64, indices into `CLASS_NAMES`.
    """

    images: Tensor
    boxes: Tensor
    class_ids: Tensor

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True, eq=False)
class FrozenSet:
    """The experiment's data.

    Attributes:
        train: scenes to train on, of training garments.
        val: scenes to measure on, of held-out garments.
        variant: the kind of background.
        quick: whether it is the smaller set of the quick experiment.
        digest: SHA-256 of all of it, hexadecimal.
        exact: whether that is the recorded one; else a few pixels were rounded differently.
    """

    train: FrozenScenes
    val: FrozenScenes
    variant: Variant
    quick: bool
    digest: str
    exact: bool

    class_names = CLASS_NAMES


def pick(
    scenes: FrozenScenes, chosen: torch.Tensor, device: torch.device, *, mirrored: bool = False
) -> FrozenScenes:
    """Returns the chosen scenes on a device, each mirrored with a chance of one half if asked."""
    images, boxes = scenes.images[chosen], scenes.boxes[chosen]
    if mirrored:
        turned = torch.rand(len(chosen)) < 0.5
        images[turned] = images[turned].flip(2)
        left, right = boxes[turned, 0], boxes[turned, 2]
        boxes[turned, 0], boxes[turned, 2] = 1 - right, 1 - left
    return FrozenScenes(images.to(device), boxes.to(device), scenes.class_ids[chosen].to(device))
