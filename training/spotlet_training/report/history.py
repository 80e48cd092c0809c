"""The figures of each epoch, as `spotlet train` leaves them beside the checkpoint."""

import csv
from dataclasses import dataclass
from pathlib import Path

from spotlet.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFigures:
    """What one epoch came to; see `spotlet_training.learning.epochs.Epoch`."""

    number: int
    loss: float
    scores_loss: float
    boxes_loss: float
    ap: float
    ap50: float


def read_history(path: Path) -> list[EpochFigures]:
    """Returns the epochs in a `history.csv`, none where there is no such file.

    Columns that it does not know are left out.

    Raises:
        InputError: the file is something else.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                EpochFigures(
                    number=int(row["epoch"]),
                    loss=float(row["loss"]),
                    scores_loss=float(row["scores_loss"]),
                    boxes_loss=float(row["boxes_loss"]),
                    ap=float(row["ap"]),
                    ap50=float(row["ap50"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: not the history of a training ({type(error).__name__}: {error}); move it away"
        ) from error
