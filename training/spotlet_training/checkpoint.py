"""A checkpoint: weights as safetensors, and in the file's header a JSON that tells what they are.

No pickle: a checkpoint that a stranger sends can hold wrong numbers, but no code.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from spotlet.atomic import atomic_file
from spotlet.errors import CheckpointError, OutputError, UsageError
from spotlet_training.network import NetworkSettings, TwoHeadDetector

METADATA_KEY = "spotlet"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained network and what is known of it.

    Attributes:
        network: on the CPU, float32, in evaluation mode.
        class_names: the index is the class id.
        training: data, schedule, metrics; free JSON.
    """

    network: TwoHeadDetector
    class_names: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a `.safetensors` file, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    header = {
        "schema": SCHEMA,
        "network": asdict(checkpoint.network.settings),
        "classes": checkpoint.class_names,
        "training": checkpoint.training,
    }
    weights = {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in checkpoint.network.state_dict().items()
    }
    with atomic_file(path) as temporary:
        try:
            save_file(weights, temporary, metadata={METADATA_KEY: json.dumps(header)})
        except SafetensorError as error:  # how it wraps a full disk
            raise OutputError(f"{path}: cannot be written ({error})") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Returns what `save_checkpoint` wrote.

    Raises:
        CheckpointError: no such file, not a checkpoint, of a newer version, or the weights do
            not fit the network that the header describes.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `spotlet train` writes one")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    if text is None:
        raise CheckpointError(f"{path}: safetensors, but not written by `spotlet train`")
    try:
        header = json.loads(text)
        if header["schema"] > SCHEMA:
            raise CheckpointError(
                f"{path}: written by a newer spotlet; run `pip install --upgrade spotlet`"
            )
        known = {item.name for item in fields(NetworkSettings)}
        unknown = set(header["network"]) - known
        if unknown:
            raise CheckpointError(f"{path}: unknown network setting {sorted(unknown)}")
        shape: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in header["network"].items()
        }
        network = TwoHeadDetector(NetworkSettings(**shape))
        network.load_state_dict(weights)
        class_names = tuple(header["classes"])
        if len(class_names) != network.settings.class_count:
            raise ValueError(f"{len(class_names)} class names")
        return Checkpoint(
            network=network.eval(), class_names=class_names, training=header["training"]
        )
    except (ValueError, KeyError, TypeError, RuntimeError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: header and weights do not fit ({reason})") from error
