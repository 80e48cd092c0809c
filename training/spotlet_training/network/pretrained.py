"""Bundled weights in half precision, and the file of a backbone with its origin."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from spotlet.errors import CheckpointError
from spotlet_training.network.backbone import Backbone
from spotlet_training.network.tensor_file import (
    half_precision,
    has_header,
    read_tensors,
    write_tensors,
)

METADATA_KEY = "spotlet-backbone"

FOLDER = Path(str(resources.files("spotlet_models"))) / "pretrained"


def save_backbone(backbone: Backbone, path: Path, about: dict[str, Any]) -> None:
    """Writes a `.safetensors` file atomically.

    Half precision is enough for weights that will be trained further, and halves the wheel.

    Args:
        backbone: on the CPU.
        path: to write to.
        about: what it was trained on; free JSON.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_tensors(half_precision(backbone.state_dict()), METADATA_KEY, json.dumps(about), path)


def load_backbone(path: Path) -> dict[str, Tensor]:
    """Returns the weights of a file, float32, by their names in a `Backbone`.

    Raises:
        CheckpointError: there is no such file, or `save_backbone` did not write it.
    """
    tensors, text = read_tensors(path, METADATA_KEY)
    if text is None:
        raise CheckpointError(
            f"{path}: safetensors, but not a backbone; `spotlet pretrain` writes one"
        )
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def load_about(path: Path) -> Any:
    """Returns what `save_backbone` wrote about a backbone.

    Raises:
        CheckpointError: the file cannot be read, or `save_backbone` did not write it.
    """
    try:
        return json.loads(read_tensors(path, METADATA_KEY)[1] or "")
    except ValueError as error:
        raise CheckpointError(f"{path}: not a file of `spotlet pretrain`") from error


def is_backbone(path: Path) -> bool:
    """Returns whether `save_backbone` wrote a file."""
    return has_header(path, METADATA_KEY)


def bundled_backbone(size: str) -> Path:
    """Returns the path of the bundled backbone of a size."""
    return FOLDER / f"{size}.safetensors"


def bundled_detector(name: str, size: str) -> Path:
    """Returns the path of a bundled detector's checkpoint; of the backbone, if the size has none.

    `save_checkpoint(load_checkpoint(best), path, half=True)` makes such a file.
    """
    path = FOLDER / f"{name}-{size}.safetensors"
    return path if path.is_file() else bundled_backbone(size)
