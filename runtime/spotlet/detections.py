"""What was found in one frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray


@dataclass(frozen=True, slots=True)
class Detection:
    """One object that was found.

    Attributes:
        name: its class, as the manifest spells it.
        class_id: the index of that class.
        score: confidence in [0, 1].
        box_xyxy: left, top, right, bottom in pixels of the frame.
    """

    name: str
    class_id: int
    score: float
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The objects of one frame, best score first.

    Iterating gives a `Detection` each; the arrays are there for work on all of them at once.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the frame, clipped to it.
        scores: (N,) float32 in [0, 1], descending.
        class_ids: (N,) int64, indices into `class_names`.
        class_names: the model's classes.

    Example:
        >>> found = Detections.none(("cat", "dog"))
        >>> len(found), found.boxes_xyxy.shape
        (0, (0, 4))
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    class_ids: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    @classmethod
    def none(cls, class_names: tuple[str, ...]) -> "Detections":
        """Returns the result for a frame without objects."""
        empty = np.zeros(0, np.float32)
        return cls(np.zeros((0, 4), np.float32), empty, np.zeros(0, np.int64), class_names)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, class_id in zip(
            self.boxes_xyxy.tolist(), self.scores.tolist(), self.class_ids.tolist(), strict=True
        ):
            yield Detection(self.class_names[class_id], class_id, score, tuple(box))

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Detections":
        """Returns the objects that `keep` names, by mask (N,) or by index, in its order."""
        return Detections(
            self.boxes_xyxy[keep], self.scores[keep], self.class_ids[keep], self.class_names
        )

    def of_classes(self, names: tuple[str, ...]) -> "Detections":
        """Returns only the objects whose class is one of `names`."""
        wanted = [index for index, name in enumerate(self.class_names) if name in names]
        return self.select(np.isin(self.class_ids, wanted))
