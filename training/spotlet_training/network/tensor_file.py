"""Tensors by name in a safetensors file, with a text in its header that describes them.

No pickle: a file from a stranger can contain wrong numbers, but no code.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spotlet.atomic import atomic_file
from spotlet.errors import CheckpointError, OutputError
from spotlet.library_paths import path_for_library


def write_tensors(tensors: Mapping[str, Tensor], key: str, text: str, path: Path) -> None:
    """Writes a file atomically.

    Args:
        tensors: on any device; copied, so that they share no memory.
        key: of the text in the header: the kind of file.
        text: about the tensors.
        path: to write to.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    copies = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    with atomic_file(path) as temporary:
        try:
            save_file(copies, temporary, metadata={key: text})
        except SafetensorError as error:  # how it wraps a full disk
            raise OutputError(f"{path}: cannot be written ({error})") from error


def half_precision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors in float16, except those that are integers or exceed its range."""
    halves = {
        name: value.to(torch.float16)
        for name, value in tensors.items()
        if value.is_floating_point()
    }
    fitting = {name: half for name, half in halves.items() if half.isfinite().all()}
    return {**tensors, **fitting}


def read_tensors(path: Path, key: str) -> tuple[dict[str, Tensor], str | None]:
    """Returns the tensors of a file and the text under `key`, None without one.

    Raises:
        CheckpointError: the file cannot be read, or is not a safetensors file.
    """
    try:
        with path_for_library(path) as name, safe_open(name, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, (file.metadata() or {}).get(key)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error


def has_header(path: Path, key: str) -> bool:
    """Returns whether a safetensors file has a text under `key`; reads no tensors."""
    try:
        with path_for_library(path) as name, safe_open(name, framework="pt") as file:
            return key in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
