"""Batches of canvases, made by threads while the network learns.

OpenCV releases the interpreter lock while it decodes and warps, so threads are enough, and they
share one cache. Randomness comes from (seed, epoch, position) alone: the batches do not depend on
the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spotlet.errors import UsageError
from spotlet_training.datasets import Dataset, Sample
from spotlet_training.datasets.ahead import ahead
from spotlet_training.learning.assignment import Objects, UnknownRegions
from spotlet_training.learning.augmentation import Canvas, augmented_canvas
from spotlet_training.learning.cut_outs import perhaps_cut_out
from spotlet_training.learning.distributed import ALONE, Ranks
from spotlet_training.learning.settings import TrainingSettings


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: (N, H, W, 3) uint8 BGR.
        objects: labelled in them, canvas pixels.
        names: of the image files they were made from, for messages.
    """

    images: Tensor
    objects: Objects
    names: tuple[str, ...]

    def map(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        """Returns the batch with each of its tensors moved."""
        objects = self.objects
        moved = Objects(
            move(objects.image_ids),
            move(objects.boxes_xyxy),
            move(objects.class_ids),
            move(objects.ignored),
            objects.unknown and UnknownRegions(*map(move, objects.unknown)),
        )
        return Batch(move(self.images), moved, self.names)


class CachedDataset:
    """A dataset that caches decoded samples in memory, up to a bound in bytes."""

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

    def __str__(self) -> str:
        size = sum(sample.image_bgr.nbytes for sample in self._kept.values())
        return f"{len(self._kept)} of {len(self)} images ({size / 1024**2:.0f} MB)"

    def load(self, index: int) -> Sample:
        """Returns a sample; its arrays are shared, so don't change them."""
        sample = self._kept.get(index)
        if sample is None:
            sample = self._dataset.load(index)
            with self._lock:
                if index not in self._kept and sample.image_bgr.nbytes <= self._room:
                    self._room -= sample.image_bgr.nbytes
                    self._kept[index] = sample
        return sample


def training_batches(
    dataset: Dataset,
    settings: TrainingSettings,
    epoch: int,
    pool: ThreadPoolExecutor,
    ranks: Ranks = ALONE,
) -> Iterator[Batch]:
    """Yields the batches of one epoch; each image is the main one of a canvas once.

    An incomplete last batch is dropped unless it is the only one. With several processes, each
    yields its share of every batch; together the shares are what one process would yield.

    Args:
        dataset: the training images.
        settings: of the training.
        epoch: from 0.
        pool: the threads that make canvases.
        ranks: the processes that train together.

    Raises:
        UsageError: a batch has fewer canvases than there are processes.
    """
    size = min(settings.batch_size, len(dataset))
    if size < ranks.count:
        raise UsageError(
            f"batches of {size} for {ranks.count} processes: each process needs a canvas; raise "
            "--batch-size"
        )
    rng = np.random.default_rng([settings.seed, epoch])
    order = rng.permutation(len(dataset))
    mosaics = epoch < settings.epochs * (1 - settings.plain_share)

    def canvas(position: int) -> tuple[Canvas, list[str]]:
        own_rng = np.random.default_rng([settings.seed, epoch, position])
        indices = [int(order[position])]
        if mosaics and own_rng.random() < settings.augmentation.mosaic:
            indices += own_rng.integers(len(dataset), size=3).tolist()
        samples = [dataset.load(index) for index in indices]
        if settings.tiles:
            least = settings.augmentation.least_visible
            samples = [
                perhaps_cut_out(each, settings.tiles, settings.size_hw, least, own_rng)
                for each in samples
            ]
        made = augmented_canvas(samples, settings.size_hw, settings.augmentation, own_rng)
        return made, [sample.name for sample in samples]

    count = settings.steps_per_epoch(len(dataset))
    places = range(ranks.rank, size, ranks.count)
    own = [step * size + place for step in range(count) for place in places]
    canvases = ahead(canvas, own, pool, depth=3 * len(places))
    for _ in range(count):
        made = [next(canvases) for _ in places]
        names = dict.fromkeys(name for _, names in made for name in names)
        yield collate([each for each, _ in made], len(dataset.class_names), tuple(names))


def collate(canvases: Sequence[Canvas], class_count: int, names: tuple[str, ...] = ()) -> Batch:
    """Returns the canvases as one batch; `names` are the image files they were made from."""
    counts = torch.tensor([len(canvas.class_ids) for canvas in canvases])
    return Batch(
        torch.from_numpy(np.stack([canvas.image_bgr for canvas in canvases])),
        Objects(
            torch.arange(len(canvases)).repeat_interleave(counts),
            torch.from_numpy(np.concatenate([canvas.boxes_xyxy for canvas in canvases])),
            torch.from_numpy(np.concatenate([canvas.class_ids for canvas in canvases])),
            torch.from_numpy(np.concatenate([canvas.ignored for canvas in canvases])),
            _unknown_regions(canvases, class_count),
        ),
        names,
    )


def _unknown_regions(canvases: Sequence[Canvas], class_count: int) -> UnknownRegions | None:
    """Returns the regions of all canvases; None if their labels are complete."""
    regions = [
        (image, box, class_ids)
        for image, canvas in enumerate(canvases)
        for box, class_ids in canvas.unknown
    ]
    if not regions:
        return None
    classes = torch.zeros(len(regions), class_count, dtype=torch.bool)
    for row, (_, _, class_ids) in zip(classes, regions, strict=True):
        row[list(class_ids)] = True
    return UnknownRegions(
        torch.tensor([image for image, _, _ in regions]),
        torch.from_numpy(np.stack([box for _, box, _ in regions])),
        classes,
    )


def on_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Yields batches on a device; for CUDA, prepares the next one in advance.

    Copies from pinned memory overlap with the GPU's work.
    """
    if device.type != "cuda":
        yield from batches
        return

    own = torch.cuda.current_device()

    def pinned() -> Batch | None:
        batch = next(batches, None)
        with torch.cuda.device(own):  # to this thread, the first GPU is the current one
            return None if batch is None else batch.map(Tensor.pin_memory)

    with ThreadPoolExecutor(1) as hand:
        coming = hand.submit(pinned)
        while (batch := coming.result()) is not None:
            coming = hand.submit(pinned)
            yield batch.map(lambda tensor: tensor.to(device, non_blocking=True))
