"""How much of what two models find is not the same: one figure from 0 to 1."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spotlet.boxes import box_iou
from spotlet.check.agreement import NOISE_PIXELS, match
from spotlet.detections import Detections


def unlikeness(wanted: Sequence[Detections], found: Sequence[Detections]) -> float:
    """Returns which share of the detections' scores has no equal on the other side.

    A pair counts for its overlap and for how near its scores are, a detection without a partner
    for nothing; sure detections count more. 0 if both are empty.

    Args:
        wanted: of each frame, by one model.
        found: by the other, with the same class ids.
    """
    total = shared = 0.0
    for one, other in zip(wanted, found, strict=True):
        total += float(one.scores.sum() + other.scores.sum())
        pairs = match(one, other)
        here, there = one.select(pairs[:, 0]), other.select(pairs[:, 1])
        moved = np.abs(here.boxes_xyxy - there.boxes_xyxy).max(axis=1, initial=0)
        overlaps = box_iou(one.boxes_xyxy, other.boxes_xyxy)[pairs[:, 0], pairs[:, 1]]
        overlaps = np.where(moved <= NOISE_PIXELS, 1, overlaps)
        weaker = np.minimum(here.scores, there.scores)
        shared += float((2 * weaker * overlaps).sum())
    return 0.0 if total == 0 else max(1 - shared / total, 0.0)


def distance(wanted: Sequence[Detections], found: Sequence[Detections]) -> float:
    """Returns the mean of `unlikeness` and of that of scores and of boxes alone, from 0 to 1.

    Of two faults at once, each hides the other in `unlikeness`: mending the scores of boxes that
    are wrong, too, makes no pair. Scores alone are compared in order, for each class; boxes by the
    best overlap with any of the other side, whatever its class and score.
    """
    apart = total = misplaced = count = 0.0
    for one, other in zip(wanted, found, strict=True):
        for class_id in range(len(one.class_names)):
            own, others = (
                np.sort(each.scores[each.class_ids == class_id]) for each in (one, other)
            )
            longer = max(len(own), len(others))
            padded = [np.pad(each, (longer - len(each), 0)) for each in (own, others)]
            apart += float(np.abs(padded[0] - padded[1]).sum())
            total += float(own.sum() + others.sum())
        overlaps = box_iou(one.boxes_xyxy, other.boxes_xyxy)
        for axis, size in ((1, len(one)), (0, len(other))):
            best = overlaps.max(axis=axis, initial=0)
            misplaced += float((1 - best).sum())
            count += size
    scores, boxes = apart / total if total else 0.0, misplaced / count if count else 0.0
    return (2 * unlikeness(wanted, found) + scores + boxes) / 4


def total_score(found: Sequence[Detections]) -> float:
    """Returns the sum of all scores in some frames."""
    return float(sum(each.scores.sum() for each in found))


def with_ids(found: Detections, new_ids: np.ndarray, class_names: tuple[str, ...]) -> Detections:
    """Returns detections with another model's class ids; those of other classes are dropped.

    Args:
        found: the detections.
        new_ids: (C,) one for each class of the model that found them; -1 for none.
        class_names: of the other model.
    """
    ids = new_ids[found.class_ids]
    kept = found.select(ids >= 0)
    return replace(kept, class_ids=ids[ids >= 0], class_names=class_names)


def shared_ids(own: tuple[str, ...], other: tuple[str, ...]) -> np.ndarray:
    """Returns the class id (C,) in another model of each own class; -1 if it has none.

    By name, whose case does not matter; if no name is in both and there are as many, by place.

    Example:
        >>> shared_ids(("cat", "dog"), ("dog", "cow")).tolist()
        [-1, 0]
        >>> shared_ids(("a", "b"), ("0", "1")).tolist()
        [0, 1]
    """
    folded = [name.casefold() for name in other]
    ids = []
    for name in own:
        places = [other.index(name)] if name in other else []
        places += [n for n, each in enumerate(folded) if each == name.casefold()]
        ids.append(places[0] if places else -1)
    if max(ids, default=-1) < 0 and len(own) == len(other):
        return np.arange(len(own))
    return np.array(ids, np.int64)
