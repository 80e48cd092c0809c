"""The contract of every network, so that one exporter and one runtime serve all."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn


class NetworkSettings(Protocol):
    """What every network's settings contain."""

    @property
    def class_count(self) -> int:
        """Classes, C."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the canvas, pixels."""


class Network(nn.Module, ABC):
    """Camera bytes in; boxes and scores for K places out.

    Attributes:
        score_activation: from logits to scores, in the manifest's words.
        settings: enough to build it again.
    """

    score_activation: ClassVar[str]
    settings: NetworkSettings

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return next(self.parameters()).device

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the design's two outputs.

        Args:
            image: (N, H, W, 3) uint8 BGR, letterboxed to the settings' size.

        Returns:
            boxes (N, K, 4) xyxy in [0, 1] of the canvas, and scores (N, K, C) in [0, 1].
        """
