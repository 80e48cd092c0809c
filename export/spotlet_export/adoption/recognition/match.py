"""A layout and the outputs that it uses, and their numbers cell by cell."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.recognition.views import Tensors, Views

Wide = npt.NDArray[np.float64]

FIRST_COLUMN = {"4+C,K": 4, "K,4+C": 4, "K,5+C": 5}
"""Of the class scores, in the layouts with one output and one score for each class."""


class Match(NamedTuple):
    """A layout and the outputs that it uses.

    Attributes:
        layout: one of `signature.LAYOUTS`.
        boxes: the output with the boxes, or with all.
        scores: the output with the scores, if it is a separate one.
        ids: the output with class ids, if there is one.
        classes: how many the shapes have room for, without background and extra columns; None if
            they do not say.
    """

    layout: str
    boxes: str
    scores: str | None = None
    ids: str | None = None
    classes: int | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it uses, in the layout's order."""
        return tuple(name for name in (self.boxes, self.scores, self.ids) if name is not None)

    def __str__(self) -> str:
        return f"{self.layout} of {', '.join(self.outputs)}"

    def cells(self, tensors: Tensors) -> Wide:
        """Returns the output with the boxes, (K, D), one row for each cell."""
        whole: Wide = tensors[self.boxes][0].astype(np.float64)
        return whole.T if self.layout == "4+C,K" else whole

    def real_cells(self, views: Views) -> Wide:
        """Returns the cells of all of the user's pictures."""
        return np.concatenate([self.cells(each) for each in views.real])

    def class_columns(self, views: Views) -> Wide:
        """Returns what follows the box in all cells of the user's pictures: scores, and the rest.

        Precondition: a layout with one score for each class.
        """
        if self.scores is None:
            return self.real_cells(views)[:, FIRST_COLUMN[self.layout] :]
        parts = [each[self.scores][0] for each in views.real]
        return np.concatenate(parts).astype(np.float64)


def shapes(given: Tensors) -> str:
    """Returns outputs with their types and shapes, for messages."""
    return ", ".join(f"{name} {tensor.dtype} {tensor.shape}" for name, tensor in given.items())
