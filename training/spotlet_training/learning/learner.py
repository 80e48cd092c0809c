"""A network that learns one batch at a time."""

from math import isfinite
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from spotlet.errors import CheckpointError, TrainingError
from spotlet_training.learning.batches import Batch
from spotlet_training.learning.distributed import ALONE, Ranks, prepare
from spotlet_training.learning.hardware import compiled, computing_in, pick_device, pick_precision
from spotlet_training.learning.losses import detection_losses
from spotlet_training.learning.optimisation import (
    MovingAverage,
    make_optimiser,
    make_schedule,
    optimiser_tensors,
    restore_optimiser,
)
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.learning.start import Start
from spotlet_training.network import DetectorSettings, TwoHeadDetector

Module = TypeVar("Module", bound=nn.Module)

GRADIENT_LIMIT = 10.0
"""Norm to which gradients are clipped: a bad first batch must not ruin the weights."""

REMEDY = "this epoch was not written; try a lower --learning-rate, or --precision float32"


class Reading(NamedTuple):
    """The losses of one step, as numbers.

    Attributes:
        total: what is minimised.
        scores: the class head's part.
        boxes: the box head's part.
    """

    total: float
    scores: float
    boxes: float


class Learner:
    """A network with its optimiser, schedule and moving average.

    Attributes:
        network: the one that is trained.
        average: the moving average of its weights, which is saved.
        device: of the network.
        learning_rate: of the last step, the highest of all parameter groups.
        checks_each_step: whether `step` itself checks that its figures are finite. On a GPU that
            would wait for the device, so `read` does it.
    """

    def __init__(
        self,
        class_count: int,
        settings: TrainingSettings,
        total_steps: int,
        start: Start | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Builds the network; weights that `start` lacks are drawn from the seed.

        Raises:
            UsageError: `start` is of another size.
        """
        torch.manual_seed(settings.seed)
        self.device = pick_device(settings)
        self._dtype = pick_precision(settings, self.device)
        network = TwoHeadDetector(
            DetectorSettings.of_size(settings.size, class_count, settings.size_hw)
        )
        if start is not None:
            start.load_into(network)
        self.network = channels_last(network.to(self.device)).train()
        self.average = MovingAverage(self.network, settings.average_share * total_steps)
        self._optimiser = make_optimiser(self.network, settings)
        self._schedule = make_schedule(self._optimiser, settings, total_steps)
        self._ranks = ranks
        self._seed = settings.seed
        prepare(self.network, ranks)
        self._raw = compiled(self.network.raw) if settings.compile else self.network.raw
        self._total_steps = total_steps
        self._steps = 0
        self._unread: list[tuple[int, tuple[str, ...], Tensor]] = []
        self.learning_rate = 0.0
        self.checks_each_step = self.device.type == "cpu"

    def seed(self, epoch: int) -> None:
        """Seeds the network's randomness from the settings' seed and the epoch."""
        torch.manual_seed(int(np.random.SeedSequence([self._seed, epoch]).generate_state(1)[0]))

    def step(self, batch: Batch) -> None:
        """Learns one batch, or this process's share of it; `read` returns the losses.

        Raises:
            TrainingError: `checks_each_step`, and the loss or the gradient is not finite; the
                weights are unchanged.
        """
        batch = batch.map(lambda tensor: tensor.to(self.device, non_blocking=True))
        with computing_in(self._dtype, self.device):
            prediction = self._raw(batch.images)
        size_hw = self.network.settings.size_hw
        progress = self._steps / self._total_steps
        total = self._ranks.total
        losses = detection_losses(prediction, batch.objects, size_hw, progress, total)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total)
        self._ranks.total_gradients(self.network)
        norm = clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        parts = total(torch.stack([losses.total.detach(), losses.scores, losses.boxes]))
        self._steps += 1
        self._unread.append((self._steps, batch.names, torch.cat([parts, norm[None]])))
        if self.checks_each_step:
            self._require_finite(*self._unread[-1])
        self.learning_rate = max(group["lr"] for group in self._optimiser.param_groups)
        self._optimiser.step()
        self._schedule.step()
        self.average.update(self.network)

    def read(self) -> list[Reading]:
        """Returns the losses of the steps since the last call; waits for a GPU.

        Raises:
            TrainingError: a loss or a gradient is not finite; the weights are lost.
        """
        if not self._unread:
            return []
        rows = torch.stack([figures for _, _, figures in self._unread]).cpu()
        for (step, names, _), row in zip(self._unread, rows, strict=True):
            self._require_finite(step, names, row)
        self._unread.clear()
        return [Reading(*row) for row in rows[:, :3].tolist()]

    def settle(self) -> None:
        """Averages statistics over the processes, and checks weights before they are saved.

        Raises:
            TrainingError: a weight is not finite, or processes hold different ones.
        """
        for network in (self.network, self.average.network):
            self._ranks.share_statistics(network)
            for name, weights in network.state_dict().items():
                if not bool(torch.isfinite(weights).all()):
                    raise TrainingError(f"{name} after {self._steps} steps: not finite; {REMEDY}")
        self._ranks.require_same(self.network)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Returns what `restore` needs: tensors by name, and values that JSON can hold."""
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": optimiser_tensors(self._optimiser),
        }
        tensors = {
            f"{part}.{name}": tensor for part in parts for name, tensor in parts[part].items()
        }
        numbers = {
            "steps": self._steps,
            "average_steps": self.average.steps,
            "groups": self._optimiser.state_dict()["param_groups"],
            "schedule": self._schedule.state_dict(),
        }
        return tensors, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Continues from what `state` returned, to the bit.

        Raises:
            CheckpointError: it is of another network or optimiser.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        try:
            self.network.load_state_dict(parts["network"])
            self.average.network.load_state_dict(parts["average"])
            restore_optimiser(self._optimiser, parts["optimiser"], numbers["groups"])
            self._schedule.load_state_dict(numbers["schedule"])
            self._steps, self.average.steps = numbers["steps"], numbers["average_steps"]
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise CheckpointError(
                f"the training state is of another version ({str(error).splitlines()[0]}); resume "
                "with the spotlet that wrote it"
            ) from error

    def _require_finite(self, step: int, names: tuple[str, ...], figures: Tensor) -> None:
        loss, *_, norm = figures.tolist()
        if all(map(isfinite, figures.tolist())):
            return
        images = dict.fromkeys(name for each in self._ranks.gather(names) for name in each)
        raise TrainingError(
            f"loss {loss:g}, gradient norm {norm:g} in step {step} of {self._total_steps}: "
            f"not finite; check the images of that batch and their labels, {', '.join(images)}; "
            f"{REMEDY}"
        )


def channels_last(network: Module) -> Module:
    """Returns the network with convolution weights in NHWC order, whose kernels are faster."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network
