"""A network that learns one batch at a time."""

from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from spotlet.errors import TrainingError, UsageError
from spotlet_training.batches import Batch
from spotlet_training.hardware import pick_device, pick_precision
from spotlet_training.losses import Losses, detection_losses
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.optimisation import MovingAverage, make_optimiser, make_schedule
from spotlet_training.settings import TrainingSettings

Module = TypeVar("Module", bound=nn.Module)

GRADIENT_LIMIT = 10.0
"""Norm to which gradients are cut: a bad first batch must not throw the weights away."""


class Learner:
    """A network with its optimiser, schedule and moving average.

    Attributes:
        network: what learns.
        average: the moving average of its weights, which is what is kept.
        device: where it learns.
    """

    def __init__(
        self,
        class_count: int,
        settings: TrainingSettings,
        total_steps: int,
        start: TwoHeadDetector | None = None,
    ) -> None:
        """Makes a network: its weights drawn from the settings' seed, or those of `start`.

        Raises:
            UsageError: `start` has another shape.
        """
        torch.manual_seed(settings.seed)
        self.device = pick_device(settings)
        self._dtype = pick_precision(settings, self.device)
        shape = DetectorSettings(class_count=class_count, size_hw=settings.size_hw)
        network = TwoHeadDetector(shape)
        if start is not None:
            if start.settings != shape:
                raise UsageError(
                    f"weights of {start.settings}: the training wants {shape}, and no other"
                )
            network.load_state_dict(start.state_dict())
        self.network = channels_last(network.to(self.device)).train()
        self.average = MovingAverage(self.network, settings.average_share * total_steps)
        self._optimiser = make_optimiser(self.network, settings)
        self._schedule = make_schedule(self._optimiser, settings, total_steps)
        self._total_steps = total_steps
        self._steps = 0

    def step(self, batch: Batch) -> Losses:
        """Learns one batch; returns its losses.

        Raises:
            TrainingError: the loss is not a finite number; no step was taken.
        """
        images = batch.images.to(self.device)
        objects = batch.objects.to(self.device)
        with torch.autocast(self.device.type, self._dtype, enabled=self._dtype != torch.float32):
            prediction = self.network.raw(images)
        size_hw = self.network.settings.size_hw
        progress = self._steps / self._total_steps
        losses = detection_losses(prediction, objects, size_hw, progress)
        if not torch.isfinite(losses.total):
            raise TrainingError(
                f"loss {losses.total.item()} after {self._steps} steps: not finite; try a lower "
                "--learning-rate"
            )
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total)
        clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        self._optimiser.step()
        self._schedule.step()
        self.average.update(self.network)
        self._steps += 1
        return losses


def channels_last(network: Module) -> Module:
    """Returns the network with convolution weights laid out for NHWC kernels, which are faster."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network
