"""The training loop: a labelled set in, the best checkpoint out."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import cpu_count
from pathlib import Path

import numpy as np
import torch

from spotlet.errors import DatasetError
from spotlet.evaluation import Accuracy
from spotlet_training.batches import Batch, CachedDataset, training_batches
from spotlet_training.checkpoint import Checkpoint, save_checkpoint
from spotlet_training.datasets import Dataset
from spotlet_training.evaluation import evaluate_network
from spotlet_training.learner import Learner
from spotlet_training.network import TwoHeadDetector
from spotlet_training.optimisation import MovingAverage
from spotlet_training.settings import TrainingSettings

BEST_CHECKPOINT = "best.safetensors"
"""The file in the output folder that `spotlet export` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        loss: mean total loss of its steps.
        scores_loss: mean of the class head's part.
        boxes_loss: mean of the box head's part.
        ap: COCO's AP of the averaged weights on the validation images.
        ap50: the same at IoU 0.50.
        accuracy: the same by size and class.
        seconds: wall time, validation included.
        best: whether its weights were kept.
    """

    number: int
    loss: float
    scores_loss: float
    boxes_loss: float
    ap: float
    ap50: float
    accuracy: Accuracy
    seconds: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a training stands, after each step.

    Attributes:
        epoch: from 1.
        step: within the epoch, from 1.
        steps: in an epoch.
        loss: of this step.
    """

    epoch: int
    step: int
    steps: int
    loss: float


def train(
    train_set: Dataset,
    val_set: Dataset,
    settings: TrainingSettings,
    out: Path,
    *,
    start: TwoHeadDetector | None = None,
    data_name: str = "",
    on_step: Callable[[Step], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Trains a detector, and keeps the weights that do best on the validation images.

    Args:
        train_set: labelled images to learn from.
        val_set: labelled images, the same classes, to choose the best epoch by.
        settings: the recipe.
        out: folder for `BEST_CHECKPOINT`, written anew whenever an epoch is the best so far.
        start: weights to start from, of the same shape; None draws new ones from the seed.
        data_name: what the set is called, for the checkpoint's record.
        on_step: called after each step.
        on_epoch: called after each epoch.

    Returns:
        The epochs, in order.

    Raises:
        DatasetError: a set is empty, or their classes differ.
        TrainingError: the loss is no longer a finite number.
        OutputError: `out` cannot be written.
    """
    if not len(train_set) or not len(val_set):
        raise DatasetError("training needs at least one image to train and one to validate on")
    if train_set.class_names != val_set.class_names:
        raise DatasetError(
            f"classes {train_set.class_names} to train on, {val_set.class_names} to validate on: "
            "must be the same"
        )
    steps = settings.steps_per_epoch(len(train_set))
    learner = Learner(len(train_set.class_names), settings, steps * settings.epochs, start)
    train_set = CachedDataset(train_set, settings.cache_bytes)
    val_set = CachedDataset(val_set, settings.cache_bytes // 4)
    epochs: list[Epoch] = []
    with ThreadPoolExecutor(settings.loaders or min(cpu_count() or 1, 8)) as pool:
        for number in range(settings.epochs):
            started = time.perf_counter()
            batches = training_batches(train_set, settings, number, pool)
            loss, scores_loss, boxes_loss = _learn(learner, batches, number + 1, steps, on_step)
            accuracy = evaluate_network(learner.average.network, val_set, pool)
            if accuracy.ap is None or accuracy.ap50 is None:
                raise DatasetError("the validation images hold no object to measure by")
            epoch = Epoch(
                number=number + 1,
                loss=loss,
                scores_loss=scores_loss,
                boxes_loss=boxes_loss,
                ap=accuracy.ap,
                ap50=accuracy.ap50,
                accuracy=accuracy,
                seconds=time.perf_counter() - started,
                best=all(accuracy.ap > earlier.ap for earlier in epochs),
            )
            epochs.append(epoch)
            if epoch.best:
                _keep(learner.average, train_set, val_set, settings, epoch, data_name, out)
            on_epoch(epoch)
    return epochs


def _learn(
    learner: Learner,
    batches: Iterable[Batch],
    epoch: int,
    steps: int,
    on_step: Callable[[Step], None],
) -> tuple[float, float, float]:
    """Learns the batches of one epoch; returns the means of the loss and its two parts."""
    sums = np.zeros(3)
    for step, batch in enumerate(batches, start=1):
        losses = learner.step(batch)
        figures = torch.stack([losses.total.detach(), losses.scores, losses.boxes]).tolist()
        sums += figures
        on_step(Step(epoch=epoch, step=step, steps=steps, loss=figures[0]))
    total, scores, boxes = (sums / steps).tolist()
    return total, scores, boxes


def _keep(
    average: MovingAverage,
    train_set: Dataset,
    val_set: Dataset,
    settings: TrainingSettings,
    epoch: Epoch,
    data_name: str,
    out: Path,
) -> None:
    training = {
        "data": data_name,
        "settings": asdict(settings),
        "epoch": epoch.number,
        "train_images": len(train_set),
        "val_images": len(val_set),
        "val_ap": round(epoch.ap, 4),
        "val_ap50": round(epoch.ap50, 4),
        "torch": torch.__version__,
    }
    save_checkpoint(
        Checkpoint(network=average.network, class_names=train_set.class_names, training=training),
        out / BEST_CHECKPOINT,
    )
