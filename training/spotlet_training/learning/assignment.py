"""Which cells learn which object, decided at every step from the network's predictions.

A simplified optimal-transport assignment: an object takes as many cells as the summed IoU of its
best predictions, the cheapest first.

Source: Ge et al. 2021, OTA, arXiv:2103.14259, section 3.2, and YOLOX, arXiv:2107.08430, "SimOTA"
(dynamic k, centre prior); Lyu et al. 2022, RTMDet, arXiv:2212.07784, section 3.3 (soft labels
in the class cost, logarithm of the IoU, soft centre cost).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from spotlet_training.learning.overlap import paired_iou
from spotlet_training.network.settings import STRIDES

WINDOW_RADIUS = 2
"""An object may take the cells of a 5 x 5 window around its centre, on each level."""

IOU_WEIGHT = 3.0
"""Weight of the IoU cost relative to the class cost (RTMDet, section 3.3)."""

IOU_COUNTED = 10
"""The best overlaps whose sum is the number of cells that an object takes (YOLOX, SimOTA)."""

STRIDES_IN_OBJECT = 5.0
"""Before predicted boxes mean anything, an object belongs to the level on which it is this many
cells long. FCOS' level limits (64 px at stride 8, …) are 4 to 8."""

PHASE_IN = 0.1
"""Share of the training over which predictions take over from position and size."""

MIN_SHARE = 1e-9


class UnknownRegions(NamedTuple):
    """Where a batch's images may show more objects of a class than are labelled.

    The regions of one image don't overlap: each is a picture placed on its canvas.

    Attributes:
        image_ids: (R,) int64, which image of the batch.
        boxes_xyxy: (R, 4) float32, canvas pixels.
        classes: (R, C) bool, the classes that are unknown in it.
    """

    image_ids: Tensor
    boxes_xyxy: Tensor
    classes: Tensor


@dataclass(frozen=True, slots=True)
class Objects:
    """The labelled objects of a batch, all images in one list.

    Attributes:
        image_ids: (G,) int64, which image of the batch.
        boxes_xyxy: (G, 4) float32, canvas pixels.
        class_ids: (G,) int64.
        ignored: (G,) bool: neither learnt nor counted as background.
        unknown: where classes are not background either; None if the labels are complete.
    """

    image_ids: Tensor
    boxes_xyxy: Tensor
    class_ids: Tensor
    ignored: Tensor
    unknown: UnknownRegions | None = None


class Assignment(NamedTuple):
    """P pairs of a cell and the object it learns.

    Attributes:
        image_ids: (P,) int64.
        cells: (P,) int64, index into the K cells.
        objects: (P,) int64, index into the G objects.
        iou: (P,) of the cell's prediction with the object, without gradient.
    """

    image_ids: Tensor
    cells: Tensor
    objects: Tensor
    iou: Tensor


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, objects: Objects, size_hw: tuple[int, int], progress: float
) -> Assignment:
    """Returns the pairs that the losses train.

    Args:
        logits: (N, K, C).
        boxes: (N, K, 4) xyxy, canvas pixels.
        objects: G of them; ignored ones take no cell.
        size_hw: of the canvas, pixels.
        progress: share of the training that is done, in [0, 1].
    """
    cells, distance, allowed = candidate_cells(objects.boxes_xyxy, size_hw)
    allowed &= ~objects.ignored[:, None]
    image_ids = objects.image_ids[:, None].expand_as(cells)
    iou = paired_iou(boxes[image_ids, cells], objects.boxes_xyxy[:, None])
    own_logit = logits[image_ids, cells, objects.class_ids[:, None]]
    cost = _cost(own_logit, iou, distance, objects.boxes_xyxy, progress).masked_fill(
        ~allowed, torch.inf
    )
    trust = min(progress / PHASE_IN, 1.0)
    least = 1.0 + 3.0 * (1.0 - trust)
    best_overlaps = iou.masked_fill(~allowed, 0.0).topk(IOU_COUNTED, dim=1).values
    wanted = best_overlaps.sum(dim=1).clamp(min=least).round()
    order = cost.argsort(dim=1)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    taken = (rank < wanted[:, None]) & allowed
    # A cell that several objects want goes to the one with the lowest cost, or else the first.
    flat = image_ids * boxes.shape[1] + cells
    object_ids = torch.arange(len(cells), device=cells.device)[:, None].expand_as(cells)
    for rival in (cost, object_ids.to(cost.dtype)):
        least_of = torch.full((logits.shape[0] * boxes.shape[1],), torch.inf, device=cost.device)
        asking = rival.masked_fill(~taken, torch.inf)
        least_of.scatter_reduce_(0, flat.flatten(), asking.flatten(), "amin")
        taken &= rival <= least_of[flat]
    # The number of pairs is the only thing in a step that waits for a GPU.
    pairs = taken.nonzero(as_tuple=True)
    return Assignment(image_ids[pairs], cells[pairs], object_ids[pairs], iou[pairs])


def candidate_cells(boxes_xyxy: Tensor, size_hw: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the cells near each object's centre, from its box alone.

    Args:
        boxes_xyxy: (G, 4), canvas pixels.
        size_hw: of the canvas, pixels.

    Returns:
        cells (G, P) int64, indices into the K cells of `cell_grid`; distance (G, P) from the
        cell's centre to the object's in strides; allowed (G, P) bool: the cell lies on the
        canvas, and its centre in the box. On each level the cell under the object's centre is
        always allowed, so that objects smaller than a cell are learnt too.
    """
    steps = torch.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1, device=boxes_xyxy.device)
    dy, dx = (item.flatten() for item in torch.meshgrid(steps, steps, indexing="ij"))
    centre = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    parts, first_cell = [], 0
    for stride in STRIDES:
        rows, columns = size_hw[0] // stride, size_hw[1] // stride
        own_column = (centre[:, 0] / stride).floor().clamp(0, columns - 1).long()
        own_row = (centre[:, 1] / stride).floor().clamp(0, rows - 1).long()
        column, row = own_column[:, None] + dx, own_row[:, None] + dy
        on_canvas = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        left, top, right, bottom = (side[:, None] for side in boxes_xyxy.unbind(1))
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        own = ((dx == 0) & (dy == 0))[None]
        distance = torch.hypot(x - centre[:, :1], y - centre[:, 1:]) / stride
        cells = first_cell + row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
        parts.append((cells, distance, on_canvas & (inside | own)))
        first_cell += rows * columns
    levels = list(zip(*parts, strict=True))
    return torch.cat(levels[0], 1), torch.cat(levels[1], 1), torch.cat(levels[2], 1)


def _cost(
    own_logit: Tensor, iou: Tensor, distance: Tensor, boxes_xyxy: Tensor, progress: float
) -> Tensor:
    """Returns (G, P): the cost of each cell learning each object."""
    trust = min(progress / PHASE_IN, 1.0)
    class_cost = F.binary_cross_entropy_with_logits(own_logit, iou, reduction="none")
    class_cost = class_cost * (iou - own_logit.sigmoid()) ** 2
    iou_cost = -torch.log(iou.clamp(min=MIN_SHARE))
    centre_cost = 10 ** (distance - 3)
    sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).clamp(min=1.0)
    length = sides.prod(dim=1).sqrt()
    window = (2 * WINDOW_RADIUS + 1) ** 2
    stride = torch.cat([length.new_full((window,), stride) for stride in STRIDES])
    level_cost = torch.log2(length[:, None] / (STRIDES_IN_OBJECT * stride)).abs() + distance
    return trust * (class_cost + IOU_WEIGHT * iou_cost + centre_cost) + (1 - trust) * level_cost
