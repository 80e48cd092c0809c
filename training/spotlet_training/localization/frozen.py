"""The experiment's scenes, drawn whenever it runs and checked against the frozen ones.

One garment a scene, in grey on black, near the middle, of a size that varies by less than half:
the modest variation in which two convolutions and a flatten can classify at all. The garments
are those whose ten nearest neighbours in Fashion-MNIST are of their own class, because the
published accuracies cannot be reached with so few scenes otherwise. They ship with the package,
on a sheet for each split: the experiment needs no connection.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from spotlet.errors import GateError
from spotlet_training.localization.record import (
    difference,
    digest_of,
    landmarks_of,
    recorded_digest,
    recorded_landmarks,
    set_name,
)
from spotlet_training.localization.scenes import SPLITS, FrozenScenes, FrozenSet, Variant
from spotlet_training.scenes.bundled import load_photographs, load_sample, load_sheet
from spotlet_training.scenes.fashion import CLASS_NAMES, FashionObjects, Split
from spotlet_training.scenes.single import SingleSettings, compose_single

SETTINGS: dict[Variant, SingleSettings] = {
    "plain": SingleSettings(object_sides=(165, 230), shift=14),
    "photo": SingleSettings(object_sides=(64, 200), shift=96, max_angle_degrees=20, dyed=True),
}
"""How the scenes look. Do not change them: the published figures depend on them."""

COUNTS: dict[Split, int] = {"train": 1200, "t10k": 1000}
"""Scenes of the experiment, and photos on the sheets."""

QUICK_COUNTS: dict[Split, int] = {"train": 600, "t10k": 200}
"""Scenes of the quick experiment, with garments of the scene generator's sample."""

SEEDS: dict[Split, int] = {"train": 0, "t10k": 1}


def frozen_set(variant: Variant, *, quick: bool = False) -> FrozenSet:
    """Returns the scenes, checked against the frozen ones.

    Args:
        variant: "plain" for the experiment itself, "photo" for the harder one.
        quick: the smaller set, of the scene generator's sample.

    Raises:
        DatasetError: a file of the package is missing or damaged.
        GateError: they differ from the frozen ones by more than rounding.
    """
    name = set_name(variant, quick=quick)
    objects = {split: frozen_objects(split, quick=quick) for split in SPLITS}
    parts = [compose_scenes(split, variant, objects[split]) for split in SPLITS]
    digest = digest_of(*parts)
    exact = digest == recorded_digest(name)
    for split, part in zip(SPLITS, parts, strict=True):
        found = "" if exact else difference(landmarks_of(part), recorded_landmarks(name, split))
        if found:
            raise GateError(
                f"the {split} scenes differ from the frozen ones ({found}), so figures would not "
                "be comparable; install numpy and OpenCV with -c constraints.txt"
            )
    return FrozenSet(parts[0], parts[1], variant, quick, digest, exact)


def compose_scenes(split: Split, variant: Variant, objects: FashionObjects) -> FrozenScenes:
    """Returns a scene of each object, on backgrounds of its split, unchecked."""
    settings = SETTINGS[variant]
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


def frozen_objects(split: Split, *, quick: bool) -> FashionObjects:
    """Returns a garment for each scene, the classes in turn.

    Raises:
        DatasetError: a file of the package is missing or damaged.
    """
    if not quick:
        class_ids = np.tile(np.arange(len(CLASS_NAMES)), COUNTS[split] // len(CLASS_NAMES))
        return load_sheet(sheet_path(split), class_ids)
    sample = load_sample(split)
    return sample.select(by_turns(sample, QUICK_COUNTS[split]))


def by_turns(objects: FashionObjects, count: int) -> npt.NDArray[np.int64]:
    """Returns (count,) indices of the first objects of each class, the classes in turn."""
    each = count // len(CLASS_NAMES)
    return np.stack([objects.by_class[n][:each] for n in range(len(CLASS_NAMES))], axis=1).ravel()


def sheet_path(split: Split) -> Path:
    """Returns the path of a split's garments."""
    return Path(__file__).parent / f"garments-{split}.png"
