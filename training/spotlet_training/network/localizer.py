"""Single-object localizers: one place (K = 1), a class head and a box head on a shared trunk."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from spotlet.errors import UsageError
from spotlet_training.network.backbone import ConvUnit, ResidualBlock, normalise
from spotlet_training.network.contract import Network
from spotlet_training.network.settings import check_canvas

TRUNKS = ("flat", "integral")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizerSettings:
    """The shape of a localizer.

    Attributes:
        class_count: classes, C.
        size_hw: height and width of the canvas, pixels, multiples of 32.
        trunk: `flat` for two convolutions and a flatten, `integral` for a fully convolutional
            trunk whose box sides are means over heatmaps.
        dropout: share of the trunk's features that training sets to 0, in [0, 1).

    Raises:
        UsageError: a value breaks its rule.
    """

    class_count: int
    size_hw: tuple[int, int] = (256, 256)
    trunk: str = "flat"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.class_count < 1:
            raise UsageError(f"class count {self.class_count}: must be at least 1")
        check_canvas(self.size_hw)
        if self.trunk not in TRUNKS:
            raise UsageError(f"trunk {self.trunk!r}: must be one of {', '.join(TRUNKS)}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout {self.dropout}: must be from 0 to below 1")


class RawLocalization(NamedTuple):
    """A localizer's output for a batch, as its losses take it.

    Attributes:
        logits: (N, C), before the softmax.
        boxes: (N, 4) xyxy in units of the canvas's sides, unclipped.
    """

    logits: Tensor
    boxes: Tensor


class Localizer(Network):
    """The class and the box of the single object on a canvas.

    Attributes:
        settings: enough to build it again.
    """

    score_activation: ClassVar[str] = "softmax"
    settings: LocalizerSettings

    def __init__(self, settings: LocalizerSettings) -> None:
        super().__init__()
        self.settings = settings

    @abstractmethod
    def raw(self, image: Tensor) -> RawLocalization:
        """Returns logits and unclipped boxes for uint8 BGR (N, H, W, 3)."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns boxes (N, 1, 4) in [0, 1] and scores (N, 1, C) for uint8 BGR (N, H, W, 3)."""
        logits, boxes = self.raw(image)
        return boxes.clamp(0.0, 1.0)[:, None], logits.softmax(dim=1)[:, None]


class FlatLocalizer(Localizer):
    """The published network: two convolutions, a flatten, two linear heads.

    The ReLU follows the pooling, not the convolution: max(0, ·) and the maximum of four commute, so
    it is the same function for a quarter of the work.
    """

    def __init__(self, settings: LocalizerSettings) -> None:
        super().__init__(settings)
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Dropout(settings.dropout),
            nn.Flatten(),
        )
        features = 32 * (settings.size_hw[0] // 4) * (settings.size_hw[1] // 4)
        self.class_head = nn.Linear(features, settings.class_count)
        self.box_head = nn.Linear(features, 4)

    def features(self, image: Tensor) -> Tensor:
        """Returns the input of both heads, (N, 32 * H/4 * W/4), none below 0."""
        flat: Tensor = self.trunk(image.permute(0, 3, 1, 2).to(torch.float32) / 255)
        return flat

    def raw(self, image: Tensor) -> RawLocalization:
        """Returns logits and unclipped boxes for uint8 BGR (N, H, W, 3)."""
        features = self.features(image).float()
        # In bfloat16 a side of 200 pixels would be rounded to whole pixels.
        with torch.autocast(features.device.type, enabled=False):
            return RawLocalization(self.class_head(features), self.box_head(features))


class IntegralLocalizer(Localizer):
    """Strided convolutions; the class from their mean, each side of the box from a heatmap.

    A softmax turns a side's heatmap into a distribution over the cells, and the side lies at its
    mean: differentiable, finer than a cell, and with the same weights everywhere.
    Source: Sun et al. 2018, Integral Human Pose Regression, arXiv:1711.08229, equation 2.
    """

    places: Tensor

    def __init__(self, settings: LocalizerSettings) -> None:
        super().__init__(settings)
        self.trunk = nn.Sequential(
            ConvUnit(3, 16, stride=2),
            ConvUnit(16, 32, stride=2),
            ConvUnit(32, 48, stride=2),
            ConvUnit(48, 64, stride=2),
            ResidualBlock(64),
            nn.Dropout(settings.dropout),
        )
        self.class_tower = nn.Sequential(ConvUnit(64, 128, stride=2), ResidualBlock(128))
        self.class_head = nn.Linear(128, settings.class_count)
        self.box_tower = ConvUnit(64, 64)
        self.box_head = nn.Conv2d(64, 4, 1)
        rows, columns = settings.size_hw[0] // 16, settings.size_hw[1] // 16
        # From edge to edge of the canvas, not from centre to centre of the outer cells: a mean
        # cannot lie outside the values it is taken over.
        y, x = torch.meshgrid(
            torch.linspace(0, 1, rows), torch.linspace(0, 1, columns), indexing="ij"
        )
        places = torch.stack([x, y, x, y]).flatten(1)
        self.register_buffer("places", places, persistent=False)

    def raw(self, image: Tensor) -> RawLocalization:
        """Returns logits and unclipped boxes for uint8 BGR (N, H, W, 3)."""
        features = self.trunk(normalise(image))
        classes = self.class_tower(features).float().mean(dim=(2, 3))
        sides = self.box_tower(features).float()
        with torch.autocast(sides.device.type, enabled=False):
            heat = self.box_head(sides).flatten(2).softmax(dim=2)
            return RawLocalization(self.class_head(classes), (heat * self.places).sum(dim=2))


def build_localizer(settings: LocalizerSettings) -> Localizer:
    """Returns the localizer that the settings describe, with random weights."""
    return {"flat": FlatLocalizer, "integral": IntegralLocalizer}[settings.trunk](settings)
