"""Overlap of boxes that come in pairs, with gradients."""

from torch import Tensor


def paired_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Returns the intersection over union of each pair.

    Args:
        boxes_a: (..., 4) xyxy.
        boxes_b: (..., 4) xyxy in the same unit; the leading sides broadcast.

    Returns:
        (...) in [0, 1].
    """
    intersection, union, _ = _intersection_union_hull(boxes_a, boxes_b)
    return intersection / union


def paired_giou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Returns the generalised intersection over union of each pair, in [-1, 1].

    Source: Rezatofighi et al. 2019, arXiv:1902.09630, algorithm 1.

    Args:
        boxes_a: (..., 4) xyxy.
        boxes_b: (..., 4) xyxy in the same unit; the leading sides broadcast.
    """
    intersection, union, hull = _intersection_union_hull(boxes_a, boxes_b)
    return intersection / union - (hull - union) / hull


def _intersection_union_hull(boxes_a: Tensor, boxes_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    tiny = 1e-7
    low_a, high_a = boxes_a[..., :2], boxes_a[..., 2:]
    low_b, high_b = boxes_b[..., :2], boxes_b[..., 2:]
    area_a = (high_a - low_a).clamp(min=0).prod(dim=-1)
    area_b = (high_b - low_b).clamp(min=0).prod(dim=-1)
    overlap = high_a.minimum(high_b) - low_a.maximum(low_b)
    intersection = overlap.clamp(min=0).prod(dim=-1)
    union = (area_a + area_b - intersection).clamp(min=tiny)
    hull = (high_a.maximum(high_b) - low_a.minimum(low_b)).prod(dim=-1).clamp(min=tiny)
    return intersection, union, hull
