"""The optimiser, its schedule and the moving average of the weights."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network import Network

RECIPE_BATCH = 8
"""The batch size that the recipe's learning rate is for."""


def make_optimiser(network: nn.Module, settings: TrainingSettings) -> AdamW:
    """Returns the recipe's optimiser, at the schedule's peak."""
    return decaying_adamw(network, peak_learning_rate(settings), settings.weight_decay)


def decaying_adamw(network: nn.Module, learning_rate: float, weight_decay: float) -> AdamW:
    """Returns AdamW that decays convolution weights alone (arXiv:1711.05101)."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=learning_rate)


def make_schedule(optimiser: AdamW, settings: TrainingSettings, steps: int) -> OneCycleLR:
    """Returns the one-cycle schedule (Smith and Topin 2017, arXiv:1708.07120) over all steps."""
    # torch divides by the length of the rise and of the fall: each needs two steps.
    steps = max(steps, 4)
    return OneCycleLR(
        optimiser,
        max_lr=peak_learning_rate(settings),
        total_steps=steps,
        pct_start=max(settings.warm_up, 2 / steps),
        final_div_factor=1e3,
    )


def peak_learning_rate(settings: TrainingSettings) -> float:
    """Returns the schedule's peak for the settings' batch size.

    Source: the square-root rule for Adam, Malladi et al. 2022, arXiv:2205.10287.
    """
    return settings.learning_rate * math.sqrt(settings.batch_size / RECIPE_BATCH)


def optimiser_tensors(optimiser: AdamW) -> dict[str, Tensor]:
    """Returns what the optimiser remembers of each parameter, as `INDEX.NAME`."""
    state: dict[int, dict[str, Tensor]] = optimiser.state_dict()["state"]
    return {f"{index}.{name}": state[index][name] for index in state for name in state[index]}


def restore_optimiser(
    optimiser: AdamW, tensors: dict[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Restores an optimiser from what `optimiser_tensors` returned and its groups.

    Raises:
        ValueError, IndexError, RuntimeError: they are of other parameters.
    """
    parameters = [each for group in optimiser.param_groups for each in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, slot = name.partition(".")
        index = int(number)
        if tensor.ndim:
            # In the layout of the weights, so that the same kernels process both.
            tensor = torch.empty_like(parameters[index]).copy_(tensor)
        state.setdefault(index, {})[slot] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": groups})


class MovingAverage:
    """An exponential moving average of a network's weights and statistics.

    Attributes:
        network: the averaged network, in evaluation mode.
        steps: taken so far.
    """

    def __init__(self, network: Network, horizon_steps: float) -> None:
        """Starts from a copy of `network`; `horizon_steps` is the mean age of its weights."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._horizon = max(horizon_steps, 1.0)
        self.steps = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Moves one step towards `network`; the first steps are larger."""
        self.steps += 1
        share = max(1 / self._horizon, 1 / (1 + self.steps / 2))
        for mean, new in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(new, share)
            else:
                mean.copy_(new)
