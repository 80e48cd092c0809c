"""Scenes as a labelled set without files, of any length, every image reproducible."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.datasets.sample import Sample
from spotlet_training.scenes.bundled import load_photographs, load_sample
from spotlet_training.scenes.compose import SceneSettings, compose_scene
from spotlet_training.scenes.fashion import CLASS_NAMES, FashionObjects, load_fashion

VALIDATION_OBJECTS = slice(0, 5000)
"""The held-out 10,000: the first half for validation, …"""

CLIP_OBJECTS = slice(5000, 10000)
"""… the second for the demo's clip, so that no choice made on validation has seen it."""

ObjectSource = Literal["full", "sample"]


class SceneDataset:
    """Generated scenes, each determined by the seed and its index.

    Example:
        >>> scenes = training_scenes(1000, seed=0, objects="sample")
        >>> sample = scenes.load(3)
        >>> sample.image_bgr.shape, scenes.class_names[7]
        ((320, 320, 3), 'sneaker')
    """

    def __init__(
        self,
        objects: FashionObjects,
        backgrounds: Sequence[ImageArray],
        *,
        count: int,
        seed: int,
        size_hw: tuple[int, int] = (320, 320),
        settings: SceneSettings | None = None,
    ) -> None:
        """Sets the parts of the scenes; none is made yet.

        Args:
            objects: to choose from; at least one.
            backgrounds: (H, W, 3) uint8 BGR each; at least one.
            count: number of scenes.
            seed: 0 or more.
            size_hw: of each image, pixels; ignored if `settings` are given.
            settings: how scenes look.

        Raises:
            UsageError: there are no objects or backgrounds, or a number is below 0.
        """
        if not len(objects) or not backgrounds:
            raise UsageError("scenes need at least one object and one background")
        if count < 0 or seed < 0:
            raise UsageError(f"count {count} and seed {seed}: must be 0 or more")
        self._objects, self._backgrounds = objects, list(backgrounds)
        self._count, self._seed = count, seed
        self.settings = SceneSettings(size_hw=size_hw) if settings is None else settings

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten classes; the index is the class id."""
        return CLASS_NAMES

    def __len__(self) -> int:
        return self._count

    def load(self, index: int) -> Sample:
        """Returns scene `index`, the same at every call.

        Raises:
            IndexError: there is no such scene.
        """
        if not 0 <= index < self._count:
            raise IndexError(f"scene {index}: must be from 0 to {self._count - 1}")
        rng = np.random.default_rng([self._seed, index])
        image, boxes, class_ids = compose_scene(
            rng, self._objects, self._backgrounds, self.settings
        )
        return Sample(image, boxes, class_ids, np.zeros(len(boxes), np.bool_), f"scene-{index:06d}")


def training_scenes(
    count: int, seed: int, objects: ObjectSource = "full", size_hw: tuple[int, int] = (320, 320)
) -> SceneDataset:
    """Returns scenes of training objects on training photographs.

    Args:
        count: number of scenes.
        seed: 0 or more.
        objects: "full" for the 60,000, "sample" for the 1,600 that come with the package.
        size_hw: of each image, pixels.

    Raises:
        DatasetError: the full set is not installed and cannot be fetched.
    """
    chosen = load_sample("train") if objects == "sample" else load_fashion("train")
    photographs = load_photographs("training")
    return SceneDataset(chosen, photographs, count=count, seed=seed, size_hw=size_hw)


def validation_scenes(
    count: int, seed: int, objects: ObjectSource = "full", size_hw: tuple[int, int] = (320, 320)
) -> SceneDataset:
    """Returns scenes of held-out objects on held-out photographs.

    Args:
        count: number of scenes.
        seed: 0 or more.
        objects: "full" for the first 5,000 of the held-out 10,000, "sample" for the 400 of
            them that come with the package.
        size_hw: of each image, pixels.

    Raises:
        DatasetError: the full set is not installed and cannot be fetched.
    """
    full = objects == "full"
    chosen = load_fashion("t10k").select(VALIDATION_OBJECTS) if full else load_sample("t10k")
    photographs = load_photographs("held-out")
    return SceneDataset(chosen, photographs, count=count, seed=seed, size_hw=size_hw)
