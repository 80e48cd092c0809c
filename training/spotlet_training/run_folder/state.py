"""All that a training needs to go on: weights, optimiser, schedule, average and epochs so far.

A safetensors file with a JSON header, as a checkpoint is, and no pickle.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.learning.augmentation import AugmentationSettings
from spotlet_training.learning.epochs import Epoch
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.tensor_file import read_tensors, write_tensors

LAST_STATE = "last.safetensors"
"""The file in the output folder, written after each epoch, that `--resume` goes on from."""

STATE_KEY = "spotlet-training"
SCHEMA = 1

FREE_SETTINGS = ("device", "loaders", "cache_bytes", "compile")
"""Settings that may differ when a training goes on: they say where and how fast, not what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """A training after a whole epoch.

    Attributes:
        settings: its recipe.
        data: fingerprint of what it learns from and is measured by.
        epochs: those that are done, in order; at least one.
        tensors: of the learner, by name.
        numbers: of the learner, as JSON.
    """

    settings: TrainingSettings
    data: str
    epochs: tuple[Epoch, ...]
    tensors: dict[str, Tensor]
    numbers: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to do."""
        return len(self.epochs) >= self.settings.epochs


def save_state(state: TrainingState, path: Path) -> None:
    """Writes a `.safetensors` file, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    header = {
        "schema": SCHEMA,
        "settings": asdict(state.settings),
        "data": state.data,
        "epochs": [asdict(epoch) for epoch in state.epochs],
        "numbers": state.numbers,
    }
    write_tensors(state.tensors, STATE_KEY, json.dumps(header), path)


def load_state(path: Path) -> TrainingState:
    """Returns what `save_state` wrote.

    Raises:
        UsageError: there is no such file: nothing to go on from.
        CheckpointError: it is damaged, or of another version.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: nothing to resume; `spotlet train` writes it after its first epoch, so "
            "start without --resume"
        )
    tensors, text = read_tensors(path, STATE_KEY)
    if text is None:
        raise CheckpointError(f"{path}: safetensors, but not the state of a training")
    try:
        header = json.loads(text)
        if header["schema"] != SCHEMA:
            raise ValueError(f"schema {header['schema']}")
        return TrainingState(
            settings=_settings(header["settings"]),
            data=header["data"],
            epochs=tuple(Epoch.from_json(content) for content in header["epochs"]),
            tensors=tensors,
            numbers=header["numbers"],
        )
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise CheckpointError(
            f"{path}: the state of a training of another version ({error}); go on with the "
            "spotlet that wrote it"
        ) from error


def check_resumable(state: TrainingState, settings: TrainingSettings, data: str) -> None:
    """Does nothing where a training with these settings, on this data, is the one that stopped.

    Raises:
        UsageError: it is another one; the message names what differs.
    """
    free = {name: getattr(state.settings, name) for name in FREE_SETTINGS}
    asked = replace(settings, **free)
    differing = [
        f"{field.name} {getattr(asked, field.name)} (was {getattr(state.settings, field.name)})"
        for field in fields(TrainingSettings)
        if getattr(asked, field.name) != getattr(state.settings, field.name)
    ]
    if differing:
        raise UsageError(
            f"resume with another {', '.join(differing)}: a training goes on as it began; leave "
            "the option out, or start a new training with --weights best.safetensors"
        )
    if data != state.data:
        raise UsageError(
            "resume on another dataset: classes, image names or labels are not those that the "
            "training began with; put them back, or start a new training with --weights "
            "best.safetensors"
        )


def _settings(content: dict[str, Any]) -> TrainingSettings:
    """Returns settings from JSON, which knows lists and no tuples."""
    augmentation = AugmentationSettings(**_tuples(content["augmentation"]))
    return TrainingSettings(**{**_tuples(content), "augmentation": augmentation})


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
