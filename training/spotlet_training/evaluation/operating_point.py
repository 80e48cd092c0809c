"""The score threshold with the best balance of precision and recall."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.detections import Detections
from spotlet.evaluation import Truth
from spotlet_training.evaluation.matching import IGNORED_OBJECT, match_objects

THRESHOLDS: npt.NDArray[np.float64] = np.arange(5, 96) / 100
"""The candidate score thresholds, 0.05 to 0.95: beyond them either everything fires or almost
nothing, even if a few validation images suggest otherwise."""

THRESHOLD_KEY = "score_threshold"
"""In a checkpoint's `training` record: the score threshold that was best on the validation images
of the training, which an export makes the model's default."""

PLATEAU = 0.005
"""An F1 less than this below the best counts as equal: the difference is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A score threshold and its figures at IoU 0.5.

    Attributes:
        score_threshold: one of `THRESHOLDS`, or the one asked for.
        f1: harmonic mean of precision and recall of a class, mean over the classes that have
            objects: each weighs the same, as in AP, so that rare classes count.
        precision: share of all detections that are right; 0 if there are none.
        recall: share of all objects that are found.
    """

    score_threshold: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurves:
    """Counts by score threshold, for each class.

    Attributes:
        thresholds: (T,) float64, ascending.
        right: (T, C) int64, detections that found an object.
        drawn: (T, C) int64, detections, without those of objects that are not counted.
        objects: (C,) int64, objects that are counted.
    """

    thresholds: npt.NDArray[np.float64]
    right: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.int64]
    objects: npt.NDArray[np.int64]

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        """(T,), mean over the classes that have objects; at least one must have some."""
        measured = self.objects > 0
        both = (self.drawn + self.objects)[:, measured]
        mean: npt.NDArray[np.float64] = (2 * self.right[:, measured] / both).mean(axis=1)
        return mean

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """(T,), of all classes together."""
        drawn = self.drawn.sum(axis=1)
        share: npt.NDArray[np.float64] = self.right.sum(axis=1) / np.maximum(drawn, 1)
        return share

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """(T,), of all classes together."""
        share: npt.NDArray[np.float64] = self.right.sum(axis=1) / max(int(self.objects.sum()), 1)
        return share

    def point(self, index: int) -> OperatingPoint:
        """Returns the figures of the threshold at `index`."""
        return OperatingPoint(
            score_threshold=float(self.thresholds[index]),
            f1=float(self.f1[index]),
            precision=float(self.precision[index]),
            recall=float(self.recall[index]),
        )


def threshold_curves(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    class_count: int,
    thresholds: npt.NDArray[np.float64] = THRESHOLDS,
) -> ThresholdCurves:
    """Returns how many detections are right, by class and score threshold.

    Args:
        truths: one for each frame.
        found: one for each frame, as a viewer would see them, with every score from the lowest
            threshold up. Raising the threshold only removes the weaker ones.
        class_count: C.
        thresholds: (T,), ascending.
    """
    objects = np.zeros(class_count, np.int64)
    right = np.zeros((len(thresholds), class_count), np.int64)
    drawn = np.zeros_like(right)
    for truth, detections in zip(truths, found, strict=True):
        objects += np.bincount(truth.class_ids[~truth.ignored], minlength=class_count)
        matched = match_objects(truth, detections)
        # How many of the thresholds a detection reaches: it counts in the rows below that.
        reached = np.searchsorted(thresholds.astype(np.float32), detections.scores, "right")
        for row, class_id, of in zip(
            reached.tolist(), detections.class_ids.tolist(), matched.tolist(), strict=True
        ):
            drawn[:row, class_id] += of != IGNORED_OBJECT
            right[:row, class_id] += of >= 0
    return ThresholdCurves(thresholds, right, drawn, objects)


def best_operating_point(curves: ThresholdCurves) -> OperatingPoint | None:
    """Returns the point with the best F1; None if no object is found at any threshold.

    It is the middle of the range around the best threshold in which F1 is as good (`PLATEAU`):
    a confident detector has many such thresholds, and the middle one is the safest on new
    pictures.
    """
    if not curves.right.any():
        return None
    f1 = curves.f1
    first = last = int(f1.argmax())
    good = f1 >= f1[first] - PLATEAU
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(f1) and good[last + 1]:
        last += 1
    return curves.point((first + last) // 2)
