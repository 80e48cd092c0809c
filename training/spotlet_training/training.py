"""The training loop: a labelled set in, the best checkpoint out."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from spotlet.cores import usable_cores
from spotlet.errors import DatasetError
from spotlet.evaluation import Accuracy
from spotlet.tiles import TileSettings
from spotlet_training.datasets import Dataset
from spotlet_training.datasets.class_order import in_class_order, name_fault
from spotlet_training.datasets.fingerprint import fingerprint
from spotlet_training.evaluation.evaluation import evaluate_network
from spotlet_training.learning.batches import Batch, CachedDataset, on_device, training_batches
from spotlet_training.learning.distributed import ALONE, Ranks
from spotlet_training.learning.epochs import Epoch, Step
from spotlet_training.learning.hardware import fast_kernels
from spotlet_training.learning.learner import Learner, Reading
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.learning.start import find_start
from spotlet_training.run_folder.record import BEST_CHECKPOINT, Record
from spotlet_training.run_folder.state import LAST_STATE, check_resumable, load_state

__all__ = ["BEST_CHECKPOINT", "Epoch", "Step", "train"]

READ_EVERY = 10
"""Steps after which a GPU's losses are read: reading waits for the GPU."""


def train(
    train_set: Dataset,
    val_set: Dataset,
    settings: TrainingSettings,
    out: Path,
    *,
    resume: bool = False,
    ranks: Ranks = ALONE,
    data_name: str = "",
    on_step: Callable[[Step], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> list[Epoch]:
    """Trains a detector and keeps the weights that do best on the validation images.

    The output folder holds `BEST_CHECKPOINT`, replaced whenever an epoch is the best so far, and
    after each epoch `LAST_STATE` to resume from, `history.csv`, and TensorBoard curves in `events`.
    A resumed training ends with the same weights as an uninterrupted one: to the bit on the CPU of
    the same machine with the same number of threads; on a GPU up to CUDA's nondeterminism.

    Args:
        train_set: labelled images to learn from.
        val_set: labelled images of the same classes, which choose the best epoch.
        settings: the recipe.
        out: the output folder; only one training may write to it at a time.
        resume: continue after the last whole epoch in `out`; a finished training is left as it
            is, and its epochs are returned.
        ranks: the processes that train together; see `spotlet_training.learning.distributed`.
        data_name: name of the set, for the checkpoint's record.
        on_step: called after each step; on a GPU, for several of them at once.
        on_epoch: called after each epoch, when all of it is written.
        on_note: called with lines to show the user.

    Returns:
        The epochs in order, including those before a resume.

    Raises:
        DatasetError: a set is empty, the classes differ or have a name that no model can have, or
            no validation image has an object.
        TrainingError: a loss, a gradient or a weight is no longer a finite number.
        UsageError: the weights to start from are of another size; there is nothing to resume, or
            the settings or the data differ; or another process is writing to `out`.
        CheckpointError: the weights to start from, or the state to resume from, cannot be read.
        OutputError: `out` cannot be written.
    """
    if not len(train_set) or not len(val_set):
        raise DatasetError("training needs at least one image to train on and one to validate on")
    if fault := name_fault(train_set.class_names):
        raise DatasetError(fault)
    val_set = in_class_order(
        val_set, train_set.class_names, whose="the training set's", may_lack=False
    )
    steps = settings.steps_per_epoch(len(train_set))
    data = fingerprint(train_set, val_set)
    class_names = train_set.class_names
    start = None if resume else find_start(settings.weights, settings.size, class_names)
    learner = Learner(len(class_names), settings, steps * settings.epochs, start, ranks=ranks)
    if not resume:
        on_note(f"starting from {start}" if start else "starting from random weights")
    about = {"data": data_name, "train_images": len(train_set), "val_images": len(val_set)}
    cache_bytes = settings.cache_bytes // ranks.local_count
    train_set = CachedDataset(train_set, cache_bytes)
    val_set = CachedDataset(val_set, cache_bytes // 4)
    with ExitStack() as stack:
        record = None
        if ranks.first:
            record = Record(
                out=out,
                settings=settings,
                data=data,
                class_names=class_names,
                about=about,
                steps=steps,
            )
            stack.enter_context(record)
        epochs = _restore(learner, settings, data, out) if resume else []
        if record:
            record.begin(epochs)
        if len(epochs) >= settings.epochs:
            return epochs
        stack.enter_context(fast_kernels(settings, learner.device))
        processors = max(usable_cores() // ranks.local_count, 1)
        pool = stack.enter_context(ThreadPoolExecutor(settings.loaders or min(processors, 8)))
        resumed = len(epochs)

        def after_step(step: Step) -> None:
            if record:
                record.step(step, learner.learning_rate)
            on_step(step)

        for number in range(resumed + 1, settings.epochs + 1):
            started = time.perf_counter()
            batches = training_batches(train_set, settings, number - 1, pool, ranks)
            losses = _learn(learner, on_device(batches, learner.device), number, steps, after_step)
            learner.settle()
            accuracy, threshold = _measure(learner, val_set, pool, ranks, settings.tiles)
            epochs.append(_sum_up(epochs, losses, learner, accuracy, threshold, started))
            if record:
                record.epoch(epochs, learner)
            if number == resumed + 1:
                on_note(f"kept in memory: {train_set} to train on, {val_set} to validate on")
            on_epoch(epochs[-1])
    return epochs


def _restore(learner: Learner, settings: TrainingSettings, data: str, out: Path) -> list[Epoch]:
    """Restores a learner from the state in a folder; returns the epochs that are done."""
    state = load_state(out / LAST_STATE)
    check_resumable(state, settings, data)
    learner.restore(state.tensors, state.numbers)
    return list(state.epochs)


def _learn(
    learner: Learner,
    batches: Iterable[Batch],
    epoch: int,
    steps: int,
    on_step: Callable[[Step], None],
) -> Reading:
    """Learns the batches of one epoch; returns the means of the loss and its two parts."""
    # All randomness comes from the seed and the epoch alone.
    learner.seed(epoch)
    readings: list[Reading] = []
    every = 1 if learner.checks_each_step else READ_EVERY
    for step, batch in enumerate(batches, start=1):
        learner.step(batch)
        if step % every == 0 or step == steps:
            for reading in learner.read():
                readings.append(reading)
                done = Step(epoch=epoch, step=len(readings), steps=steps, loss=reading.total)
                on_step(done)
    return Reading(*np.mean(readings, axis=0).tolist())


def _measure(
    learner: Learner,
    val_set: Dataset,
    pool: ThreadPoolExecutor,
    ranks: Ranks,
    tiles: TileSettings,
) -> tuple[Accuracy, float | None]:
    """Returns the accuracy and best score threshold of the averaged weights.

    The first process measures for all.
    """
    own = None
    if ranks.first:
        evaluation = evaluate_network(learner.average.network, val_set, pool, tiles)
        best = evaluation.operating_point
        own = evaluation.accuracy, None if best is None else best.score_threshold
    measured = ranks.from_first(own)
    if measured is None or measured[0].ap is None:
        raise DatasetError("the validation images contain no objects; label some of them")
    return measured


def _sum_up(
    earlier: Sequence[Epoch],
    losses: Reading,
    learner: Learner,
    accuracy: Accuracy,
    score_threshold: float | None,
    started: float,
) -> Epoch:
    assert accuracy.ap is not None
    assert accuracy.ap50 is not None
    assert accuracy.ap75 is not None
    return Epoch(
        number=len(earlier) + 1,
        loss=losses.total,
        scores_loss=losses.scores,
        boxes_loss=losses.boxes,
        learning_rate=learner.learning_rate,
        ap=accuracy.ap,
        ap50=accuracy.ap50,
        ap75=accuracy.ap75,
        accuracy=accuracy,
        seconds=time.perf_counter() - started,
        best=all(accuracy.ap > epoch.ap for epoch in earlier),
        score_threshold=score_threshold,
    )
