"""What a distillation needs to continue after an interruption, as a safetensors file."""

import json
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import AdamW

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.learning.optimisation import optimiser_tensors, restore_optimiser
from spotlet_training.network.tensor_file import read_tensors, write_tensors

STATE_KEY = "spotlet-distillation"


def save_unfinished(
    path: Path, student: nn.Module, optimiser: AdamW, epochs: int, recipe: dict[str, Any]
) -> None:
    """Writes the state after some whole epochs, atomically.

    Args:
        path: to write to.
        student: that learns.
        optimiser: of the student.
        epochs: that are done.
        recipe: everything else the result depends on, as JSON.

    Raises:
        OutputError: the folder cannot be written.
    """
    parts = {"student": student.state_dict(), "optimiser": optimiser_tensors(optimiser)}
    tensors = {f"{part}.{name}": each for part in parts for name, each in parts[part].items()}
    groups = optimiser.state_dict()["param_groups"]
    text = json.dumps({"recipe": recipe, "epochs": epochs, "groups": groups})
    write_tensors(tensors, STATE_KEY, text, path)


def restore_unfinished(
    path: Path, student: nn.Module, optimiser: AdamW, recipe: dict[str, Any]
) -> int:
    """Restores what `save_unfinished` wrote; returns how many epochs are done, 0 without a file.

    Raises:
        CheckpointError: the file is damaged.
        UsageError: it belongs to another recipe.
    """
    if not path.exists():
        return 0
    try:
        tensors, text = read_tensors(path, STATE_KEY)
        header = json.loads(text or "{}")
        if header["recipe"] != json.loads(json.dumps(recipe)):
            raise UsageError(
                f"{path}: an unfinished training with other options or pictures; repeat its "
                "command, or start over with --overwrite"
            )
        parts: dict[str, dict[str, Any]] = {"student": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        student.load_state_dict(parts["student"])
        restore_optimiser(optimiser, parts["optimiser"], header["groups"])
        return int(header["epochs"])
    except (
        CheckpointError, ValueError, KeyError, IndexError, TypeError, RuntimeError
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{path}: not the state of an unfinished training ({str(error).splitlines()[0]}); "
            "start over with --overwrite"
        ) from error
