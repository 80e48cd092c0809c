"""What the two heads learn: quality focal loss for scores, GIoU loss for boxes."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from spotlet_training.learning.assignment import Assignment, Objects, UnknownRegions, assign
from spotlet_training.learning.overlap import paired_giou
from spotlet_training.network import RawPrediction
from spotlet_training.network.detector import cell_grid

FOCUS = 2.0
"""Exponent that gives badly scored cells more weight (Li et al. 2020, equation 3)."""

BOX_WEIGHT = 2.0
"""Weight of the box loss relative to the class loss (RTMDet, table of losses)."""


class Losses(NamedTuple):
    """The parts of one step's loss.

    Attributes:
        total: what is minimised, with gradient.
        scores: the class head's part.
        boxes: the box head's part, weighted.
    """

    total: Tensor
    scores: Tensor
    boxes: Tensor


def detection_losses(
    prediction: RawPrediction,
    objects: Objects,
    size_hw: tuple[int, int],
    progress: float,
    total: Callable[[Tensor], Tensor] = lambda own: own,
) -> Losses:
    """Returns the losses of a batch, or of one process's share of it.

    A cell's target score is the IoU of its box, so that a score says how well an object is
    localized, not only that it is present.

    Args:
        prediction: of N images.
        objects: what is in them.
        size_hw: of the canvas, pixels.
        progress: share of the training that is done, in [0, 1].
        total: sums a figure over the shares of a batch; the shares' losses then add up to the
            batch's.
    """
    pairs = assign(prediction.logits, prediction.boxes, objects, size_hw, progress)
    target = torch.zeros_like(prediction.logits)
    target[pairs.image_ids, pairs.cells, objects.class_ids[pairs.objects]] = pairs.iou
    weight = total(pairs.iou.sum()).clamp(min=1.0)
    counted = counted_cells(target, objects, pairs, size_hw)
    scores = (quality_focal_loss(prediction.logits, target) * counted).sum() / weight
    own = prediction.boxes[pairs.image_ids, pairs.cells]
    giou = paired_giou(own, objects.boxes_xyxy[pairs.objects])
    boxes = BOX_WEIGHT * ((1 - giou) * pairs.iou.clamp(min=0.1)).sum() / weight
    return Losses(scores + boxes, scores.detach(), boxes.detach())


def quality_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Returns cross-entropy with a soft target, scaled by how far the score is from it.

    Source: Li et al. 2020, Generalized Focal Loss, arXiv:2006.04388, equation 3.

    Args:
        logits: any shape.
        target: the same shape, in [0, 1].
    """
    distance = (target - logits.sigmoid()).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return entropy * distance**FOCUS


def counted_cells(
    like: Tensor, objects: Objects, pairs: Assignment, size_hw: tuple[int, int]
) -> Tensor:
    """Returns (N, K, C), or (N, K, 1) for all classes alike: 0 where a cell's score is left out.

    That is where the cell's centre lies in an ignored box, unless the cell is assigned, and for
    the classes that are unknown where it lies. Of these, an assigned cell counts for the class of
    its object alone: what looks like that object may be one of an unknown class as well.

    A box narrower than a cell hides the cell under its own centre, as one that is learnt takes it.

    Args:
        like: (N, K, C), for the shape and the device.
        objects: of the batch.
        pairs: the assignment.
        size_hw: of the canvas, pixels.
    """
    # Computed on the device and for all objects, so that nothing waits for a GPU.
    with like.device:
        centres, strides = cell_grid(size_hw)
    first, last = objects.boxes_xyxy[:, None, :2], objects.boxes_xyxy[:, None, 2:]
    reach = torch.maximum(last - first, strides[:, None]) / 2
    inside = ((centres - (first + last) / 2).abs() <= reach).all(dim=-1)
    covers = torch.zeros(like.shape[:2], device=like.device)
    hidden = inside & objects.ignored[:, None]
    covers.index_add_(0, objects.image_ids, hidden.to(covers.dtype))
    counted = (covers == 0)[..., None]
    counted[pairs.image_ids, pairs.cells] = True
    if objects.unknown is not None:
        counted = counted & ~unknown_classes(centres, objects.unknown, len(like))
        counted[pairs.image_ids, pairs.cells, objects.class_ids[pairs.objects]] = True
    return counted.to(like.dtype)


def unknown_classes(centres: Tensor, regions: UnknownRegions, images: int) -> Tensor:
    """Returns (N, K, C) bool: the classes that are unknown at each cell's centre.

    Args:
        centres: (K, 2) of the cells, canvas pixels.
        regions: that don't overlap within an image.
        images: N.
    """
    first, last = regions.boxes_xyxy[:, None, :2], regions.boxes_xyxy[:, None, 2:]
    inside = ((first <= centres) & (centres < last)).all(dim=-1)
    # A cell is in one region at most, so the sum is that region's number, or 0 for none.
    numbers = torch.arange(1, len(inside) + 1, device=centres.device)
    region_of = numbers.new_zeros(images, len(centres))
    region_of.index_add_(0, regions.image_ids, inside * numbers[:, None])
    return F.pad(regions.classes, (0, 0, 1, 0))[region_of]
