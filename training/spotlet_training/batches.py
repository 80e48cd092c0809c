"""Batches of canvases, made by threads while the network learns.

OpenCV lets go of the interpreter while it decodes and warps, so threads are enough, and they
share one cache. Chance comes from (seed, epoch, position) alone: the batches do not depend on
how many threads made them.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from spotlet_training.assignment import Objects
from spotlet_training.augmentation import Canvas, augmented_canvas
from spotlet_training.datasets import Dataset, Sample
from spotlet_training.settings import TrainingSettings

Result = TypeVar("Result")


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: (N, H, W, 3) uint8 BGR.
        objects: what is in them, canvas pixels.
    """

    images: Tensor
    objects: Objects


class CachedDataset:
    """A dataset that keeps decoded samples in memory, up to a bound."""

    def __init__(self, dataset: Dataset, limit_bytes: int) -> None:
        self._dataset = dataset
        self._lock = Lock()
        self._room = limit_bytes
        self._kept: dict[int, Sample] = {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""
        return self._dataset.class_names

    def __len__(self) -> int:
        return len(self._dataset)

    def load(self, index: int) -> Sample:
        """Returns a sample, decoded now or before; its arrays are shared, and not to be changed."""
        sample = self._kept.get(index)
        if sample is None:
            sample = self._dataset.load(index)
            with self._lock:
                if index not in self._kept and sample.image_bgr.nbytes <= self._room:
                    self._room -= sample.image_bgr.nbytes
                    self._kept[index] = sample
        return sample


def training_batches(
    dataset: Dataset, settings: TrainingSettings, epoch: int, pool: ThreadPoolExecutor
) -> Iterator[Batch]:
    """Yields the batches of one epoch, each image the first of a canvas once.

    An incomplete batch at the end is left out, unless it is the only one.

    Args:
        dataset: the training images.
        settings: of the training.
        epoch: from 0.
        pool: the threads that make canvases.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    order = rng.permutation(len(dataset))
    mosaics = epoch < settings.epochs * (1 - settings.plain_share)

    def canvas(position: int) -> Canvas:
        own_rng = np.random.default_rng([settings.seed, epoch, position])
        indices = [int(order[position])]
        if mosaics and own_rng.random() < settings.augmentation.mosaic:
            indices += own_rng.integers(len(dataset), size=3).tolist()
        samples = [dataset.load(index) for index in indices]
        return augmented_canvas(samples, settings.size_hw, settings.augmentation, own_rng)

    size = min(settings.batch_size, len(dataset))
    count = settings.steps_per_epoch(len(dataset))
    canvases = ahead(canvas, range(count * size), pool, depth=3 * size)
    for _ in range(count):
        yield collate([next(canvases) for _ in range(size)])


def collate(canvases: Sequence[Canvas]) -> Batch:
    """Returns the canvases as one batch."""
    counts = torch.tensor([len(canvas.class_ids) for canvas in canvases])
    return Batch(
        torch.from_numpy(np.stack([canvas.image_bgr for canvas in canvases])),
        Objects(
            torch.arange(len(canvases)).repeat_interleave(counts),
            torch.from_numpy(np.concatenate([canvas.boxes_xyxy for canvas in canvases])),
            torch.from_numpy(np.concatenate([canvas.class_ids for canvas in canvases])),
            torch.from_numpy(np.concatenate([canvas.ignored for canvas in canvases])),
        ),
    )


def ahead(
    make: Callable[[int], Result], items: Sequence[int], pool: ThreadPoolExecutor, *, depth: int
) -> Iterator[Result]:
    """Yields `make(item)` for each item, in order, with up to `depth` of them under way."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
