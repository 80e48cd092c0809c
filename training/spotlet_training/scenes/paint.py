"""Paints layers onto a canvas: colour, shadow, and which garment owns each pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.cutout import Layer

SHADOW_MARGIN = 9
"""Room that a layer's patch needs around the garment for its shadow, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dye:
    """The colours of a garment.

    Attributes:
        first_bgr: (3,) levels of white cloth at one end.
        second_bgr: (3,) levels of white cloth at the other.
        direction_xy: from the first to the second, a unit vector.
        floor: brightness of black cloth, as a share of white cloth's, in [0, 1].
        shadow: darkness of the shadow behind, in [0, 1]; 0 for none.
    """

    first_bgr: FloatArray
    second_bgr: FloatArray
    direction_xy: tuple[float, float] = (0.0, 1.0)
    floor: float = 0.3
    shadow: float = 0.0


class Ownership:
    """The garment visible at each pixel of a canvas, as layers are painted over each other."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        """Starts with an empty canvas."""
        self._owner = np.full(size_hw, -1, np.int16)
        self._whole: list[int] = []
        self._seen = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._whole)

    def visible_after(self, layer: Layer) -> FloatArray:
        """Returns (N + 1,) the share of each garment that this layer would leave visible.

        The last entry is the layer's own: below 1 if it reaches outside the canvas.
        """
        mask = layer.mask
        whole = np.array([*self._whole, np.count_nonzero(mask)])
        share: FloatArray = (self._seen_after(layer, mask) / np.maximum(whole, 1)).astype(
            np.float32
        )
        return share

    def add(self, layer: Layer) -> None:
        """Gives the layer's pixels to the next garment."""
        inner, patch = _overlap(layer, self._owner.shape)
        mask = layer.mask
        self._seen = self._seen_after(layer, mask)
        self._owner[patch][mask[inner]] = len(self)
        self._whole.append(int(np.count_nonzero(mask)))

    def visible_share(self) -> FloatArray:
        """Returns (N,) the visible share of each garment, in [0, 1]."""
        whole = np.maximum(np.array(self._whole, np.int64), 1)
        share: FloatArray = (self._seen / whole).astype(np.float32)
        return share

    def mask_of(self, index: int) -> npt.NDArray[np.bool_]:
        """Returns (H, W): the visible pixels of garment `index`."""
        mine: npt.NDArray[np.bool_] = self._owner == index
        return mine

    def _seen_after(self, layer: Layer, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Returns (N + 1,) the visible pixels of each garment under this layer."""
        inner, patch = _overlap(layer, self._owner.shape)
        hidden = np.bincount(self._owner[patch][mask[inner]] + 1, minlength=len(self) + 1)
        return np.append(self._seen - hidden[1:], hidden.sum())

    def boxes(self) -> FloatArray:
        """Returns (N, 4) float32 xyxy, tight about the visible pixels; zeros if there are none."""
        boxes = np.zeros((len(self), 4), np.float32)
        for index in range(len(self)):
            mine = self.mask_of(index)
            rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
            if len(rows):
                boxes[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return boxes


def paint(canvas: ImageArray, layer: Layer, dye: Dye) -> None:
    """Paints a dyed layer onto the canvas, in place.

    Args:
        canvas: (H, W, 3) uint8.
        layer: may reach outside the canvas.
        dye: its colours.
    """
    inner, patch = _overlap(layer, canvas.shape[:2])
    alpha = layer.alpha[inner][..., None]
    if alpha.size == 0:
        return
    below = canvas[patch].astype(np.float32)
    if dye.shadow > 0:
        soft = cv2.blur(np.roll(layer.alpha, (4, 2), (0, 1)), (9, 9))
        below *= 1 - dye.shadow * soft[inner][..., None]
    colours = _colours(layer, dye)[inner]
    canvas[patch] = np.clip(below + (colours - below) * alpha + 0.5, 0, 255).astype(np.uint8)


def _colours(layer: Layer, dye: Dye) -> FloatArray:
    """Returns (h, w, 3) levels of the layer's cloth."""
    height, width = layer.shade.shape
    across = (np.arange(width, dtype=np.float32) / width - 0.5) * dye.direction_xy[0]
    down = (np.arange(height, dtype=np.float32) / height - 0.5) * dye.direction_xy[1]
    share = np.clip(down[:, None] + across[None] + 0.5, 0, 1)[..., None]
    cloth = dye.first_bgr + (dye.second_bgr - dye.first_bgr) * share
    colours: FloatArray = cloth * (dye.floor + (1 - dye.floor) * layer.shade[..., None])
    return colours


def _overlap(
    layer: Layer, size_hw: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Returns the overlap of layer and canvas: the layer's slices, and the canvas's."""
    height, width = layer.alpha.shape
    top, bottom = np.clip([layer.top, layer.top + height], 0, size_hw[0]).tolist()
    left, right = np.clip([layer.left, layer.left + width], 0, size_hw[1]).tolist()
    inner = (
        slice(top - layer.top, bottom - layer.top),
        slice(left - layer.left, right - layer.left),
    )
    return inner, (slice(top, bottom), slice(left, right))


def random_dye(rng: np.random.Generator, shadow: float = 0.0) -> Dye:
    """Returns random colours, bright enough to show the cloth's structure.

    Args:
        rng: the only source of randomness.
        shadow: of the dye.
    """
    hue, saturation, value = rng.uniform(0, 180), rng.beta(1.5, 1.2) * 220, rng.uniform(190, 255)
    hues = [hue, (hue + rng.normal(0, 14)) % 180]
    values = [value, value * rng.uniform(0.7, 1.0)]
    hsv = np.array([[[hues[n], saturation, values[n]] for n in (0, 1)]], np.uint8)
    bgr = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return Dye(
        first_bgr=bgr[0],
        second_bgr=bgr[1],
        direction_xy=(float(np.cos(angle)), float(np.sin(angle))),
        floor=float(rng.uniform(0.22, 0.42)),
        shadow=shadow,
    )
