"""The weights that a training starts from: bundled, from a checkpoint, or random."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.datasets.class_order import listed
from spotlet_training.learning.settings import EVERYDAY, NONE, PRETRAINED
from spotlet_training.network import TwoHeadDetector
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.network.pretrained import (
    bundled_backbone,
    bundled_detector,
    is_backbone,
    load_backbone,
)

CLASS_PREDICTIONS = "class_head.predictions."
"""The weights that belong to a set's classes: one row of each for a class."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Weights to start from.

    Attributes:
        name: where they come from, as text.
        weights: by their names in a `TwoHeadDetector`; parts may be missing.
        known: the classes of the rows of `CLASS_PREDICTIONS`; none without such weights.
        wanted: the classes of the network to start.
        byte_range: `centre` and `scale` of the network they come from, if known.
    """

    name: str
    weights: Mapping[str, Tensor]
    known: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    byte_range: tuple[float, float] | None = None

    def load_into(self, network: TwoHeadDetector) -> None:
        """Copies the weights into the network; the rest of the network stays as it is.

        Of the class predictions, the rows of classes that both have are copied.

        Raises:
            UsageError: the network is of another size, or takes bytes differently.
        """
        merged = network.state_dict()
        both = [name for name in self.wanted if name in self.known]
        rows = [self.wanted.index(name) for name in both]
        known_rows = [self.known.index(name) for name in both]
        for name, given in self.weights.items():
            own, new = merged.get(name), given
            by_class = name.startswith(CLASS_PREDICTIONS)
            if own is not None and by_class and own.shape[1:] == given.shape[1:]:
                new = own.clone()
                new[rows] = given[known_rows]
            if own is None or own.shape != new.shape:
                raise UsageError(
                    f"weights of {self.name}: for a network of another size, or of an older "
                    f"Spotlet ({name}); give the --size they were trained with, or start from "
                    f"{EVERYDAY}"
                )
            merged[name] = new
        own_range = network.settings.centre, network.settings.scale
        if self.byte_range not in (None, own_range):
            raise UsageError(
                f"weights of {self.name}: for bytes with centre and scale {self.byte_range}; those "
                f"of this network are {own_range}; start from {EVERYDAY}"
            )
        network.load_state_dict(merged)

    def __str__(self) -> str:
        return f"{self.name}: {self.parts}"

    @property
    def parts(self) -> str:
        """Which parts of a network they are, as text."""
        if not self.known:
            return "the backbone, with a new pyramid and new heads"
        kept = [name for name in self.wanted if name in self.known]
        new = [name for name in self.wanted if name not in self.known]
        if not new:
            return "the whole network"
        rows = [
            f"{listed(names)} {fate}" for names, fate in ((kept, "kept"), (new, "new")) if names
        ]
        return f"the network; class head: {', '.join(rows)}"


def find_start(text: str, size: str, class_names: tuple[str, ...]) -> Start | None:
    """Returns the weights that `--weights` names; None for random ones.

    Args:
        text: `EVERYDAY`, `PRETRAINED`, `NONE`, or the path of a checkpoint or of a
            `spotlet pretrain` file.
        size: of the network, one of `SIZES`.
        class_names: of the set to train on; matched by name with those of a checkpoint.

    Raises:
        CheckpointError: the file cannot be read.
        UsageError: it is not a detector.
    """
    if text == NONE:
        return None
    bundled = {EVERYDAY: bundled_detector(EVERYDAY, size), PRETRAINED: bundled_backbone(size)}
    path = bundled.get(text, Path(text))
    name = f"bundled {path.stem}" if text in bundled else text
    if is_backbone(path):
        weights = load_backbone(path)
        return Start(name, {f"backbone.{part}": weights[part] for part in weights})
    if not path.exists():
        raise CheckpointError(
            f"--weights {text}: no such file; give {EVERYDAY}, {PRETRAINED}, {NONE}, or the path "
            "of a checkpoint or of a `spotlet pretrain` file"
        )
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.network, TwoHeadDetector):
        raise UsageError(f"--weights {text}: is a single-object localizer; must be a detector")
    weights, shape = checkpoint.network.state_dict(), checkpoint.network.settings
    byte_range = (shape.centre, shape.scale)
    return Start(
        name, weights, known=checkpoint.class_names, wanted=class_names, byte_range=byte_range
    )
