"""The experiment's scenes: fixed once, and known by their digest.

One garment a scene, in grey on black, near the middle, of a size that varies by less than half:
the modest variation in which two convolutions and a flatten can classify at all. The garments
are those whose ten nearest neighbours in Fashion-MNIST are of their own class, because the
published accuracies are not to be had from so few scenes otherwise.

`spotlet_training.localization.freeze` chose the garments and recorded the digests; both lie
beside this module. Another processor or OpenCV rounds a few pixels another way: scenes whose
digest is another pass if their landmarks are the recorded ones, and are told from the exact ones.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spotlet.errors import GateError
from spotlet_training.scenes.bundled import load_photographs, load_sample
from spotlet_training.scenes.fashion import CLASS_NAMES, FashionObjects, Split, load_fashion
from spotlet_training.scenes.single import SingleSettings, compose_single

Variant = Literal["plain", "photo"]
VARIANTS: tuple[Variant, ...] = ("plain", "photo")

SETTINGS: dict[Variant, SingleSettings] = {
    "plain": SingleSettings(object_sides=(165, 230), shift=14),
    "photo": SingleSettings(object_sides=(64, 200), shift=96, max_angle_degrees=20, dyed=True),
}
"""How the scenes look. Not to be changed: the published figures belong to them."""

RECORD = "frozen.json"
"""Beside this module: the garments of each split, scene by scene, digests and landmarks."""

SPLITS: tuple[Split, ...] = ("train", "t10k")

QUICK_COUNTS: dict[Split, int] = {"train": 600, "t10k": 200}
"""Scenes of the quick experiment, of the garments that come with the package."""

SEEDS: dict[Split, int] = {"train": 0, "t10k": 1}

BLOCKS = 4
"""Blocks of a landmark's grid, along each side."""

LANDMARK_TOLERANCE = 0.25
"""Greatest difference of a landmark, in levels or pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class FrozenScenes:
    """Scenes of one split, in memory.

    Attributes:
        images: (N, H, W, 3) uint8 BGR.
        boxes: (N, 4) float32 xyxy, in units of the image's sides.
        class_ids: (N,) int64, indices into `CLASS_NAMES`.
    """

    images: Tensor
    boxes: Tensor
    class_ids: Tensor

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True, eq=False)
class FrozenSet:
    """The experiment's data.

    Attributes:
        train: to learn from, of training garments.
        val: to measure on, of held-out garments.
        variant: what lies behind the garments.
        quick: whether it is the smaller set of the quick experiment.
        digest: SHA-256 of all of it, hexadecimal.
        exact: whether that is the recorded one; else a few pixels were rounded another way.
    """

    train: FrozenScenes
    val: FrozenScenes
    variant: Variant
    quick: bool
    digest: str
    exact: bool

    class_names = CLASS_NAMES


def frozen_set(variant: Variant, *, quick: bool = False) -> FrozenSet:
    """Returns the scenes, after a check that they are the frozen ones.

    Args:
        variant: "plain" for the experiment itself, "photo" for the harder one.
        quick: the smaller set, of garments that come with the package.

    Raises:
        DatasetError: Fashion-MNIST is not here and cannot be fetched.
        GateError: they are not, by more than the rounding of a few pixels.
    """
    parts = [compose_split(split, variant, quick=quick) for split in SPLITS]
    train, val = parts
    digest = digest_of(train, val)
    recorded = _record()[record_key(variant, quick=quick)]
    distance = max(
        float(np.abs(np.subtract(landmarks_of(part), landmarks)).max())
        for part, landmarks in zip(parts, recorded["landmarks"], strict=True)
    )
    exact = digest == recorded["sha256"]
    if not exact and distance > LANDMARK_TOLERANCE:
        raise GateError(
            f"the scenes are not the frozen ones (SHA-256 {digest[:12]}…, landmarks differ by "
            f"{distance:.2g}): another numpy or OpenCV drew them, and figures would not compare; "
            "install with -c constraints.txt"
        )
    return FrozenSet(train, val, variant, quick, digest, exact)


def digest_of(*parts: FrozenScenes) -> str:
    """Returns the SHA-256 of scenes: every pixel, box and class."""
    digest = hashlib.sha256()
    for part in parts:
        for tensor in (part.images, part.boxes, part.class_ids):
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()


def landmarks_of(part: FrozenScenes) -> list[float]:
    """Returns what hardly moves when pixels are rounded another way.

    Means over the scenes: the sides of the boxes in pixels, then the grey of `BLOCKS` x `BLOCKS`
    blocks of the image in levels, row by row.
    """
    count, height, width = part.images.shape[:3]
    boxes = part.boxes.numpy().mean(axis=0, dtype=np.float64) * [width, height, width, height]
    rows, columns = height // BLOCKS, width // BLOCKS
    blocks = part.images.numpy().reshape(count, BLOCKS, rows, BLOCKS, columns * 3)
    grey = blocks.mean(axis=(0, 2, 4), dtype=np.float64)
    return [round(float(value), 3) for value in (*boxes, *grey.ravel())]


def record_key(variant: Variant, *, quick: bool) -> str:
    """Returns where the record tells of a set."""
    return f"{variant}-quick" if quick else variant


def compose_split(split: Split, variant: Variant, *, quick: bool) -> FrozenScenes:
    """Returns the scenes of a split, whatever they turn out to be.

    Raises:
        DatasetError: Fashion-MNIST is not here and cannot be fetched.
    """
    settings = SETTINGS[variant]
    objects = _objects(split, quick)
    photographs = (
        load_photographs("training" if split == "train" else "held-out")
        if variant == "photo"
        else []
    )
    images = np.empty((len(objects), *settings.size_hw, 3), np.uint8)
    boxes = np.empty((len(objects), 4), np.float32)
    for index, (photo, class_id) in enumerate(
        zip(objects.photos, objects.class_ids.tolist(), strict=True)
    ):
        rng = np.random.default_rng([SEEDS[split], index])
        images[index], boxes[index] = compose_single(rng, photo, class_id, photographs, settings)
    height, width = settings.size_hw
    boxes /= np.array([width, height, width, height], np.float32)
    return FrozenScenes(
        torch.from_numpy(images), torch.from_numpy(boxes), torch.from_numpy(objects.class_ids)
    )


def _objects(split: Split, quick: bool) -> FashionObjects:
    """Returns a garment for each scene; the classes take turns."""
    if not quick:
        return load_fashion(split).select(np.array(_record()["objects"][split], np.int64))
    sample = load_sample(split)
    return sample.select(by_turns(sample, QUICK_COUNTS[split]))


def by_turns(objects: FashionObjects, count: int) -> npt.NDArray[np.int64]:
    """Returns (count,) indices of the first objects of each class, the classes in turn."""
    each = count // len(CLASS_NAMES)
    return np.stack([objects.by_class[n][:each] for n in range(len(CLASS_NAMES))], axis=1).ravel()


def _record() -> dict[str, Any]:
    text = resources.files(__package__).joinpath(RECORD).read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
