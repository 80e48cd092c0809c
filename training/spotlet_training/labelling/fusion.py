"""What several teachers found becomes labels: objects, and regions of doubt that are ignored.

Boxes are joined as in weighted boxes fusion, except that a group holds at most one box of each
teacher, and that votes, not scores, decide whether it is an object.

Source: Solovyev, Wang, Gabruseva 2021, "Weighted boxes fusion", arXiv:1910.13302, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_iou
from spotlet.seams import COVERED_SHARE, covered_share
from spotlet_training.labelling.classes import ClassIds
from spotlet_training.labelling.passes import Found
from spotlet_training.labelling.teachers import Assignment

FUSION_IOU = 0.55
"""Least overlap of a box with the group it joins; the paper's best value."""

CLASH_IOU = 0.7
"""Overlap from which boxes of two classes are guesses at one object, as for `data check`."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels of a picture, best score first.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64, of the set.
        ignored: (N,) bool: in doubt, neither object nor background.
        doubts: (N,) float32 in [0, 1]: 1 at the threshold, or where teachers or classes contend;
            0 from twice the threshold.
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    class_ids: ClassIds
    ignored: npt.NDArray[np.bool_]
    doubts: FloatArray

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Labels":
        """Returns those that a mask (N,) or indices select."""
        return Labels(
            self.boxes_xyxy[keep],
            self.scores[keep],
            self.class_ids[keep],
            self.ignored[keep],
            self.doubts[keep],
        )


@dataclass(slots=True)
class _Group:
    """Boxes of one object: of each teacher at most one."""

    boxes: list[FloatArray]
    scores: list[float]
    thresholds: list[float]
    teachers: list[int]
    votes: int

    @property
    def box(self) -> FloatArray:
        """(4,), the mean weighted by the scores (equations 2 and 3 of the paper)."""
        box: FloatArray = np.average(self.boxes, axis=0, weights=self.scores).astype(np.float32)
        return box

    @property
    def score(self) -> float:
        """The mean (equation 1)."""
        return float(np.mean(self.scores))


def fuse(assignments: Sequence[Assignment], found: Sequence[Found], agree: str = "any") -> Labels:
    """Returns the labels of a picture.

    An object needs the votes of one, of most or of all teachers that know its class; a teacher
    votes if its score reaches its threshold, and no border between tiles may cut the box. What has
    fewer votes is ignored, unless an object of its class, or what is likelier one, covers it. Of
    boxes of two classes on one place the likelier stays, the more in doubt the closer the other is.

    Args:
        assignments: the teachers.
        found: by each.
        agree: `any`, `majority` or `all`.
    """
    rows: list[_Label] = []
    for class_id in range(len(assignments[0].thresholds)):
        knowing = sum(bool(each.knows[class_id]) for each in assignments)
        needed = {"any": 1, "majority": knowing // 2 + 1, "all": knowing}[agree]
        rows += _without_covered(
            [_label_of(group, class_id, needed) for group in _groups(assignments, found, class_id)]
        )
    rows = sorted(_without_clashes(rows), key=lambda row: -row.score)
    return Labels(
        np.array([row.box for row in rows], np.float32).reshape(-1, 4),
        np.array([row.score for row in rows], np.float32),
        np.array([row.class_id for row in rows], np.int64),
        np.array([row.ignored for row in rows], np.bool_),
        np.array([row.doubt for row in rows], np.float32),
    )


@dataclass(slots=True)
class _Label:
    """A row of `Labels`; `share` is its score by its threshold."""

    box: FloatArray
    score: float
    class_id: int
    ignored: bool
    share: float
    doubt: float


def _label_of(group: _Group, class_id: int, needed: int) -> _Label:
    """Returns the label of a group that needs so many votes to be an object."""
    share = group.score / float(np.mean(group.thresholds))
    is_disputed = 0 < group.votes < needed
    doubt = 1.0 if is_disputed else max(1 - abs(share - 1), 0.0)
    return _Label(group.box, group.score, class_id, group.votes < needed, share, doubt)


def _without_covered(rows: Sequence[_Label]) -> list[_Label]:
    """Returns the labels of a class without ignored ones that an object or a likelier one covers.

    Args:
        rows: the likeliest first.
    """
    kept = [row for row in rows if not row.ignored]
    for row in rows:
        boxes = np.array([each.box for each in kept], np.float32).reshape(-1, 4)
        if row.ignored and not (covered_share(row.box[None], boxes) >= COVERED_SHARE).any():
            kept.append(row)
    return kept


def _without_clashes(rows: Sequence[_Label]) -> list[_Label]:
    """Returns the labels of which none lies on a likelier one of another class."""
    kept: list[_Label] = []
    for row in sorted(rows, key=lambda row: (row.ignored, -row.share)):
        others = [each for each in kept if each.class_id != row.class_id]
        boxes = np.array([each.box for each in others], np.float32).reshape(-1, 4)
        overlaps = box_iou(row.box[None], boxes)[0]
        if not (overlaps >= CLASH_IOU).any():
            kept.append(row)
            continue
        rival = others[int(overlaps.argmax())]
        rival.doubt = max(rival.doubt, min(row.share / rival.share, 1.0))
    return kept


def _groups(
    assignments: Sequence[Assignment], found: Sequence[Found], class_id: int
) -> list[_Group]:
    """Returns the boxes of a class by object, those with the best scores first."""
    boxes = [
        (score / threshold, number, box, score, threshold, bool(cut))
        for number, (each, there) in enumerate(zip(assignments, found, strict=True))
        if (threshold := float(each.thresholds[class_id]))
        for box, score, cut in zip(
            *_of_class(there, class_id),
            strict=True,
        )
    ]
    # Scores of different teachers are compared by their share of the threshold.
    boxes.sort(key=lambda row: -row[0])
    groups: list[_Group] = []
    for share, number, box, score, threshold, cut in boxes:
        group = _best_group(groups, box, number)
        if group is None:
            group = _Group([], [], [], [], 0)
            groups.append(group)
        group.boxes.append(box)
        group.scores.append(max(score, 1e-6))
        group.thresholds.append(threshold)
        group.teachers.append(number)
        group.votes += share >= 1 and not cut
    return groups


def _of_class(found: Found, class_id: int) -> tuple[FloatArray, list[float], list[bool]]:
    there = found.class_ids == class_id
    return found.boxes_xyxy[there], found.scores[there].tolist(), found.cut[there].tolist()


def _best_group(groups: Sequence[_Group], box: FloatArray, teacher: int) -> _Group | None:
    """Returns the group that a teacher's box overlaps most, if enough; None to start another."""
    free = [group for group in groups if teacher not in group.teachers]
    if not free:
        return None
    overlaps = box_iou(box[None], np.array([group.box for group in free], np.float32))[0]
    best = int(overlaps.argmax())
    return free[best] if overlaps[best] >= FUSION_IOU else None
