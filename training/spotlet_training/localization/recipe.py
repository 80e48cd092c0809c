"""A localizer's training recipe, and the losses of its two heads."""

from dataclasses import dataclass, field
from math import inf

from torch import Tensor
from torch.nn import functional as F

from spotlet.errors import UsageError
from spotlet_training.learning.overlap import paired_giou
from spotlet_training.network import LocalizerSettings, RawLocalization
from spotlet_training.scenes import CLASS_NAMES

BOX_LOSSES = ("corners", "corners-giou")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network and its training.

    Attributes:
        network: its shape.
        box_loss: `corners` for Smooth-L1 on the four sides, `corners-giou` for that plus
            1 - GIoU.
        box_weight: weight of the box loss relative to the class loss.
        epochs: passes over the scenes.
        batch_size: scenes a step.
        learning_rate: of Adam; if the schedule is not constant, of the first step.
        schedule: `constant`, or `cosine` for half a cosine down to 0 (Loshchilov and Hutter
            2017, arXiv:1608.03983, equation 5, without restarts).
        mirrored: whether each scene is mirrored with a chance of one half.

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
        if not 0 <= self.box_weight < inf or not 0 < self.learning_rate < inf:
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
        recipe: with the box loss and its weight.
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
    distance = F.smooth_l1_loss(found, truth)
    if kind == "corners-giou":
        return distance + (1 - paired_giou(found, truth)).mean()
    return distance
