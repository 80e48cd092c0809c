"""The results of a training's steps and epochs, and their table on disk."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file
from spotlet.evaluation import Accuracy

HISTORY = "history.csv"
"""The file in the output folder with one line per epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The progress of a training, after each step.

    Attributes:
        epoch: from 1.
        step: within the epoch, from 1.
        steps: in an epoch.
        loss: of this step.
    """

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The results of one epoch.

    Attributes:
        number: from 1.
        loss: mean total loss of its steps.
        scores_loss: mean of the class head's part.
        boxes_loss: mean of the box head's part.
        learning_rate: of its last step, the highest of all parameter groups.
        ap: COCO's AP of the averaged weights on the validation images.
        ap50: the same at IoU 0.50.
        ap75: the same at IoU 0.75.
        accuracy: the same by size and class.
        seconds: wall time, validation included.
        best: whether its weights were saved as the best so far.
        score_threshold: the best on the validation images; None if nothing was found.
    """

    number: int
    loss: float
    scores_loss: float
    boxes_loss: float
    learning_rate: float
    ap: float
    ap50: float
    ap75: float
    accuracy: Accuracy
    seconds: float
    best: bool
    score_threshold: float | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Epoch":
        """Returns the epoch whose `dataclasses.asdict` was written as JSON.

        Raises:
            TypeError: a field is missing or unknown.
        """
        return cls(**{**content, "accuracy": Accuracy(**content["accuracy"])})


def write_history(epochs: Sequence[Epoch], path: Path) -> None:
    """Writes a CSV with one line per epoch, atomically.

    Raises:
        OutputError: the folder cannot be written.
    """
    names = (
        "epoch", "loss", "scores_loss", "boxes_loss", "learning_rate", "ap", "ap50", "ap75",
        "seconds", "best",
    )  # fmt: skip
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for epoch in epochs:
            writer.writerow(
                [
                    epoch.number,
                    *(f"{each:.5f}" for each in (epoch.loss, epoch.scores_loss, epoch.boxes_loss)),
                    f"{epoch.learning_rate:.3e}",
                    *(f"{each:.5f}" for each in (epoch.ap, epoch.ap50, epoch.ap75, epoch.seconds)),
                    int(epoch.best),
                ]
            )
