"""The settings of a training."""

from dataclasses import dataclass, field

from spotlet.errors import UsageError
from spotlet.manifest import NO_TILES
from spotlet.tiles import TileSettings
from spotlet_training.learning.augmentation import AugmentationSettings
from spotlet_training.network.settings import SIZES, check_canvas

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")

EVERYDAY = "everyday"
"""The bundled detector of everyday things, whole; the backbone, if the size has none."""

PRETRAINED = "pretrained"
"""The bundled backbones, one per size, made by `spotlet pretrain`."""

NONE = "none"
"""Every weight is drawn from the seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The recipe of a training, one for all sets.

    Attributes:
        size: of the network, one of `SIZES`.
        weights: to start from: `EVERYDAY`, `PRETRAINED` or `NONE`; or the path of a checkpoint, or
            of a `spotlet pretrain` file, of the same size.
        epochs: passes over the training images.
        size_hw: of the canvas, pixels, multiples of 32.
        batch_size: canvases a step.
        learning_rate: the schedule's peak, for 8 canvases a step; scaled with the square root of
            the batch size.
        weight_decay: of convolution weights; biases and BatchNorm have none.
        warm_up: share of the steps over which the learning rate rises.
        plain_share: share of the epochs, the last ones, without mosaics.
        average_share: horizon of the moving average of the weights, as a share of all steps.
        seed: of the initial weights, the order and the augmentations.
        device: one of `DEVICES`; `auto` takes CUDA if there is a device.
        precision: one of `PRECISIONS`; `auto` takes bfloat16 on CUDA and on processors with
            instructions for it (AMX, AVX-512 BF16), else float32.
        loaders: threads that decode and augment; 0 takes one for each processor, 8 at most.
        cache_bytes: memory for decoded training images, on one machine; validation images get a
            quarter of that in addition.
        compile: whether `torch.compile` compiles the network first.
        augmentation: how far pictures are changed.
        tiles: cut-outs of pictures to learn from beside whole ones; validation cuts alike.
    """

    size: str = "nano"
    weights: str = EVERYDAY
    epochs: int = 30
    size_hw: tuple[int, int] = (320, 320)
    batch_size: int = 8
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    plain_share: float = 0.2
    average_share: float = 0.04
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    loaders: int = 0
    cache_bytes: int = 2 * 1024**3
    compile: bool = False
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    tiles: TileSettings = NO_TILES

    def steps_per_epoch(self, images: int) -> int:
        """Returns how many batches an epoch has; an incomplete one is dropped."""
        return max(images // self.batch_size, 1)

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("seed", 0),
            ("loaders", 0),
            ("cache_bytes", 0),
        ):
            if getattr(self, name) < least:
                raise UsageError(f"{name} {getattr(self, name)}: must be at least {least}")
        check_canvas(self.size_hw)
        if not 0 < self.learning_rate < float("inf"):
            raise UsageError(f"learning_rate {self.learning_rate}: must be over 0")
        for name in ("weight_decay", "warm_up", "plain_share", "average_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name)}: must be from 0 to 1")
        if self.size not in SIZES:
            raise UsageError(f"size {self.size!r}: must be one of {', '.join(SIZES)}")
        if self.device not in DEVICES:
            raise UsageError(f"device {self.device!r}: must be one of {', '.join(DEVICES)}")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"precision {self.precision!r}: must be one of {', '.join(PRECISIONS)}"
            )
