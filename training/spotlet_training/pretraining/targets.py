"""The teacher's features of every view, computed once and kept on disk for all students."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spotlet.atomic import atomic_file
from spotlet.errors import DatasetError, OutputError
from spotlet_training.datasets.ahead import ahead
from spotlet_training.learning.hardware import computing_in
from spotlet_training.learning.learner import channels_last
from spotlet_training.network.settings import STRIDES
from spotlet_training.pretraining.pictures import Views
from spotlet_training.pretraining.teacher import TAP_CHANNELS, Teacher

BATCH = 32
"""Views in a batch of the teacher."""

LEAST_VARIANCE = 1e-6
"""Keeps a nearly constant channel from being amplified."""

DONE = "targets.json"
"""Written last: without it, the folder is not usable."""


class Targets:
    """Views and the teacher's features of them, read from a folder on demand.

    Attributes:
        about: the source of the views.
        count: of views.
    """

    def __init__(self, folder: Path) -> None:
        """Opens a folder of `write_targets`.

        Raises:
            DatasetError: the folder holds no complete targets.
        """
        try:
            facts = json.loads((folder / DONE).read_text(encoding="utf-8"))
            self.about: dict[str, Any] = facts["about"]
            self.count: int = facts["count"]
            self._views, self._features = _open_arrays(folder, self.count, facts["side"], "r")
            self._means = [torch.tensor(mean)[:, None, None] for mean in facts["means"]]
            self._spreads = [torch.tensor(spread)[:, None, None] for spread in facts["spreads"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{folder}: no targets, or damaged ones ({error})") from error

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[Tensor, list[Tensor]]:
        """Returns views (N, side, side, 3) uint8 BGR and, for each stride, features (N, C, h, w).

        Each channel of the features has mean 0 and deviation 1 over all views.
        """
        order = np.sort(indices)  # neighbours on the disk are read together
        features = [
            (torch.from_numpy(array[order]).float() - mean) / spread
            for array, mean, spread in zip(self._features, self._means, self._spreads, strict=True)
        ]
        return torch.from_numpy(self._views[order]), features


def write_targets(
    views: Views,
    folder: Path,
    *,
    count: int,
    device: torch.device,
    dtype: torch.dtype,
    about: dict[str, Any],
    pool: ThreadPoolExecutor,
    on_views: Callable[[int], None] = lambda _: None,
) -> None:
    """Writes `count` views and the teacher's features of them into a folder.

    Args:
        views: for the teacher.
        folder: to write; about 290 kB for a view of 224 pixels.
        count: of views.
        device: for the teacher.
        dtype: of the teacher's convolutions.
        about: the source of the views, to recognise them later.
        pool: threads that make views.
        on_views: called after each batch with the number of its views.

    Raises:
        OutputError: the folder cannot be written, or the disk has too little room.
        SourceError: a picture cannot be decoded.
    """
    teacher = channels_last(Teacher().to(device))
    sums = [torch.zeros(2, channels, dtype=torch.float64) for channels in TAP_CHANNELS]
    made = ahead(views.load, range(count), pool, depth=3 * BATCH)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE).unlink(missing_ok=True)
        _require_room(folder, count, views.side)
        pictures, features = _open_arrays(folder, count, views.side, "w+")
        for start in range(0, count, BATCH):
            end = min(start + BATCH, count)
            pictures[start:end] = np.stack([next(made) for _ in range(start, end)])
            shown = torch.from_numpy(pictures[start:end]).to(device)
            with torch.no_grad(), computing_in(dtype, device):
                taps = [tap.cpu().double() for tap in teacher(shown)]
            for array, tap, total in zip(features, taps, sums, strict=True):
                array[start:end] = tap.to(torch.float16).numpy()
                total[0] += tap.mean((2, 3)).sum(0)
                total[1] += tap.square().mean((2, 3)).sum(0)
            on_views(end - start)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    means = [total[0] / count for total in sums]
    spreads = [
        (total[1] / count - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
        for total, mean in zip(sums, means, strict=True)
    ]
    record = {
        "about": about,
        "count": count,
        "side": views.side,
        "means": [mean.tolist() for mean in means],
        "spreads": [spread.tolist() for spread in spreads],
    }
    with atomic_file(folder / DONE) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


def _require_room(folder: Path, count: int, side: int) -> None:
    """Raises if the arrays do not fit: a full disk under a mapped file kills the process."""
    half = np.dtype(np.float16).itemsize
    features = sum(
        channels * (side // stride) ** 2 * half
        for stride, channels in zip(STRIDES, TAP_CHANNELS, strict=True)
    )
    needed, free = count * (side * side * 3 + features), shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder}: {count} views need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "give a folder on another disk with --targets, or fewer --views"
        )


def _open_arrays(
    folder: Path, count: int, side: int, mode: Literal["r", "w+"]
) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.float16]]]:
    views: npt.NDArray[np.uint8] = np.lib.format.open_memmap(
        folder / "views.npy", mode, dtype=np.uint8, shape=(count, side, side, 3)
    )
    features: list[npt.NDArray[np.float16]] = [
        np.lib.format.open_memmap(
            folder / f"stride{stride}.npy",
            mode,
            dtype=np.float16,
            shape=(count, channels, side // stride, side // stride),
        )
        for stride, channels in zip(STRIDES, TAP_CHANNELS, strict=True)
    ]
    return views, features
