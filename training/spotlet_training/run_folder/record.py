"""What a training writes to its output folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from spotlet.lifetime import Closing
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.learning.epochs import HISTORY, Epoch, Step, write_history
from spotlet_training.learning.learner import Learner
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.checkpoint import Checkpoint, save_checkpoint
from spotlet_training.run_folder.events import EVENTS, EventLog
from spotlet_training.run_folder.folder import claimed
from spotlet_training.run_folder.state import LAST_STATE, TrainingState, save_state

BEST_CHECKPOINT = "best.safetensors"
"""The file in the output folder that `spotlet export` takes."""


@dataclass(slots=True, kw_only=True)
class Record(Closing):
    """The best checkpoint, the state to resume from, the table of epochs and the curves.

    A context manager that locks the folder.

    Attributes:
        out: the folder.
        settings: of the training.
        data: fingerprint of the training and validation sets.
        class_names: the index is the class id.
        about: what else the checkpoint records of its training.
        steps: in an epoch.
    """

    out: Path
    settings: TrainingSettings
    data: str
    class_names: tuple[str, ...]
    about: dict[str, Any]
    steps: int
    _events: EventLog | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def begin(self, epochs: Sequence[Epoch]) -> None:
        """Starts the table and, unless the training is finished, the curves.

        Raises:
            OutputError: the folder cannot be written.
        """
        if not epochs:  # the state of an earlier training must not be resumed
            (self.out / LAST_STATE).unlink(missing_ok=True)
        write_history(epochs, self.out / HISTORY)
        if len(epochs) < self.settings.epochs:
            log = EventLog(self.out / EVENTS, len(epochs) * self.steps)
            self._events = self._open.enter_context(log)

    def step(self, step: Step, learning_rate: float) -> None:
        """Adds a step to the curves."""
        assert self._events is not None
        self._events.step(step, learning_rate)

    def epoch(self, epochs: Sequence[Epoch], learner: Learner) -> None:
        """Writes the results of the last of the epochs.

        The state is written after the checkpoint: a process killed in between resumes from the
        epoch before and writes the same checkpoint again.

        Raises:
            OutputError: the folder cannot be written.
        """
        assert self._events is not None
        if epochs[-1].best:
            self._keep(epochs[-1], learner)
        self._events.epoch(epochs[-1], self.steps)
        tensors, numbers = learner.state()
        state = TrainingState(
            settings=self.settings,
            data=self.data,
            epochs=tuple(epochs),
            tensors=tensors,
            numbers=numbers,
        )
        save_state(state, self.out / LAST_STATE)
        write_history(epochs, self.out / HISTORY)

    def __enter__(self) -> Self:
        self._open.enter_context(claimed(self.out))
        return self

    def close(self) -> None:
        """Closes the curves and unlocks the folder."""
        self._open.close()

    def _keep(self, epoch: Epoch, learner: Learner) -> None:
        training = {
            **self.about,
            "settings": asdict(self.settings),
            "epoch": epoch.number,
            "val_ap": round(epoch.ap, 4),
            "val_ap50": round(epoch.ap50, 4),
            THRESHOLD_KEY: epoch.score_threshold,
            "torch": torch.__version__,
        }
        checkpoint = Checkpoint(
            network=learner.average.network, class_names=self.class_names, training=training
        )
        save_checkpoint(checkpoint, self.out / BEST_CHECKPOINT)
