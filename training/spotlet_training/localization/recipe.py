"""How a localizer learns, and the two losses of its heads."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from spotlet.errors import UsageError
from spotlet_training.network import LocalizerSettings, RawLocalization
from spotlet_training.overlap import paired_giou
from spotlet_training.scenes import CLASS_NAMES

BOX_LOSSES = ("corners", "centre-size", "corners-giou")
SCHEDULES = ("constant", "one-cycle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network and its training.

    Attributes:
        network: its shape.
        box_loss: `corners` for Smooth-L1 on the four sides, `centre-size` for Smooth-L1 on
            centre, width and height, `corners-giou` for the first plus 1 - GIoU.
        box_weight: weight of the box loss beside the class loss.
        epochs: passes over the scenes.
        batch_size: scenes a step.
        learning_rate: of Adam; the peak where the schedule is not constant.
        schedule: `constant`, or `one-cycle` (Smith and Topin 2017, arXiv:1708.07120).
        mirrored: whether a scene is shown mirrored every other time, by chance.

    Raises:
        UsageError: a value breaks its rule.
    """

    network: LocalizerSettings = field(
        default_factory=lambda: LocalizerSettings(class_count=len(CLASS_NAMES))
    )
    box_loss: str = "corners"
    box_weight: float = 1.0
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: str = "constant"
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.box_loss not in BOX_LOSSES:
            raise UsageError(f"box loss {self.box_loss!r}: must be one of {', '.join(BOX_LOSSES)}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"schedule {self.schedule!r}: must be one of {', '.join(SCHEDULES)}")
        if self.box_weight < 0 or self.learning_rate <= 0:
            raise UsageError("box weight must be 0 or more, and the learning rate over 0")
        if self.epochs < 1 or self.batch_size < 1:
            raise UsageError("epochs and batch size must be at least 1")


def localization_loss(
    prediction: RawLocalization, boxes: Tensor, class_ids: Tensor, recipe: Recipe
) -> Tensor:
    """Returns cross-entropy plus the weighted box loss, means over the batch.

    Args:
        prediction: of N scenes.
        boxes: (N, 4) xyxy, the truth, in units of the canvas's sides.
        class_ids: (N,), the truth.
        recipe: says which box loss, and its weight.
    """
    scores = F.cross_entropy(prediction.logits, class_ids)
    return scores + recipe.box_weight * box_loss(prediction.boxes, boxes, recipe.box_loss)


def box_loss(found: Tensor, truth: Tensor, kind: str) -> Tensor:
    """Returns the mean loss of boxes (N, 4) xyxy against the truth, in one of `BOX_LOSSES`.

    GIoU alone has no gradient for a box whose right side lies left of its left one, as half of
    all boxes do at the start; the sum has one everywhere.

    Source: Smooth-L1 is Girshick 2015, Fast R-CNN, arXiv:1504.08083, equation 3; the sum of a
    distance and GIoU is Carion et al. 2020, arXiv:2005.12872, section 3.1.
    """
    if kind == "centre-size":
        return F.smooth_l1_loss(centre_and_size(found), centre_and_size(truth))
    distance = F.smooth_l1_loss(found, truth)
    if kind == "corners-giou":
        return distance + (1 - paired_giou(found, truth)).mean()
    return distance


def centre_and_size(boxes_xyxy: Tensor) -> Tensor:
    """Returns (N, 4): centre x, centre y, width, height of boxes (N, 4) xyxy."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return torch.cat([(low + high) / 2, high - low], dim=1)
