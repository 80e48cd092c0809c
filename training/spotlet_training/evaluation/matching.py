"""Which detection belongs to which object, and what is wrong with the rest."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from spotlet.detections import Detections
from spotlet.evaluation import Truth

IOU_THRESHOLD = 0.5
"""The least overlap with which an object counts as found."""

LEAST_TOUCH = 0.1
"""The least overlap with which a box counts as a bad box of an object, not as a false one."""

NO_OBJECT = -1
IGNORED_OBJECT = -2

Overlaps = npt.NDArray[np.float64]


class Reason(StrEnum):
    """The verdict on a detection.

    `FOUND`: an object of its class. `WRONG_CLASS`: an object of another class. `TWICE`: a duplicate
    on an object that is already found. `BAD_BOX`: an object of its class, with too little overlap.
    `FALSE`: no object. `IGNORED`: an object that is not counted, or of an unknown class.
    """

    FOUND = "found"
    WRONG_CLASS = "wrong class"
    TWICE = "twice"
    BAD_BOX = "bad box"
    FALSE = "false"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The detections of one frame against its truth.

    Attributes:
        reasons: of each detection.
        objects: (N,) int64, the object each detection belongs to; `NO_OBJECT` for `FALSE` and
            `IGNORED`.
        overlaps: (N,) float64, IoU with that object; 0 without one.
        missed: (M,) bool, the objects without a detection.
    """

    reasons: tuple[Reason, ...]
    objects: npt.NDArray[np.int64]
    overlaps: npt.NDArray[np.float64]
    missed: npt.NDArray[np.bool_]

    @property
    def mistakes(self) -> int:
        """The number of wrong detections and missed objects."""
        right = (Reason.FOUND, Reason.IGNORED)
        return sum(each not in right for each in self.reasons) + int(self.missed.sum())


def match_objects(
    truth: Truth, found: Detections, iou_threshold: float = IOU_THRESHOLD
) -> npt.NDArray[np.int64]:
    """Returns the object that each detection found, matched as in the COCO protocol.

    By descending score, a detection takes the free object of its class that it overlaps most.

    Args:
        truth: of the frame.
        found: in it, in any order.
        iou_threshold: the least overlap that counts, over 0.

    Returns:
        (N,) int64, index of an object; `IGNORED_OBJECT` for a detection of one that is not
        counted, or of a class that is unknown in the frame; else `NO_OBJECT`.
    """
    overlaps = _overlaps(truth, found)
    possible = overlaps >= iou_threshold
    possible &= found.class_ids[:, None] == truth.class_ids[None, :]
    free = ~truth.ignored
    matched = np.full(len(found), NO_OBJECT)
    unknown = np.isin(found.class_ids, truth.unknown_ids)
    for index in np.argsort(-found.scores, kind="stable").tolist():
        best = _best(overlaps[index], possible[index] & free)
        if best != NO_OBJECT:
            free[best] = False
            matched[index] = best
        elif unknown[index] or np.any(possible[index] & truth.ignored):
            matched[index] = IGNORED_OBJECT
    return matched


def judge(truth: Truth, found: Detections, iou_threshold: float = IOU_THRESHOLD) -> Judgement:
    """Judges each detection of a frame, and returns which objects are missed.

    First come the objects that are found, as in `match_objects`. Each remaining detection is the
    first of these that applies: on a free object of another class; a duplicate on a taken object;
    on a free object of its class that it overlaps a little (`LEAST_TOUCH`); false.
    """
    overlaps = _overlaps(truth, found)
    objects = match_objects(truth, found, iou_threshold)
    same_class = found.class_ids[:, None] == truth.class_ids[None, :]
    counted = ~truth.ignored
    free = counted.copy()
    free[objects[objects >= 0]] = False
    reasons = [
        Reason.FOUND if each >= 0 else Reason.IGNORED if each == IGNORED_OBJECT else Reason.FALSE
        for each in objects.tolist()
    ]
    steps = (
        (Reason.WRONG_CLASS, overlaps >= iou_threshold),
        (Reason.TWICE, overlaps >= iou_threshold),
        (Reason.BAD_BOX, (overlaps >= LEAST_TOUCH) & same_class),
    )
    for reason, possible in steps:
        for index in np.argsort(-found.scores, kind="stable").tolist():
            if reasons[index] is not Reason.FALSE:
                continue
            takes = counted & ~free if reason is Reason.TWICE else free
            best = _best(overlaps[index], possible[index] & takes)
            if best != NO_OBJECT:
                reasons[index], objects[index], free[best] = reason, best, False
    about = objects >= 0
    own_overlaps = np.zeros(len(found))
    own_overlaps[about] = overlaps[about, objects[about]]
    objects[~about] = NO_OBJECT
    return Judgement(tuple(reasons), objects, own_overlaps, free)


def _best(overlaps: Overlaps, allowed: npt.NDArray[np.bool_]) -> int:
    """Returns the index of the greatest allowed overlap, the last one on a tie."""
    if not allowed.any():
        return NO_OBJECT
    candidates = np.flatnonzero(allowed)[::-1]
    return int(candidates[overlaps[candidates].argmax()])


def _overlaps(truth: Truth, found: Detections) -> Overlaps:
    """Returns IoU (detections, objects); of an ignored object, the share of the detection in it."""
    theirs, ours = found.boxes_xyxy.astype(np.float64), truth.boxes_xyxy.astype(np.float64)
    top_left = np.maximum(theirs[:, None, :2], ours[None, :, :2])
    bottom_right = np.minimum(theirs[:, None, 2:], ours[None, :, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    found_area = np.prod(theirs[:, 2:] - theirs[:, :2], axis=1)[:, None]
    true_area = np.prod(ours[:, 2:] - ours[:, :2], axis=1)[None, :]
    whole = np.where(truth.ignored[None, :], found_area, found_area + true_area - shared)
    overlaps: Overlaps = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return overlaps
