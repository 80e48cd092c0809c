"""Plain 3x3 convolutions, from pixels to a feature pyramid.

BatchNorm folds into each convolution at export, and ReLU clips at zero: both make the network easy
to quantise, and every processor has fast kernels for it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spotlet_training.network.settings import DetectorSettings


class ConvUnit(nn.Sequential):
    """Convolution, BatchNorm and, unless it feeds an addition, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, active: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if active else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016, arXiv:1512.03385, Fig. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels, active=False)

    def forward(self, features: Tensor) -> Tensor:
        """Returns features of the same shape (N, C, H, W)."""
        return F.relu(features + self.second(self.first(features)))


class Backbone(nn.Module):
    """A stem and four stages; each halves the picture."""

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.stem = ConvUnit(3, settings.channels[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvUnit(inputs, outputs, stride=2),
                *(ResidualBlock(outputs) for _ in range(blocks)),
            )
            for inputs, outputs, blocks in zip(
                settings.channels[:-1], settings.channels[1:], settings.blocks, strict=True
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Returns the features at strides 8, 16 and 32.

        Args:
            image: (N, 3, H, W) float, normalised.

        Returns:
            Three tensors (N, channels, H / stride, W / stride).
        """
        features = self.stem(image)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels[1:]


class Pyramid(nn.Module):
    """Top-down feature pyramid (Lin et al. 2017, arXiv:1612.03144, Fig. 3)."""

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        width = settings.pyramid_channels
        self.lateral = nn.ModuleList(
            ConvUnit(inputs, width, kernel=1) for inputs in settings.channels[2:]
        )
        self.smooth = nn.ModuleList(ConvUnit(width, width) for _ in settings.channels[3:])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Returns the levels, finest first, all with the pyramid's channels."""
        merged = [lateral(level) for lateral, level in zip(self.lateral, levels, strict=True)]
        for fine in range(len(merged) - 2, -1, -1):
            coarse = F.interpolate(merged[fine + 1], scale_factor=2.0, mode="nearest")
            merged[fine] = self.smooth[fine](merged[fine] + coarse)
        return merged


def normalise(image: Tensor, centre: float = 127.5, scale: float = 64.0) -> Tensor:
    """Returns (byte - centre) / scale, (N, 3, H, W) float, for uint8 (N, H, W, 3).

    Part of the network, so that the device feeds camera bytes. Centre and scale do not depend on a
    data set.
    """
    values = image.permute(0, 3, 1, 2).to(torch.float32)
    if centre:
        values = values - centre
    return values if scale == 1 else values / scale
