"""The figures of each epoch, as `spotlet train` writes them beside the checkpoint."""

import csv
from dataclasses import dataclass
from pathlib import Path

from spotlet.errors import InputError

COLUMNS = ("loss", "scores_loss", "boxes_loss", "ap", "ap50")
"""The file's columns, in the order of the fields."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """The figures of one epoch; see `spotlet_training.learning.epochs.Epoch`."""

    number: int
    loss: float
    scores_loss: float
    boxes_loss: float
    ap: float
    ap50: float


def read_history(path: Path) -> list[EpochFigures]:
    """Returns the epochs in a `history.csv`; none if there is no such file.

    Unknown columns are skipped.

    Raises:
        InputError: the file is not a history.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                EpochFigures(int(row["epoch"]), *(float(row[name]) for name in COLUMNS))
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: not the history of a training ({type(error).__name__}: {error}); move it away"
        ) from error
