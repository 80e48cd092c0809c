"""Teachers without a network: what they find is written down, or painted on the picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import ImageArray

Row = tuple[str, float, tuple[float, float, float, float]]
"""Class name, score, left, top, right, bottom."""


def detections(class_names: tuple[str, ...], rows: Sequence[Row]) -> Detections:
    """Returns rows as detections, best first."""
    ordered = sorted(rows, key=lambda row: -row[1])
    return Detections(
        np.array([box for _, _, box in ordered], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in ordered], np.float32),
        np.array([class_names.index(name) for name, _, _ in ordered], np.int64),
        class_names,
    )


@dataclass
class FakeTeacher:
    """A teacher that finds what a function says.

    Attributes:
        class_names: its classes.
        rows: what it finds: rows, or a function of the picture.
        name: for records.
        score_threshold: its own.
        asked: sizes and least scores that it was asked for.
    """

    class_names: tuple[str, ...]
    rows: Sequence[Row] | Callable[[ImageArray], Sequence[Row]] = ()
    name: str = "fake"
    score_threshold: float = 0.5
    asked: list[tuple[tuple[int, ...], float]] = field(default_factory=list)

    def find(self, frame_bgr: ImageArray, score_threshold: float) -> Detections:
        """Returns the rows from a score up."""
        self.asked.append((frame_bgr.shape, score_threshold))
        rows = self.rows(frame_bgr) if callable(self.rows) else self.rows
        return detections(self.class_names, [row for row in rows if row[1] >= score_threshold])


def bright_parts(name: str, score: float) -> Callable[[ImageArray], list[Row]]:
    """Returns a function that finds the white rectangles of a picture, also parts of them."""
    import cv2

    def find(image_bgr: ImageArray) -> list[Row]:
        mask = (image_bgr.min(axis=2) > 200).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        return [(name, score, (x, y, x + w, y + h)) for x, y, w, h, _ in stats[1:].tolist()]

    return find
