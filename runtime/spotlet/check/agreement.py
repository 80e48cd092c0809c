"""How well two results for one frame agree: the export gate's question, and the device's."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_iou
from spotlet.detections import Detections

NOISE_PIXELS = 0.01
"""Boxes whose sides lie this near are the same, whatever their IoU."""

PARTNER_IOU = 0.5
"""Overlap from which two detections are taken for the same object."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How well the detections of one frame agree.

    Attributes:
        unmatched: how many on either side have no partner.
        ious: (P,) float32, of the pairs; 1 where the boxes differ by noise alone.
        score_differences: (P,) float32, absolute, of the pairs.
    """

    unmatched: int
    ious: FloatArray
    score_differences: FloatArray

    @property
    def least_iou(self) -> float:
        """The worst pair's; 1 where there is none."""
        return float(self.ious.min(initial=1.0))

    @property
    def score_difference(self) -> float:
        """The worst pair's; 0 where there is none."""
        return float(self.score_differences.max(initial=0.0))


class Pair(NamedTuple):
    """Indices of two detections that are the same object."""

    wanted: int
    found: int


def agree(wanted: Detections, found: Detections, *, least_score: float = 0.0) -> Agreement:
    """Returns how well two results for one frame agree.

    Args:
        wanted: what should be found.
        found: what was found.
        least_score: a detection below it may be without a partner: it stood so near the score
            threshold that the other side need not have reached it.
    """
    pairs = match(wanted, found)
    overlaps = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)
    ious = []
    for a, b in pairs:
        # Of a sliver at the border, float noise is a share that counts, of no pixel that does.
        apart = np.abs(wanted.boxes_xyxy[a] - found.boxes_xyxy[b]).max()
        ious.append(1.0 if apart <= NOISE_PIXELS else float(overlaps[a, b]))
    alone = np.concatenate(
        [
            np.delete(wanted.scores, [pair.wanted for pair in pairs]),
            np.delete(found.scores, [pair.found for pair in pairs]),
        ]
    )
    return Agreement(
        unmatched=int((alone >= least_score).sum()),
        ious=np.array(ious, np.float32),
        score_differences=np.array(
            [abs(float(wanted.scores[a] - found.scores[b])) for a, b in pairs], np.float32
        ),
    )


def match(wanted: Detections, found: Detections) -> list[Pair]:
    """Returns pairs of indices, best overlap first, one to one.

    Partners are of the same class and overlap by `PARTNER_IOU` at least; how well they agree
    is for the caller to judge.
    """
    iou = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)
    fits = (wanted.class_ids[:, None] == found.class_ids[None]) & (iou >= PARTNER_IOU)
    quality = np.where(fits, iou, -1.0)
    pairs = []
    while quality.size and quality.max() > 0:
        a, b = (int(index) for index in np.unravel_index(quality.argmax(), quality.shape))
        pairs.append(Pair(a, b))
        quality[a, :] = -1.0
        quality[:, b] = -1.0
    return pairs


def seen_among(
    wanted: Detections, candidates: Detections, *, least_iou: float, score_difference: float
) -> npt.NDArray[np.bool_]:
    """Returns which detections have a candidate that agrees with them.

    Suppression keeps one of many candidates for an object. Where two are as good, it may keep
    either: the other side's choice is still among the candidates.

    Args:
        wanted: N detections.
        candidates: what was there before suppression.
        least_iou: least overlap of one that agrees.
        score_difference: greatest |Δ| of its score.

    Returns:
        (N,) bool.
    """
    agrees = wanted.class_ids[:, None] == candidates.class_ids[None]
    agrees &= box_iou(wanted.boxes_xyxy, candidates.boxes_xyxy) >= least_iou
    agrees &= np.abs(wanted.scores[:, None] - candidates.scores[None]) <= score_difference
    seen: npt.NDArray[np.bool_] = agrees.any(axis=1)
    return seen


def doubles(found: Detections, least_iou: float) -> int:
    """Returns how many pairs of one class overlap by more than `least_iou`."""
    iou = box_iou(found.boxes_xyxy, found.boxes_xyxy)
    same = found.class_ids[:, None] == found.class_ids[None]
    return int(np.triu(same & (iou > least_iou), k=1).sum())
