"""One run of the experiment: a recipe and a seed in, a trained network and its figures out."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from spotlet.errors import TrainingError, UsageError
from spotlet_training.learning.hardware import computing_in
from spotlet_training.learning.learner import channels_last
from spotlet_training.learning.overlap import paired_iou
from spotlet_training.localization.measures import Measures, measure
from spotlet_training.localization.recipe import Recipe, localization_loss
from spotlet_training.localization.scenes import FrozenSet, pick
from spotlet_training.network import Localizer, build_localizer

CURVE_SCENES = 300
"""Held-out scenes, the first ones, on which a network is measured after each epoch: all of them
would take a third of a training's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFigures:
    """The figures of one epoch.

    Attributes:
        train_accuracy: mean over its steps, during training.
        train_iou: the same of the mean IoU.
        val_accuracy: after it, on the first `CURVE_SCENES` held-out scenes.
        val_iou: the same.
    """

    train_accuracy: float
    train_iou: float
    val_accuracy: float
    val_iou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run. The weights are those of the last epoch.

    Attributes:
        epochs: in order.
        train: the trained network on the training scenes.
        val: the trained network on the held-out scenes.
        parameters: of the network.
        seconds: wall time of the training, with the measuring of each epoch.
    """

    epochs: tuple[EpochFigures, ...]
    train: Measures
    val: Measures
    parameters: int
    seconds: float


def learn(
    recipe: Recipe,
    data: FrozenSet,
    seed: int,
    device: torch.device,
    precision: torch.dtype,
    on_epoch: Callable[[int, EpochFigures], None] = lambda *_: None,
) -> tuple[Localizer, Outcome]:
    """Trains a localizer and measures it. Each epoch skips an incomplete batch.

    Args:
        recipe: the network and its training.
        data: the scenes.
        seed: of the weights, the order of the scenes and all other randomness.
        device: for the training.
        precision: of convolutions during training and in the measures after each epoch; the
            heads' last layers and the trained network's measures are float32.
        on_epoch: called after each epoch, with its number from 1.

    Returns:
        The network, in evaluation mode, on the CPU; and the result of the run.

    Raises:
        TrainingError: the loss is not a finite number.
        UsageError: there are fewer scenes than a batch.
    """
    if len(data.train) < recipe.batch_size:
        raise UsageError(f"{len(data.train)} scenes: must be at least {recipe.batch_size}, a batch")
    torch.manual_seed(seed)
    network = channels_last(build_localizer(recipe.network).to(device))
    optimiser = Adam(network.parameters(), recipe.learning_rate)
    steps = len(data.train) // recipe.batch_size
    glimpse = pick(data.val, torch.arange(min(CURVE_SCENES, len(data.val))), device)
    schedule = make_schedule(optimiser, recipe, steps * recipe.epochs)
    epochs = []
    started = time.perf_counter()
    for number in range(1, recipe.epochs + 1):
        network.train()
        order = torch.randperm(len(data.train))
        sums = torch.zeros(2)
        for step in range(steps):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            batch = pick(data.train, chosen, device, mirrored=recipe.mirrored)
            with computing_in(precision, device):
                prediction = network.raw(batch.images)
            loss = localization_loss(prediction, batch.boxes, batch.class_ids, recipe)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"loss {loss.item()}: not a finite number; lower the learning rate"
                )
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            if schedule is not None:
                schedule.step()
            right = (prediction.logits.argmax(dim=1) == batch.class_ids).float().mean()
            overlap = paired_iou(prediction.boxes.detach(), batch.boxes).mean()
            sums += torch.stack([right, overlap]).cpu()
        val = measure(network, glimpse, precision)
        accuracy, iou = (sums / steps).tolist()
        epochs.append(
            EpochFigures(
                train_accuracy=accuracy, train_iou=iou, val_accuracy=val.accuracy, val_iou=val.iou
            )
        )
        on_epoch(number, epochs[-1])
    seconds = time.perf_counter() - started
    outcome = Outcome(
        epochs=tuple(epochs),
        train=measure(network, data.train),
        val=measure(network, data.val),
        parameters=sum(weights.numel() for weights in network.parameters()),
        seconds=seconds,
    )
    return network.eval().cpu(), outcome


def make_schedule(optimiser: Adam, recipe: Recipe, steps: int) -> LRScheduler | None:
    """Returns the recipe's schedule over all steps; None if the rate is constant."""
    if recipe.schedule == "constant":
        return None
    return CosineAnnealingLR(optimiser, steps)
