"""How well two results for one frame agree, for the export gate and the device alike."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_iou
from spotlet.detections import Detections

NOISE_PIXELS = 0.01
"""Boxes whose sides differ by no more are the same, whatever their IoU."""

PARTNER_IOU = 0.5
"""The least overlap at which two detections count as one object."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How well the detections of one frame agree.

    Attributes:
        unmatched: number of detections without a partner, both sides together.
        ious: (P,) float32, of the pairs; 1 if the boxes differ by noise alone.
        moved: (P,) float32, greatest |Δ| of a side of each pair, pixels of the frame.
        score_differences: (P,) float32, absolute, of the pairs.
    """

    unmatched: int
    ious: FloatArray
    moved: FloatArray
    score_differences: FloatArray

    @property
    def least_iou(self) -> float:
        """IoU of the worst pair; 1 without pairs."""
        return float(self.ious.min(initial=1.0))

    @property
    def score_difference(self) -> float:
        """Greatest score difference of a pair; 0 without pairs."""
        return float(self.score_differences.max(initial=0.0))

    def within(self, iou: float, scores: float) -> bool:
        """Returns whether every detection has a partner within these limits."""
        near = self.least_iou >= iou and self.score_difference <= scores
        return self.unmatched == 0 and near


def agree(wanted: Detections, found: Detections, *, least_score: float = 0.0) -> Agreement:
    """Returns how well two results for one frame agree.

    Args:
        wanted: the expected detections.
        found: the detections to compare.
        least_score: a detection below it needs no partner: close to the score threshold, the
            other side may have dropped it.
    """
    pairs = match(wanted, found)
    here, there = wanted.select(pairs[:, 0]), found.select(pairs[:, 1])
    moved = np.abs(here.boxes_xyxy - there.boxes_xyxy).max(axis=1, initial=0)
    overlaps = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)[pairs[:, 0], pairs[:, 1]]
    alone = np.concatenate(
        [np.delete(wanted.scores, pairs[:, 0]), np.delete(found.scores, pairs[:, 1])]
    )
    return Agreement(
        unmatched=int((alone >= least_score).sum()),
        # On a sliver at the border, float noise far below a pixel changes the IoU a lot.
        ious=np.where(moved <= NOISE_PIXELS, np.float32(1), overlaps),
        moved=moved,
        score_differences=np.abs(here.scores - there.scores),
    )


def match(wanted: Detections, found: Detections) -> npt.NDArray[np.int64]:
    """Returns pairs of indices (P, 2), wanted and found, best overlap first, one to one.

    Partners have the same class and overlap by at least `PARTNER_IOU`; the caller judges how well
    they agree.
    """
    iou = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)
    fits = (wanted.class_ids[:, None] == found.class_ids[None]) & (iou >= PARTNER_IOU)
    quality = np.where(fits, iou, -1.0)
    pairs: list[tuple[int, ...]] = []
    while quality.size and quality.max() > 0:
        pairs.append(tuple(map(int, np.unravel_index(quality.argmax(), quality.shape))))
        quality[pairs[-1][0], :] = quality[:, pairs[-1][1]] = -1.0
    return np.array(pairs, np.int64).reshape(-1, 2)


def agreeing(
    wanted: Detections, candidates: Detections, *, least_iou: float, score_difference: float
) -> npt.NDArray[np.bool_]:
    """Returns for each detection whether a candidate agrees with it.

    Suppression keeps one of an object's candidates, and either one of a tie: the other side's
    choice is still a candidate here.

    Args:
        wanted: N detections.
        candidates: before suppression.
        least_iou: least overlap with one that agrees.
        score_difference: greatest |Δ| of its score.

    Returns:
        (N,) bool.
    """
    agrees = wanted.class_ids[:, None] == candidates.class_ids[None]
    agrees &= box_iou(wanted.boxes_xyxy, candidates.boxes_xyxy) >= least_iou
    agrees &= np.abs(wanted.scores[:, None] - candidates.scores[None]) <= score_difference
    found: npt.NDArray[np.bool_] = agrees.any(axis=1)
    return found


def count_duplicates(found: Detections, least_iou: float) -> int:
    """Returns how many pairs of the same class overlap by more than `least_iou`."""
    iou = box_iou(found.boxes_xyxy, found.boxes_xyxy)
    same = found.class_ids[:, None] == found.class_ids[None]
    return int(np.triu(same & (iou > least_iou), k=1).sum())
