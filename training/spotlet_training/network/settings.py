"""The shape of a network: enough to build it again from a checkpoint."""

from dataclasses import dataclass, replace

from spotlet.errors import UsageError

STRIDES = (8, 16, 32)
"""Canvas pixels from one cell to the next, for each level of the pyramid."""

LEAST_SIDE, MOST_SIDE = 64, 4096
"""The sides of a canvas, pixels. Below, the coarsest level is a single cell, too few for
BatchNorm's statistics; above, no memory holds a batch."""

SIZES = ("pico", "nano", "small")
"""Sizes of the two-head detector, smallest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """The shape of a two-head detector.

    Attributes:
        class_count: classes, C.
        size_hw: height and width of the canvas, pixels, multiples of the largest stride.
        channels: of the stem and the four stages, at strides 2, 4, 8, 16 and 32.
        blocks: residual blocks in each of the four stages.
        pyramid_channels: of every level of the feature pyramid and of both heads.
        head_convolutions: 3x3 convolutions in each head, before the one that predicts.
        centre: byte that the network takes as zero. Zero itself costs nothing on the device, where
            any other is subtracted from every byte.
        scale: divisor of the centred bytes; an export moves it into the first weights.
    """

    class_count: int
    size_hw: tuple[int, int] = (320, 320)
    channels: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 1, 1, 1)
    pyramid_channels: int = 48
    head_convolutions: int = 2
    centre: float = 127.5
    scale: float = 64.0

    def __post_init__(self) -> None:
        if self.class_count < 1:
            raise UsageError(f"class count {self.class_count}: must be at least 1")
        for name, least, value in (("centre", 0, self.centre), ("scale", 1, self.scale)):
            if not isinstance(value, int | float) or not least <= value <= 255:
                raise UsageError(f"{name} {value}: must be from {least} to 255")
        check_canvas(self.size_hw)

    @classmethod
    def of_size(cls, size: str, class_count: int, size_hw: tuple[int, int]) -> "DetectorSettings":
        """Returns the settings of one of `SIZES`.

        Channels are multiples of 16, the block size of onnxruntime's AVX-512 kernels.

        Raises:
            UsageError: there is no such size, or a number is out of range.
        """
        if size not in SIZES:
            raise UsageError(f"size {size!r}: must be one of {', '.join(SIZES)}")
        shape = {
            "pico": cls(
                class_count=class_count,
                channels=(16, 16, 32, 64, 96),
                blocks=(0, 1, 1, 1),
                pyramid_channels=32,
                head_convolutions=1,
                centre=0.0,
            ),
            "nano": cls(class_count=class_count),
            "small": cls(
                class_count=class_count, channels=(32, 48, 96, 160, 224), pyramid_channels=64
            ),
        }[size]
        return replace(shape, size_hw=size_hw)


def check_canvas(size_hw: tuple[int, int]) -> None:
    """Checks the sides of a canvas.

    Raises:
        UsageError: a side is out of range or not a multiple of the largest stride.
    """
    fits = [LEAST_SIDE <= side <= MOST_SIDE and side % STRIDES[-1] == 0 for side in size_hw]
    if len(fits) != 2 or not all(fits):
        raise UsageError(
            f"image size {'x'.join(map(str, size_hw))}: each side must be a multiple of "
            f"{STRIDES[-1]}, from {LEAST_SIDE} to {MOST_SIDE}"
        )
