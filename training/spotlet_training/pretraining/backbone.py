"""A file with the weights of a backbone: safetensors in half precision, and whence they come."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spotlet.atomic import atomic_file
from spotlet.errors import CheckpointError, OutputError
from spotlet_training.network.backbone import Backbone

METADATA_KEY = "spotlet-backbone"


def save_backbone(backbone: Backbone, path: Path, about: dict[str, Any]) -> None:
    """Writes a `.safetensors` file, whole or not at all.

    Half precision is enough for weights that will be trained on, and halves the wheel.

    Args:
        backbone: on the CPU.
        path: to write to.
        about: what it was taught on; free JSON.

    Raises:
        OutputError: the folder cannot be written.
    """
    weights = {
        name: (value.to(torch.float16) if value.is_floating_point() else value).contiguous()
        for name, value in backbone.state_dict().items()
    }
    with atomic_file(path) as temporary:
        try:
            save_file(weights, temporary, metadata={METADATA_KEY: json.dumps(about)})
        except SafetensorError as error:  # how it wraps a full disk
            raise OutputError(f"{path}: cannot be written ({error})") from error


def load_backbone(path: Path) -> dict[str, Tensor]:
    """Returns the weights of a file, float32, by their names in a `Backbone`.

    Raises:
        CheckpointError: no such file, or not one that `save_backbone` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            if METADATA_KEY not in (file.metadata() or {}):
                raise CheckpointError(f"{path}: safetensors, but not of `spotlet pretrain`")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a file of weights ({error})") from error
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def is_backbone(path: Path) -> bool:
    """Returns whether `save_backbone` wrote a file, from its header."""
    try:
        with safe_open(path, framework="pt") as file:
            return METADATA_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def bundled_backbone(size: str) -> Path:
    """Returns where the backbone that comes with spotlet for a size lies."""
    return Path(str(resources.files("spotlet_models"))) / "pretrained" / f"{size}.safetensors"
