"""One scene: garments on a background, with the exact boxes of their visible parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.backgrounds import random_background
from spotlet_training.scenes.cutout import Layer, Pose, cut_out, place
from spotlet_training.scenes.fashion import FashionObjects
from spotlet_training.scenes.paint import SHADOW_MARGIN, Ownership, paint, random_dye

REFERENCE_SIDE = 320
"""Canvas side of `SceneSettings.object_sides`; other canvases scale it."""

TRIES = 6
"""Places tried for a garment before it is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """How scenes look.

    Attributes:
        size_hw: of the canvas, pixels.
        objects: least and most garments of a scene, both possible.
        object_sides: least and greatest longer side of a garment, pixels on a canvas whose
            shorter side is 320; chosen log-uniformly.
        max_angle_degrees: greatest rotation either way.
        min_visible: least visible share of a garment, in (0, 1].
        max_shadow: greatest darkness of a shadow, in [0, 1].

    Raises:
        UsageError: a range is empty or out of bounds.
    """

    size_hw: tuple[int, int] = (320, 320)
    objects: tuple[int, int] = (1, 7)
    object_sides: tuple[float, float] = (28.0, 160.0)
    max_angle_degrees: float = 20.0
    min_visible: float = 0.4
    max_shadow: float = 0.5

    def __post_init__(self) -> None:
        if min(self.size_hw) < 32:
            raise UsageError(f"scene of {self.size_hw} pixels: each side must be at least 32")
        if not 0 <= self.objects[0] <= self.objects[1]:
            raise UsageError(f"objects {self.objects}: must be least and most, from 0")
        if not 0 < self.object_sides[0] <= self.object_sides[1]:
            raise UsageError(
                f"object sides {self.object_sides}: must be least and greatest, over 0"
            )
        if not 0 < self.min_visible <= 1 or not 0 <= self.max_shadow <= 1:
            raise UsageError("min_visible must be over 0, max_shadow from 0, both at most 1")


def compose_scene(
    rng: np.random.Generator,
    objects: FashionObjects,
    backgrounds: Sequence[ImageArray],
    settings: SceneSettings = SceneSettings(),
) -> tuple[ImageArray, FloatArray, npt.NDArray[np.int64]]:
    """Returns a random scene.

    A later garment covers an earlier one. Classes are equally likely, however many `objects`
    each has.

    Args:
        rng: the only source of randomness.
        objects: to choose from; at least one.
        backgrounds: (H, W, 3) uint8 BGR each; at least one.
        settings: how it looks.

    Returns:
        The image (H, W, 3) uint8 BGR; boxes (N, 4) float32 xyxy, pixels, tight about the
        visible pixels of each garment; class ids (N,) int64.
    """
    canvas = random_background(rng, backgrounds, settings.size_hw)
    owner, class_ids = Ownership(settings.size_hw), []
    present = list(objects.by_class)
    for _ in range(int(rng.integers(settings.objects[0], settings.objects[1] + 1))):
        class_id = int(rng.choice(present))
        index = int(rng.choice(objects.by_class[class_id]))
        layer = _find_place(rng, objects.photos[index], class_id, owner, settings)
        if layer is not None:
            paint(canvas, layer, random_dye(rng, float(rng.uniform(0, settings.max_shadow))))
            owner.add(layer)
            class_ids.append(class_id)
    return canvas, owner.boxes(), np.array(class_ids, np.int64)


def _find_place(
    rng: np.random.Generator,
    photo: ImageArray,
    class_id: int,
    owner: Ownership,
    settings: SceneSettings,
) -> Layer | None:
    """Returns the garment at a place where all stay visible enough; None if none is found."""
    height, width = settings.size_hw
    cutout = cut_out(photo, class_id)
    low, high = np.log(settings.object_sides)
    for _ in range(TRIES):
        side = np.exp(rng.uniform(low, high)) * min(height, width) / REFERENCE_SIDE
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        pose = Pose(
            center_xy=(x, y),
            scale=float(side / cutout.long_side),
            angle_degrees=float(rng.uniform(-1, 1) * settings.max_angle_degrees),
            mirrored=bool(rng.random() < 0.5),
        )
        layer = place(cutout, pose, SHADOW_MARGIN)
        if owner.visible_after(layer).min() >= settings.min_visible:
            return layer
    return None
