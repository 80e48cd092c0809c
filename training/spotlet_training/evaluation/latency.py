"""How long a detector takes per frame."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spotlet.letterbox import ImageArray
from spotlet_training.datasets import Dataset
from spotlet_training.evaluation.evaluation import Detect

MOST_IMAGES = 100
"""Images that are timed: more would take longer and add nothing."""

WARM_UP = 5
"""Calls that are not timed: engines allocate and choose kernels in their first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time from a decoded frame to its detections, one frame at a time.

    Attributes:
        median_ms: milliseconds.
        p95_ms: 95 of 100 frames take at most this.
        images: how many were timed.
        engine: what computed, on which device, with how many threads.
    """

    median_ms: float
    p95_ms: float
    images: int
    engine: str

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.1f} ms an image in the median, {self.p95_ms:.1f} ms at the 95th "
            f"percentile of {self.images} ({self.engine})"
        )


def measure_latency(detect: Detect, dataset: Dataset, engine: str) -> Latency:
    """Times a detector on images of a set, without decoding.

    Args:
        detect: the detector, with the rule that a device would use.
        dataset: at least one image; the first `MOST_IMAGES` are used.
        engine: as recorded: what computes, on which device, with how many threads.
    """
    seconds: list[float] = []
    frames = _frames(dataset)
    for number in range(WARM_UP + min(len(dataset), MOST_IMAGES)):
        frame = next(frames)
        started = time.perf_counter()
        detect(frame)
        if number >= WARM_UP:
            seconds.append(time.perf_counter() - started)
    median, p95 = np.percentile(seconds, (50, 95)) * 1000
    return Latency(median_ms=float(median), p95_ms=float(p95), images=len(seconds), engine=engine)


def _frames(dataset: Dataset) -> Iterator[ImageArray]:
    """Yields the images of a set, over and over."""
    while True:
        for index in range(len(dataset)):
            yield dataset.load(index).image_bgr
