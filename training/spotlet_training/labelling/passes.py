"""The views of a picture that a teacher is shown, and what it finds in all of them.

Source of tiles for small objects: Akyon et al. 2022, "Slicing Aided Hyper Inference",
arXiv:2202.06934, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet.postprocess import suppress
from spotlet.seams import COVERED_SHARE, covered_share, touches_inner_border
from spotlet.tiles import Part, tile_count, tile_starts
from spotlet_training.labelling.classes import UNWANTED, ClassIds
from spotlet_training.labelling.teachers import Assignment

SAME_IOU = 0.6
"""Overlap over which the weaker of two boxes of one class, of different views or classes, is
dropped: the default of a model's own suppression."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of a picture, perhaps mirrored.

    Attributes:
        part_xyxy: edges, whole pixels of the picture.
        mirrored: whether left and right are swapped.
    """

    part_xyxy: Part
    mirrored: bool = False

    def crop(self, image_bgr: ImageArray) -> ImageArray:
        """Returns the view of a picture, (h, w, 3) uint8."""
        left, top, right, bottom = self.part_xyxy
        part = image_bgr[top:bottom, left:right]
        return np.ascontiguousarray(part[:, ::-1] if self.mirrored else part)

    def to_picture(self, boxes_xyxy: FloatArray) -> FloatArray:
        """Maps boxes (N, 4) from pixels of the view to those of the picture."""
        left, top, right, _ = self.part_xyxy
        if self.mirrored:
            boxes_xyxy = boxes_xyxy[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
            left = right
        moved: FloatArray = boxes_xyxy + np.array([left, top, left, top], np.float32)
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one teacher found in a picture, best score first.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the picture.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64, of the set.
        cut: (N,) bool: whether a border between tiles may cut the object.
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    class_ids: ClassIds
    cut: npt.NDArray[np.bool_]

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Found":
        """Returns those that a mask (N,) or indices select."""
        return Found(self.boxes_xyxy[keep], self.scores[keep], self.class_ids[keep], self.cut[keep])


def views_of(size_hw: tuple[int, int], passes: Sequence[str], tile_pixels: int) -> list[View]:
    """Returns the views of a picture; the first is the whole one.

    A picture that fits into a tile has none: the whole picture is as large.

    Args:
        size_hw: of the picture, pixels.
        passes: of `settings.PASSES`.
        tile_pixels: side of a tile.
    """
    height, width = size_hw
    whole = (0, 0, width, height)
    views = [View(whole)]
    if "mirrored" in passes:
        views.append(View(whole, mirrored=True))
    if "tiled" in passes and max(size_hw) > tile_pixels:
        views += [
            View((left, top, min(left + tile_pixels, width), min(top + tile_pixels, height)))
            for top in _starts(height, tile_pixels)
            for left in _starts(width, tile_pixels)
        ]
    return views


def find_objects(
    assignment: Assignment, image_bgr: ImageArray, views: Sequence[View], doubt: float
) -> Found:
    """Returns what a teacher finds in the views of a picture, inside it, each object once.

    Args:
        assignment: the teacher and its classes.
        image_bgr: (H, W, 3) uint8.
        views: of that picture.
        doubt: share of a class's threshold from which detections are returned.
    """
    least = assignment.thresholds * np.float32(doubt)
    low = float(least[assignment.knows].min())
    height, width = image_bgr.shape[:2]
    parts: list[Found] = []
    for view in views:
        found = assignment.teacher.find(view.crop(image_bgr), low)
        ids = assignment.class_ids[found.class_ids]
        boxes = view.to_picture(found.boxes_xyxy)
        cut = touches_inner_border(boxes, view.part_xyxy, (height, width))
        parts.append(Found(boxes, found.scores, ids, cut))
    boxes = np.concatenate([part.boxes_xyxy for part in parts]).astype(np.float32)
    both = Found(
        np.clip(boxes, 0, np.array([width, height, width, height], np.float32)),
        np.concatenate([part.scores for part in parts]).astype(np.float32, copy=False),
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.cut for part in parts]),
    )
    # A teacher may be anyone's code, and readers refuse a set with a box that has no area.
    sides = both.boxes_xyxy[:, 2:] - both.boxes_xyxy[:, :2]
    both = both.select(sides.min(axis=1) > 0)
    both = both.select(both.class_ids != UNWANTED)
    both = both.select(both.scores >= least[both.class_ids])
    if len(views) == 1 and not assignment.merges:
        return both
    whole = both.select(~both.cut)
    shares = covered_share(both.boxes_xyxy, whole.boxes_xyxy)
    same = both.class_ids[:, None] == whole.class_ids[None, :]
    covered = ((shares >= COVERED_SHARE) & same).any(axis=1)
    # On a part of a larger thing, or of nothing, models guess: without a sure score it says little.
    doubtful = both.scores < assignment.thresholds[both.class_ids]
    both = both.select(~(both.cut & (covered | doubtful)))
    return both.select(suppress(both.boxes_xyxy, both.scores, both.class_ids, SAME_IOU))


def _starts(side: int, tile: int) -> list[int]:
    tile = min(tile, side)
    return tile_starts(side, tile, tile_count(side, tile))
