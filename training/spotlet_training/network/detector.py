"""The dense two-head detector: a class head and a box head over every cell of a pyramid."""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spotlet_training.network.backbone import Backbone, Pyramid, normalise
from spotlet_training.network.contract import Network
from spotlet_training.network.settings import STRIDES, DetectorSettings

RARE_SCORE = 0.01
"""Score of every cell before training: most cells are background.

Source: Lin et al. 2017, Focal Loss, arXiv:1708.02002, section 4.1.
"""

MAX_LOG_DISTANCE = 5.0
"""Bound on the box head's output: e^5 = 148 strides, far beyond any canvas."""


class RawPrediction(NamedTuple):
    """The network's output for a batch, as the losses take it.

    Attributes:
        logits: (N, K, C), before the sigmoid.
        boxes: (N, K, 4) xyxy in canvas pixels, unclipped.
    """

    logits: Tensor
    boxes: Tensor


class SharedUnit(nn.Module):
    """A 3x3 convolution shared by all levels, with one BatchNorm per level, and ReLU.

    Objects of all sizes train the same weights; what differs between levels, the statistics, is
    separate (Lyu et al. 2022, RTMDet, arXiv:2212.07784, section 3.2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in STRIDES)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Returns features of the same shapes, one (N, C, H, W) for each level."""
        return [
            F.relu(norm(self.convolution(level)), inplace=True)
            for norm, level in zip(self.norms, levels, strict=True)
        ]


class Head(nn.Module):
    """A tower of shared units, and the 1x1 convolution that predicts.

    Attributes:
        predictions: one convolution for each level.
    """

    def __init__(self, settings: DetectorSettings, outputs: int, bias: float) -> None:
        super().__init__()
        width = settings.pyramid_channels
        self.tower = nn.Sequential(*(SharedUnit(width) for _ in range(settings.head_convolutions)))
        self.predictions = nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in STRIDES)
        for prediction in self.predictions:
            assert isinstance(prediction, nn.Conv2d)
            assert prediction.bias is not None
            nn.init.normal_(prediction.weight, std=0.01)
            nn.init.constant_(prediction.bias, bias)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Returns (N, K, outputs): all cells, finest level first, row by row."""
        predicted = [
            prediction(level)
            for prediction, level in zip(self.predictions, self.tower(levels), strict=True)
        ]
        return torch.cat([one.flatten(2).transpose(1, 2) for one in predicted], dim=1)


class TwoHeadDetector(Network):
    """Camera bytes in, boxes and scores for every cell out.

    A cell predicts the distances from its centre to the four sides of a box, in units of its
    stride and on a log scale (Tian et al. 2019, FCOS, arXiv:1904.01355, equations 1 and 3,
    here with a log for every side).

    Attributes:
        settings: enough to build it again.
    """

    score_activation: ClassVar[str] = "sigmoid"
    settings: DetectorSettings
    cell_centres: Tensor
    cell_reach: Tensor
    unit_centres: Tensor
    unit_reach: Tensor

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings)
        self.pyramid = Pyramid(settings)
        rare = -math.log((1 - RARE_SCORE) / RARE_SCORE)
        self.class_head = Head(settings, settings.class_count, rare)
        self.box_head = Head(settings, 4, math.log(2.0))
        centres, strides = cell_grid(settings.size_hw)
        # Per side of a box, so that decoding is one product and one sum: in canvas pixels for the
        # losses, and in units of the canvas for the device, which then need not divide.
        sides = torch.tensor([*settings.size_hw[::-1]] * 2, dtype=torch.float32)
        signs = torch.tensor([-1.0, -1.0, 1.0, 1.0])
        pixels = {"centres": centres.repeat(1, 2), "reach": strides[:, None] * signs}
        for name, values in pixels.items():
            self.register_buffer(f"cell_{name}", values, persistent=False)
            self.register_buffer(f"unit_{name}", values / sides, persistent=False)

    def raw(self, image: Tensor) -> RawPrediction:
        """Returns logits and boxes in canvas pixels for uint8 BGR (N, H, W, 3)."""
        logits, distances = self._heads(image)
        return RawPrediction(logits, self.cell_centres + distances * self.cell_reach)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the design's two outputs for uint8 BGR (N, H, W, 3).

        Returns:
            boxes (N, K, 4) xyxy in [0, 1] of the canvas, and scores (N, K, C) in [0, 1].
        """
        logits, distances = self._heads(image)
        boxes = self.unit_centres + distances * self.unit_reach
        return boxes.clamp(0.0, 1.0), logits.sigmoid()

    def _heads(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (N, K, C), and the distances (N, K, 4) to the sides, in strides."""
        values = normalise(image, self.settings.centre, self.settings.scale)
        levels = self.pyramid(self.backbone(values))
        logits, log_distances = self.class_head(levels).float(), self.box_head(levels).float()
        return logits, log_distances.clamp(max=MAX_LOG_DISTANCE).exp()


def cell_grid(size_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Returns the places of the cells of all three levels, finest level first, row by row.

    Args:
        size_hw: height and width of the canvas, pixels, multiples of the largest stride.

    Returns:
        centres (K, 2) xy in canvas pixels and strides (K,), float32.
    """
    centres, strides = [], []
    for stride in STRIDES:
        rows = (torch.arange(size_hw[0] // stride) + 0.5) * stride
        columns = (torch.arange(size_hw[1] // stride) + 0.5) * stride
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres.append(torch.stack([x.flatten(), y.flatten()], dim=1))
        strides.append(torch.full((x.numel(),), float(stride)))
    return torch.cat(centres), torch.cat(strides)
