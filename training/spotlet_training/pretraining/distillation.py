"""A backbone learns the teacher's features.

A 1x1 convolution, discarded afterwards, turns the features of each stride into the teacher's
at that stride; the loss is the mean squared error of its standardised channels.

Source: Romero et al. 2015, FitNets, arXiv:1412.6550, equation 3 (hints through a regressor);
Beyer et al. 2022, arXiv:2106.05237 (teacher and student see the same view; patience).
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spotlet.errors import TrainingError, UsageError
from spotlet_training.datasets.ahead import ahead
from spotlet_training.learning.hardware import computing_in
from spotlet_training.learning.learner import channels_last
from spotlet_training.learning.optimisation import decaying_adamw
from spotlet_training.network.backbone import Backbone, normalise
from spotlet_training.network.settings import DetectorSettings
from spotlet_training.pretraining.targets import Targets
from spotlet_training.pretraining.teacher import TAP_CHANNELS
from spotlet_training.pretraining.unfinished import restore_unfinished, save_unfinished

GRADIENT_LIMIT = 5.0
"""Norm to which gradients are clipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationSettings:
    """The recipe of a distillation.

    Attributes:
        epochs: passes over the views.
        batch_size: views a step.
        learning_rate: peak, after the warm-up; it falls to 0 as a cosine.
        warm_up: steps over which the rate rises.
        weight_decay: of convolution weights.
        seed: of the initial weights and the order.
    """

    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 4e-3
    warm_up: int = 300
    weight_decay: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "warm_up"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}: must be at least 1")


class Student(nn.Module):
    """A backbone with a regressor for each stride."""

    def __init__(self, shape: DetectorSettings) -> None:
        super().__init__()
        self.backbone, self.byte_range = Backbone(shape), (shape.centre, shape.scale)
        self.regressors = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in zip(shape.channels[2:], TAP_CHANNELS, strict=True)
        )

    def forward(self, views: Tensor) -> list[Tensor]:
        """Returns estimates of the teacher's features for views (N, H, W, 3) uint8 BGR."""
        levels = self.backbone(normalise(views, *self.byte_range))
        return [regressor(level) for regressor, level in zip(self.regressors, levels, strict=True)]


class Taught(NamedTuple):
    """The result of one epoch.

    Attributes:
        number: from 1.
        unexplained: share of the variance of the teacher's features that the student does not
            explain, at strides 8, 16 and 32.
        seconds: wall time.
    """

    number: int
    unexplained: tuple[float, ...]
    seconds: float


def distil(
    targets: Targets,
    shape: DetectorSettings,
    settings: DistillationSettings,
    *,
    device: torch.device,
    dtype: torch.dtype,
    unfinished: Path | None = None,
    on_skipped: Callable[[int], None] = lambda _: None,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[Taught], None] = lambda _: None,
) -> Backbone:
    """Returns a backbone trained on all views, on the CPU and in evaluation mode.

    Args:
        targets: views and features to learn.
        shape: of the backbone's network.
        settings: the recipe.
        device: for the training.
        dtype: of the convolutions.
        unfinished: file for the state after each epoch, to continue from if it exists.
        on_skipped: called with the steps that `unfinished` has behind it.
        on_step: called after each step.
        on_epoch: called after each epoch.

    Raises:
        UsageError: there are fewer views than a batch, or `unfinished` belongs to another recipe.
        TrainingError: the loss is no longer a finite number.
        CheckpointError: `unfinished` is damaged.
    """
    torch.manual_seed(settings.seed)
    student = channels_last(Student(shape).to(device)).train()
    optimiser = decaying_adamw(student, settings.learning_rate, settings.weight_decay)
    steps = targets.count // settings.batch_size
    if not steps:
        raise UsageError(f"{targets.count} views: must be at least {settings.batch_size}, a batch")
    recipe = {"settings": asdict(settings), "shape": asdict(shape), "views": targets.about}
    done = 0 if unfinished is None else restore_unfinished(unfinished, student, optimiser, recipe)
    on_skipped(done * steps)
    with ThreadPoolExecutor(1) as pool:
        for epoch in range(done, settings.epochs):
            started = time.perf_counter()
            order = np.random.default_rng([settings.seed, epoch]).permutation(targets.count)
            batches = np.split(order[: steps * settings.batch_size], steps)
            sums = torch.zeros(len(TAP_CHANNELS), device=device)
            loaded = ahead(targets.batch, batches, pool, depth=4)
            for number, (views, features) in enumerate(loaded):
                rate = learning_rate(epoch * steps + number, steps * settings.epochs, settings)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                with computing_in(dtype, device):
                    guesses = student(views.to(device))
                errors = [
                    F.mse_loss(guess.float(), true.to(device))
                    for guess, true in zip(guesses, features, strict=True)
                ]
                losses = torch.stack(errors)
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(losses.sum())
                nn.utils.clip_grad_norm_(student.parameters(), GRADIENT_LIMIT)
                optimiser.step()
                sums += losses.detach()
                on_step()
            unexplained = tuple((sums / steps).tolist())
            if not all(map(math.isfinite, unexplained)):
                raise TrainingError(
                    f"loss {sum(unexplained)} in epoch {epoch + 1}: not a finite number"
                )
            if unfinished is not None:
                save_unfinished(unfinished, student, optimiser, epoch + 1, recipe)
            on_epoch(Taught(epoch + 1, unexplained, time.perf_counter() - started))
    return student.backbone.cpu().eval()


def learning_rate(step: int, steps: int, settings: DistillationSettings) -> float:
    """Returns the rate of a step, from 0 to `steps` - 1: a linear rise under a falling cosine."""
    rise = (step + 1) / settings.warm_up
    return settings.learning_rate * min(rise, (1 + math.cos(math.pi * step / steps)) / 2)
