"""Confusions between classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.detections import Detections
from spotlet.evaluation import Truth
from spotlet_training.evaluation.matching import Judgement, Reason

Judged = tuple[Truth, Detections, Judgement]
"""The objects of a frame, what was found in it, and how that was judged."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Objects of one class that were taken for another.

    Attributes:
        truth: name of their class.
        found: name of the class they were taken for.
        count: how many.
        objects: how many objects of `truth` there are.
    """

    truth: str
    found: str
    count: int
    objects: int


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionMatrix:
    """Counts of objects by their class and the class they were found as.

    Attributes:
        class_names: C names.
        counts: (C + 1, C + 1) int64. Rows are true classes, columns found ones. The last row is
            nothing (false detections, second boxes, bad boxes), the last column nothing (missed
            objects, those with a bad box). Ignored objects are not counted.
    """

    class_names: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def objects(self) -> npt.NDArray[np.int64]:
        """(C,), objects of each class."""
        objects: npt.NDArray[np.int64] = self.counts[:-1].sum(axis=1)
        return objects

    @property
    def right(self) -> npt.NDArray[np.int64]:
        """(C,), objects of each class that were found as such."""
        return self.counts.diagonal()[:-1]

    @property
    def missed(self) -> npt.NDArray[np.int64]:
        """(C,), objects of each class that were missed."""
        return self.counts[:-1, -1]

    @property
    def false(self) -> npt.NDArray[np.int64]:
        """(C,), detections of each class without such an object."""
        return self.counts[-1, :-1]

    @property
    def taken_for_another(self) -> npt.NDArray[np.int64]:
        """(C,), objects of each class that were found as another."""
        return self.objects - self.right - self.missed

    def confusions(self) -> list[Confusion]:
        """Returns the pairs of classes that are confused, the most frequent first."""
        names, between = self.class_names, self.counts[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        pairs = [
            Confusion(names[row], names[column], int(between[row, column]), int(self.objects[row]))
            for row, column in np.argwhere(between).tolist()
        ]
        return sorted(pairs, key=lambda each: -each.count)

    def of_classes(self, class_ids: Sequence[int]) -> "ConfusionMatrix":
        """Returns the rows and columns of some classes, and of nothing."""
        kept = [*class_ids, len(self.class_names)]
        names = tuple(self.class_names[class_id] for class_id in class_ids)
        return ConfusionMatrix(names, self.counts[np.ix_(kept, kept)])


def confusion_matrix(frames: Iterable[Judged], class_names: tuple[str, ...]) -> ConfusionMatrix:
    """Returns the counts over all frames; the index of a class name is the class id."""
    nothing = len(class_names)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for truth, detections, judgement in frames:
        for reason, of, as_class in zip(
            judgement.reasons, judgement.objects, detections.class_ids, strict=True
        ):
            if reason in (Reason.FOUND, Reason.WRONG_CLASS):
                counts[truth.class_ids[of], as_class] += 1
            elif reason is not Reason.IGNORED:
                counts[nothing, as_class] += 1
            if reason is Reason.BAD_BOX:
                counts[truth.class_ids[of], nothing] += 1
        for class_id in truth.class_ids[judgement.missed]:
            counts[class_id, nothing] += 1
    return ConfusionMatrix(class_names, counts)
