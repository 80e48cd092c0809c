"""One garment on a plain background or a photograph, for a single-object localizer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.backgrounds import random_background
from spotlet_training.scenes.cutout import Pose, cut_out, place
from spotlet_training.scenes.paint import SHADOW_MARGIN, Dye, Ownership, paint, random_dye

GREY_LEVELS = (200.0, 255.0)
"""Grey levels of an undyed garment's white cloth, least and greatest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSettings:
    """How scenes of one garment look.

    Attributes:
        size_hw: of the canvas, pixels.
        object_sides: least and greatest longer side of the garment, pixels; chosen
            log-uniformly.
        shift: greatest distance of the garment's centre from the canvas's, pixels, along each
            axis; less if the garment would leave the canvas.
        max_angle_degrees: greatest rotation either way.
        dyed: whether the garment has a random colour; else it is grey.

    Raises:
        UsageError: a range is empty or out of bounds.
    """

    size_hw: tuple[int, int] = (256, 256)
    object_sides: tuple[float, float]
    shift: float
    max_angle_degrees: float = 0.0
    dyed: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.object_sides[0] <= self.object_sides[1] <= min(self.size_hw):
            raise UsageError(
                f"object sides {self.object_sides}: must be least and greatest, over 0 and at "
                f"most {min(self.size_hw)}"
            )
        if self.shift < 0:
            raise UsageError(f"shift {self.shift}: must be 0 or more")


def compose_single(
    rng: np.random.Generator,
    photo: ImageArray,
    class_id: int,
    photographs: Sequence[ImageArray],
    settings: SingleSettings,
) -> tuple[ImageArray, FloatArray]:
    """Returns a scene of one garment, fully visible.

    Args:
        rng: the only source of randomness.
        photo: (28, 28) uint8, of Fashion-MNIST.
        class_id: its class, 0 to 9.
        photographs: (H, W, 3) uint8 BGR each, for the background; none for black.
        settings: how it looks.

    Returns:
        The image (H, W, 3) uint8 BGR and the box (4,) float32 xyxy, pixels, tight.
    """
    height, width = settings.size_hw
    cutout = cut_out(photo, class_id)
    side = np.exp(rng.uniform(*np.log(settings.object_sides)))
    scale = float(side / cutout.long_side)
    angle = float(rng.uniform(-1, 1) * settings.max_angle_degrees)
    left, top, right, bottom = cutout.bounds_xyxy
    turn = np.abs([[np.cos(t), np.sin(t)] for t in (np.deg2rad(angle), np.deg2rad(angle - 90))])
    half = turn @ np.array([right - left, bottom - top]) * scale / 2 + 2
    middle = np.array([width, height]) / 2
    reach = np.clip(middle - half, 0, settings.shift)
    x, y = (middle + rng.uniform(-1, 1, 2) * reach).tolist()
    layer = place(cutout, Pose(center_xy=(x, y), scale=scale, angle_degrees=angle), SHADOW_MARGIN)
    if photographs:
        canvas = random_background(rng, photographs, settings.size_hw)
    else:
        canvas = np.zeros((height, width, 3), np.uint8)
    paint(canvas, layer, random_dye(rng) if settings.dyed else _grey(rng))
    owner = Ownership(settings.size_hw)
    owner.add(layer)
    return canvas, owner.boxes()[0]


def _grey(rng: np.random.Generator) -> Dye:
    level = np.full(3, rng.uniform(*GREY_LEVELS), np.float32)
    return Dye(first_bgr=level, second_bgr=level)
