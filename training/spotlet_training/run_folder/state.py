"""What a training needs to resume: weights, optimiser, schedule, average and epochs so far.

A safetensors file with a JSON header, like a checkpoint; no pickle.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from spotlet.errors import CheckpointError, UsageError
from spotlet.tiles import TileSettings
from spotlet_training.learning.augmentation import AugmentationSettings
from spotlet_training.learning.epochs import Epoch
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.tensor_file import read_tensors, write_tensors

LAST_STATE = "last.safetensors"
"""The file in the output folder, written after each epoch, that `--resume` reads."""

STATE_KEY = "spotlet-training"
SCHEMA = 1

FREE_SETTINGS = ("device", "loaders", "cache_bytes", "compile")
"""Settings that may differ on resuming: they change where and how fast, not the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """A training after a whole epoch.

    Attributes:
        settings: its recipe.
        data: fingerprint of the training and validation sets.
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
        """Whether all epochs are done."""
        return len(self.epochs) >= self.settings.epochs


def save_state(state: TrainingState, path: Path) -> None:
    """Writes a `.safetensors` file atomically.

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
        UsageError: there is no such file, so nothing to resume.
        CheckpointError: it is damaged, or of another version.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: nothing to resume; `spotlet train` writes it after its first epoch, so "
            "start without --resume"
        )
    tensors, text = read_tensors(path, STATE_KEY)
    if text is None:
        raise CheckpointError(f"{path}: safetensors, but not a training state")
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
            f"{path}: the training state is of another version ({error}); resume with the "
            "spotlet that wrote it"
        ) from error


def check_resumable(state: TrainingState, settings: TrainingSettings, data: str) -> None:
    """Checks that a state belongs to a training with these settings on this data.

    Raises:
        UsageError: it does not; the message names what differs.
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
            f"cannot resume with {', '.join(differing)}: settings must stay the same; drop the "
            "option, or start a new training with --weights best.safetensors"
        )
    if data != state.data:
        raise UsageError(
            "cannot resume on another dataset: classes, image names or labels have changed since "
            "the training began; restore them, or start a new training with --weights "
            "best.safetensors"
        )


def _settings(content: dict[str, Any]) -> TrainingSettings:
    """Returns settings from JSON, which has lists but no tuples."""
    augmentation = AugmentationSettings(**_tuples(content["augmentation"]))
    settings = {**_tuples(content), "augmentation": augmentation}
    if "tiles" in settings:
        settings["tiles"] = TileSettings(**settings["tiles"])
    return TrainingSettings(**settings)


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
