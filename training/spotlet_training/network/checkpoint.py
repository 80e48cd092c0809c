"""A checkpoint: a network's weights, described by JSON in the file's header."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from spotlet.errors import CheckpointError, UsageError
from spotlet.manifest import NO_TILES
from spotlet.tiles import TileSettings
from spotlet_training.network import (
    DetectorSettings,
    LocalizerSettings,
    Network,
    TwoHeadDetector,
    build_localizer,
)
from spotlet_training.network.tensor_file import half_precision, read_tensors, write_tensors

METADATA_KEY = "spotlet"
SCHEMA = 4
"""The newest header that this version reads. Schema 1 had one family of networks, and so no
`family`; the networks of schemas 1 to 3 all had the same `centre` and `scale`."""

OLDEST_DETECTOR = 3
"""Before, the heads of detectors shared nothing between levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained network and its record.

    Attributes:
        network: on the CPU, float32, in evaluation mode.
        class_names: the index is the class id.
        training: data, schedule, metrics; free JSON.
    """

    network: Network
    class_names: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def tiles(self) -> TileSettings:
        """The tiles that it was trained for.

        Raises:
            CheckpointError: the record names others than there are.
        """
        settings = self.training.get("settings")
        recorded = settings.get("tiles") if isinstance(settings, dict) else None
        try:
            return NO_TILES if recorded is None else TileSettings(**recorded)
        except (TypeError, UsageError) as error:
            raise CheckpointError(
                f"the checkpoint's tiles {recorded!r}: cannot be used ({error}); train again, or "
                "remove them from the checkpoint's record"
            ) from error


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, half: bool = False) -> None:
    """Writes a `.safetensors` file atomically.

    Args:
        checkpoint: to write.
        path: to write to.
        half: whether to round the weights to half precision, which is enough for weights that
            will be trained further; they are read as float32 again.

    Raises:
        OutputError: the folder cannot be written.
    """
    header = {
        "schema": SCHEMA,
        **describe_network(checkpoint.network),
        "classes": checkpoint.class_names,
        "training": checkpoint.training,
    }
    weights = checkpoint.network.state_dict()
    write_tensors(
        half_precision(weights) if half else weights, METADATA_KEY, json.dumps(header), path
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Returns what `save_checkpoint` wrote.

    Raises:
        CheckpointError: no such file, not a checkpoint, of a newer version, or the weights do
            not fit the network that the header describes.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `spotlet train` writes one")
    weights, text = read_tensors(path, METADATA_KEY)
    if text is None:
        raise CheckpointError(
            f"{path}: safetensors, but not a checkpoint; `spotlet train` writes one as "
            "best.safetensors"
        )
    try:
        header = json.loads(text)
        if header["schema"] > SCHEMA:
            raise CheckpointError(
                f"{path}: written by a newer spotlet; run `pip install --upgrade spotlet`"
            )
        if header["schema"] < OLDEST_DETECTOR and header.get("family", "detector") == "detector":
            raise CheckpointError(
                f"{path}: a detector of an older spotlet with another network; retrain it, or "
                "export it with the spotlet that trained it"
            )
        network = build_network(header.get("family", "detector"), header["network"])
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


def describe_network(network: Network) -> dict[str, Any]:
    """Returns the part of a header that `build_network` builds the network from."""
    family = "detector" if isinstance(network, TwoHeadDetector) else "localizer"
    # Every settings class is a dataclass, which a protocol cannot express.
    return {"family": family, "network": asdict(network.settings)}  # type: ignore[call-overload]


def build_network(family: str, settings: dict[str, Any]) -> Network:
    """Returns a network of a header's family and settings, with random weights.

    Raises:
        ValueError: the family or a setting is unknown.
        UsageError: a setting is out of its range.
    """
    if family not in ("detector", "localizer"):
        raise ValueError(f"unknown family {family!r}")
    if not isinstance(settings, dict):
        raise ValueError(f"network settings {settings!r}")
    kind = DetectorSettings if family == "detector" else LocalizerSettings
    unknown = set(settings) - {item.name for item in fields(kind)}
    if unknown:
        raise ValueError(f"unknown network setting {sorted(unknown)}")
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    if family == "detector":
        return TwoHeadDetector(DetectorSettings(**shape))
    return build_localizer(LocalizerSettings(**shape))
