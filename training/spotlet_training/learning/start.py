"""The weights that a training starts from: bundled, from a checkpoint, or random."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.network import TwoHeadDetector
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.network.pretrained import bundled_backbone, is_backbone, load_backbone

PRETRAINED = "pretrained"
"""The bundled backbones, one per size, made by `spotlet pretrain`."""

NONE = "none"
"""Every weight is drawn from the seed."""

CLASS_PREDICTIONS = "class_head.predictions."
"""The weights that belong to a set's classes."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Weights to start from.

    Attributes:
        name: where they come from, as text.
        weights: by their names in a `TwoHeadDetector`; parts may be missing.
    """

    name: str
    weights: Mapping[str, Tensor]

    def load_into(self, network: TwoHeadDetector) -> None:
        """Copies the weights into the network; the rest of the network stays as it is.

        Raises:
            UsageError: the network is of another size.
        """
        own = network.state_dict()
        unfit = [
            name
            for name, new in self.weights.items()
            if name not in own or own[name].shape != new.shape
        ]
        if unfit:
            raise UsageError(
                f"weights of {self.name}: for a network of another size ({unfit[0]}); give the "
                "--size they were trained with"
            )
        network.load_state_dict({**own, **self.weights})

    def __str__(self) -> str:
        return f"{self.name}: {self.parts}"

    @property
    def parts(self) -> str:
        """Which parts of a network they are, as text."""
        if any(name.startswith(CLASS_PREDICTIONS) for name in self.weights):
            return "the whole network"
        if any(name.startswith("box_head.") for name in self.weights):
            return "the network, with a new class head for this set's classes"
        return "the backbone, with a new pyramid and new heads"


def find_start(text: str, size: str, class_names: tuple[str, ...]) -> Start | None:
    """Returns the weights that `--weights` names; None for random ones.

    Args:
        text: `PRETRAINED`, `NONE`, or the path of a checkpoint or of a `spotlet pretrain` file.
        size: of the network, one of `SIZES`.
        class_names: of the set to train on. If the checkpoint has others, the weights that belong
            to its classes are left out.

    Raises:
        CheckpointError: the file cannot be read.
        UsageError: it is not a detector.
    """
    if text == NONE:
        return None
    if text == PRETRAINED:
        return _backbone_start(f"{PRETRAINED} {size}", bundled_backbone(size))
    if is_backbone(Path(text)):
        return _backbone_start(text, Path(text))
    if not Path(text).exists():
        raise CheckpointError(
            f"--weights {text}: no such file; give {PRETRAINED}, {NONE}, or the path of a "
            "checkpoint or of a `spotlet pretrain` file"
        )
    checkpoint = load_checkpoint(Path(text))
    if not isinstance(checkpoint.network, TwoHeadDetector):
        raise UsageError(f"--weights {text}: is a single-object localizer; must be a detector")
    same = checkpoint.class_names == class_names
    weights = {
        name: value
        for name, value in checkpoint.network.state_dict().items()
        if same or not name.startswith(CLASS_PREDICTIONS)
    }
    return Start(text, weights)


def _backbone_start(name: str, path: Path) -> Start:
    weights = load_backbone(path)
    return Start(name, {f"backbone.{part}": weights[part] for part in weights})
