"""The figures of a localizer on scenes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spotlet_training.learning.hardware import computing_in, float32_products
from spotlet_training.learning.overlap import paired_iou
from spotlet_training.localization.scenes import FrozenScenes, FrozenSet, pick
from spotlet_training.network import Localizer

MEASURED_AT_ONCE = 50
"""Scenes in a batch for measuring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The figures of a network on scenes.

    Attributes:
        accuracy: share of scenes whose class is right.
        iou: mean overlap of the box with the true one, whatever the class.
        over_50: share of boxes with an IoU of at least 0.5.
        over_75: share of boxes with an IoU of at least 0.75.
        common_error: the error that the boxes of all scenes share: the mean error of each side
            over the scenes, its size averaged over the four sides, in units of the canvas.
    """

    accuracy: float
    iou: float
    over_50: float
    over_75: float
    common_error: float


def constant_box(data: FrozenSet) -> Measures:
    """Returns the measures of the mean training box and commonest class on the held-out scenes.

    It ignores the pictures: a network that localizes must do better.
    """
    count = len(data.val)
    box = data.train.boxes.mean(dim=0).expand(count, 4)
    class_ids = torch.full((count,), int(data.train.class_ids.mode().values))
    return measures_of(class_ids, box, data.val)


@torch.no_grad()
def measure(
    network: Localizer, scenes: FrozenScenes, precision: torch.dtype = torch.float32
) -> Measures:
    """Returns the measures of a network on scenes, its boxes clipped to the canvas."""
    network.eval()
    class_ids, boxes = [], []
    for start in range(0, len(scenes), MEASURED_AT_ONCE):
        chosen = torch.arange(start, min(start + MEASURED_AT_ONCE, len(scenes)))
        batch = pick(scenes, chosen, network.device)
        with computing_in(precision, network.device), float32_products(network.device):
            found, scores = network(batch.images)
        class_ids.append(scores[:, 0].argmax(dim=1).cpu())
        boxes.append(found[:, 0].float().cpu())
    return measures_of(torch.cat(class_ids), torch.cat(boxes), scenes)


def measures_of(class_ids: Tensor, boxes: Tensor, scenes: FrozenScenes) -> Measures:
    """Returns the measures of classes (N,) and boxes (N, 4), in units of the canvas."""
    truth = scenes.boxes.cpu()
    iou = paired_iou(boxes, truth)
    return Measures(
        accuracy=(class_ids == scenes.class_ids.cpu()).float().mean().item(),
        iou=iou.mean().item(),
        over_50=(iou >= 0.5).float().mean().item(),
        over_75=(iou >= 0.75).float().mean().item(),
        common_error=(boxes - truth).mean(dim=0).abs().mean().item(),
    )
