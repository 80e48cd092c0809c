"""How large the boxes are on the network's canvas, compared with its cells."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import Letterbox
from spotlet.manifest import NO_TILES
from spotlet.tiles import TileSettings
from spotlet_training.datasets import ImageLabels
from spotlet_training.network.settings import MOST_SIDE, STRIDES

FINEST_STRIDE = STRIDES[0]
"""Side of the smallest cell, canvas pixels. Smaller objects share a cell, and a cell predicts
one box."""

SIZE_LIMITS = (FINEST_STRIDE, 32, 96)
"""Longer sides between the sizes, canvas pixels: a cell, and COCO's limits of small and medium
objects (https://cocodataset.org/#detection-eval), which are the sides of squares."""

SIZE_NAMES = (f"under {FINEST_STRIDE}", f"{FINEST_STRIDE} to 32", "32 to 96", "96 up")
"""The sizes between the limits, lower limit inclusive."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxSizes:
    """The boxes that are trained on or counted.

    Attributes:
        sides: (N,) float32, each box's longer side, or the shorter one, canvas pixels.
        class_ids: (N,) int64.
    """

    sides: FloatArray
    class_ids: npt.NDArray[np.int64]

    def counts(self, class_id: int) -> tuple[int, ...]:
        """Returns how many boxes of a class have each of the sizes in `SIZE_NAMES`."""
        places = np.searchsorted(SIZE_LIMITS, self.of_class(class_id).sides, side="right")
        return tuple(np.bincount(places, minlength=len(SIZE_NAMES)).tolist())

    @property
    def tiny(self) -> int:
        """How many are below a cell of the finest stride."""
        return int((self.sides < FINEST_STRIDE).sum())

    @property
    def mostly_tiny(self) -> bool:
        """Whether more than half are below a cell of the finest stride."""
        return self.mostly_under(FINEST_STRIDE)

    def mostly_under(self, pixels: float) -> bool:
        """Whether more than half are below a length, canvas pixels."""
        return 2 * int((self.sides < pixels).sum()) > len(self.sides)

    def of_class(self, class_id: int) -> "BoxSizes":
        """Returns those of one class."""
        mask = self.class_ids == class_id
        return BoxSizes(self.sides[mask], self.class_ids[mask])


def measure_boxes(
    labels: Iterable[ImageLabels],
    canvas_hw: tuple[int, int],
    sizes_hw: Mapping[Path, tuple[int, int]],
    *,
    shorter: bool = False,
    tiles: TileSettings = NO_TILES,
) -> BoxSizes:
    """Returns the longer sides of all boxes on the letterboxed canvas, without ignored ones.

    With tiles, those in a tile on the canvas.

    Args:
        labels: of the images.
        canvas_hw: height and width of the canvas, pixels.
        sizes_hw: height and width of the images that were decoded. If neither these nor the labels
            give an image's size, its boxes count as large as possible.
        shorter: measure the shorter sides instead.
        tiles: how images are cut; images of unknown size are then left out.
    """
    sides = [np.zeros(0, np.float32)]
    class_ids = [np.zeros(0, np.int64)]
    for one in labels:
        size_hw = sizes_hw.get(one.path, one.size_hw)
        width_height = one.boxes_xyxy[:, 2:] - one.boxes_xyxy[:, :2]
        # Boxes in fractions are largest if the image has the canvas's own shape.
        height, width = map(float, canvas_hw)
        if size_hw is not None:
            left, top, right, bottom = tiles.parts(size_hw, canvas_hw)[-1]
            part_hw = bottom - top, right - left
            resized_hw = Letterbox(part_hw, canvas_hw).resized_hw
            height, width = np.array(size_hw) * resized_hw / part_hw
        elif tiles:
            continue
        unit_hw = one.size_hw or (1, 1)
        scale = np.array([width / unit_hw[1], height / unit_hw[0]], np.float32)
        kept = ~one.ignored
        sorted_sides = np.sort(width_height * scale, axis=1)
        # Fractions in a text file are decimal: 7.9999 is a box of 8 pixels.
        sides.append(sorted_sides[kept, 0 if shorter else 1].round(3))
        class_ids.append(one.class_ids[kept])
    return BoxSizes(np.concatenate(sides), np.concatenate(class_ids))


def larger_canvas(
    sizes: BoxSizes, canvas_hw: tuple[int, int], goal: float = FINEST_STRIDE
) -> tuple[int, int] | None:
    """Returns the smallest canvas of that shape on which half of the boxes fill a cell.

    With another `goal`, half of them are that long, canvas pixels. None if the networks cannot
    take a canvas that large.
    """
    factor = goal / max(float(np.median(sizes.sides)), 1e-6)
    step = STRIDES[-1]
    height, width = (math.ceil(side * factor / step) * step for side in canvas_hw)
    return (height, width) if max(height, width) <= MOST_SIDE else None
