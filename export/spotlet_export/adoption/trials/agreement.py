"""How sure and how consistent detections are over shifted, scaled and mirrored copies of an image.

A detector that is read rightly finds the same objects in each copy. Read wrongly, it finds nothing,
or what the canvas, not the image, decides: then the boxes do not move with the image.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_area, box_iou, clip_boxes
from spotlet.detections import Detections
from spotlet.letterbox import PAD_VALUE, ImageArray, Letterbox

SHIFT = 1 / 8
"""Of a copy, share of the canvas; then rounded to whole cells."""

CELL = 8
"""Pixels of the canvas: cells of most grids are a multiple."""

SHRUNK = 0.8
"""Size of the scaled copy."""

SAME_IOU = 0.5
"""Overlap from which two boxes are the same object's."""

WHOLE = 0.9
"""Share of a box that a copy must still show."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A transformed copy of an image, of the same size: x goes to `scale * x + offset`.

    Attributes:
        scale_xy: for each axis; negative if mirrored.
        offset_xy: pixels.
    """

    scale_xy: tuple[float, float]
    offset_xy: tuple[float, float]

    def image(self, image_bgr: ImageArray) -> ImageArray:
        """Returns the copy of an image (H, W, 3); what it does not cover is grey."""
        (scale_x, scale_y), (x, y) = self.scale_xy, self.offset_xy
        # OpenCV's coordinates are those of pixels' centres.
        matrix = np.array(
            [
                [scale_x, 0, scale_x / 2 + x - 0.5],
                [0, scale_y, scale_y / 2 + y - 0.5],
            ]
        )
        return cv2.warpAffine(
            image_bgr,
            matrix,
            (image_bgr.shape[1], image_bgr.shape[0]),
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(PAD_VALUE,) * 3,
        ).astype(np.uint8)

    def boxes(self, boxes_xyxy: FloatArray) -> FloatArray:
        """Returns boxes (N, 4) of the image as they lie in the copy, not clipped."""
        corners = boxes_xyxy.reshape(-1, 2, 2) * self.scale_xy + self.offset_xy
        ordered: FloatArray = np.hstack([corners.min(axis=1), corners.max(axis=1)])
        return ordered.astype(np.float32)


def copies_of(letterbox: Letterbox) -> tuple[Copy, ...]:
    """Returns the copies of a frame: shifted by whole cells, scaled, mirrored."""
    height, width = letterbox.frame_hw
    shift = [
        round(CELL * max(1, round(new * SHIFT / CELL)) * old / new)
        for old, new in zip((width, height), letterbox.resized_hw[::-1], strict=True)
    ]
    rest = (1 - SHRUNK) / 2
    return (
        Copy((1, 1), (shift[0], shift[1])),
        Copy((SHRUNK, SHRUNK), (rest * width, rest * height)),
        Copy((-1, 1), (width, 0)),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Sums over copies.

    Attributes:
        copies: how many.
        matched: squared scores of detections that are in both, times their overlap.
        total: squared scores of all, the mean of the image's and the copy's.
        mirrored: matched and total of mirrored copies alone: what is shifted agrees even if boxes
            are upper left corners with sizes, or have another scale.
    """

    copies: int = 0
    matched: float = 0.0
    total: float = 0.0
    mirrored: tuple[float, float] = (0.0, 0.0)

    @property
    def mirrored_share(self) -> float:
        """How consistent those of mirrored copies are, in [0, 1]; 1 if there is none."""
        matched, total = self.mirrored
        return matched / total if total else 1.0

    @property
    def share(self) -> float:
        """How consistent the detections are, in [0, 1]."""
        return self.matched / self.total if self.total else 0.0

    @property
    def sureness(self) -> float:
        """How many objects are found again, and how surely.

        The logarithm, because a network that fires everywhere matches some boxes by chance.
        """
        return math.log1p(self.matched / max(self.copies, 1))

    @property
    def worth(self) -> float:
        """Sureness and consistency."""
        return self.sureness * self.share

    @property
    def quality(self) -> float:
        """Sureness and consistency, of which consistency counts more."""
        return self.worth * min(self.share, self.mirrored_share)

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.copies + other.copies,
            self.matched + other.matched,
            self.total + other.total,
            (self.mirrored[0] + other.mirrored[0], self.mirrored[1] + other.mirrored[1]),
        )


def agreement(
    found: Detections, copied: Detections, copy: Copy, frame_hw: tuple[int, int]
) -> Agreement:
    """Returns how well the detections of an image and of one copy of it agree.

    Objects that the copy cuts off count on neither side.

    Args:
        found: in the image.
        copied: in the copy.
        copy: how it was made.
        frame_hw: of both.
    """
    moved = copy.boxes(found.boxes_xyxy)
    seen = clip_boxes(moved, frame_hw)
    whole = box_area(seen) >= WHOLE * box_area(moved)
    overlaps = _overlaps(seen, found.class_ids, copied)
    free = np.ones(len(copied), np.bool_)
    matched = 0.0
    for index in np.flatnonzero(whole):
        candidates = np.where(free, overlaps[index], 0)
        if len(candidates) and candidates.max() >= SAME_IOU:
            best = int(candidates.argmax())
            free[best] = False
            score = min(float(found.scores[index]), float(copied.scores[best]))
            matched += score**2 * float(candidates[best])
    cut = free & (overlaps[~whole] > 0).any(axis=0)
    sums = [float(np.sum(part**2)) for part in (found.scores[whole], copied.scores[~cut])]
    total = sum(sums) / 2
    return Agreement(1, matched, total, (matched, total) if min(copy.scale_xy) < 0 else (0.0, 0.0))


def without(found: Detections, control: Detections) -> Detections:
    """Returns the detections that are not in the control, an image that shows nothing."""
    overlaps = _overlaps(found.boxes_xyxy, found.class_ids, control)
    return found.select(np.flatnonzero((overlaps < SAME_IOU).all(axis=1)))


def _overlaps(
    boxes_xyxy: FloatArray, class_ids: npt.NDArray[np.int64], other: Detections
) -> FloatArray:
    """Returns the overlap (N, M) of each pair; 0 for different classes."""
    same = class_ids[:, np.newaxis] == other.class_ids
    overlaps: FloatArray = np.where(same, box_iou(boxes_xyxy, other.boxes_xyxy), 0)
    return overlaps
