"""A garment cut out of its 28 x 28 product photo, painted at any size, place and angle.

Fashion-MNIST shows a product photo in negative: the white backdrop is 0, black cloth is 255.
Here the negative is undone, the outline is kept as a smooth *coverage* field that a steep ramp
turns into a sharp, anti-aliased edge at any painted size.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray

MARGIN = 3
"""Backdrop added around a photo, source pixels: garments touch the border of theirs."""

CLOTH_LEVEL = 12
"""Intensities over this are cloth; the backdrop is 0 with a few levels of noise."""

FULL_LEVEL = 80
"""Intensity at which an outline pixel is fully covered; below, in proportion."""

EDGE_SIGMA = 0.6
"""Blur of the coverage field, source pixels: just enough to hide the steps of the outline."""

EDGE_LEVEL = 0.42
"""Coverage on the outline. Below one half, so that straps one pixel wide survive the blur."""

EDGE_WIDTH = 1.6
"""Width of the painted edge, canvas pixels."""

SHADE_GAMMA = 0.7
"""Below 1, to bring out the structure of dark cloth, as most of it is."""

VISIBLE_ALPHA = 0.5
"""Opacity from which a pixel belongs to the garment, for boxes and masks."""

OPEN_CLASSES = frozenset({1, 5, 8})
"""Trouser, sandal, bag: what their outline encloses (between the legs, under a strap or a
handle) is backdrop. In the other classes it is white cloth, except beside a sleeve."""

SMALLEST_OPENING = 3
"""An enclosed area of fewer source pixels is white cloth everywhere."""

LARGEST_OPENING = 0.4
"""An enclosed area over this share of the garment is white cloth everywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A garment without its backdrop, at the size of its source.

    Attributes:
        shade: (34, 34) uint8, 0 black to 255 white cloth, continued past the outline.
        coverage: (34, 34) uint8, `EDGE_LEVEL` x 255 on the outline, more inside.
        bounds_xyxy: of the garment on that grid, edges of pixels.
    """

    shade: ImageArray
    coverage: ImageArray
    bounds_xyxy: tuple[float, float, float, float]

    @property
    def long_side(self) -> float:
        """The longer side of the garment, source pixels."""
        left, top, right, bottom = self.bounds_xyxy
        return max(right - left, bottom - top)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Place, size and angle of a garment on a canvas.

    Attributes:
        center_xy: of the garment's bounds, canvas pixels.
        scale: canvas pixels for one source pixel.
        angle_degrees: clockwise.
        mirrored: left and right exchanged first.
    """

    center_xy: tuple[float, float]
    scale: float
    angle_degrees: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A garment painted on a patch of the canvas's grid; the patch may reach outside it.

    Attributes:
        left: canvas column of the patch's first column.
        top: canvas row of its first row.
        shade: (h, w) float32 in [0, 1].
        alpha: (h, w) float32 in [0, 1].
    """

    left: int
    top: int
    shade: FloatArray
    alpha: FloatArray

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(h, w): where the garment is."""
        visible: npt.NDArray[np.bool_] = self.alpha >= VISIBLE_ALPHA
        return visible


def cut_out(photo: ImageArray, class_id: int) -> Cutout:
    """Returns the garment of a photo.

    Args:
        photo: (28, 28) uint8 as Fashion-MNIST has it: backdrop 0.
        class_id: 0 to 9; decides whether an enclosed area is cloth.
    """
    ink = np.pad(photo, MARGIN)
    filled = _silhouette(ink, class_id)
    outline = cv2.convertScaleAbs(ink, alpha=255 / FULL_LEVEL)
    inside = cv2.erode(filled, np.ones((3, 3), np.uint8))
    solid = np.maximum(np.where(filled > 0, outline, 0), inside * 255).astype(np.uint8)
    coverage = cv2.GaussianBlur(solid, (0, 0), EDGE_SIGMA).astype(np.uint8)
    # The backdrop shines through an outline pixel, which makes it paler than the cloth: it
    # takes the cloth's level from inside, where that is darker.
    weight = inside.astype(np.float32) + (ink.astype(np.float32) / 255) ** 2 * 0.05 + 1e-5
    spread = cv2.GaussianBlur(ink * weight, (0, 0), 1.0) / cv2.GaussianBlur(weight, (0, 0), 1.0)
    cloth = np.where(inside > 0, ink, np.maximum(ink, np.minimum(spread, 255)))
    rows, columns = np.nonzero(coverage >= EDGE_LEVEL * 255)
    bounds = (
        (float(columns.min()), float(rows.min()), columns.max() + 1.0, rows.max() + 1.0)
        if len(rows)
        else (MARGIN * 1.0, MARGIN * 1.0, MARGIN + 28.0, MARGIN + 28.0)
    )
    shade = 255 * (1 - cloth / 255) ** SHADE_GAMMA
    return Cutout(shade.astype(np.uint8), coverage, bounds)


def place(cutout: Cutout, pose: Pose, margin: int = 2) -> Layer:
    """Returns the garment painted in a pose, at sub-pixel accuracy.

    Args:
        cutout: the garment.
        pose: on the canvas.
        margin: empty pixels around it on the patch.
    """
    left, top, right, bottom = cutout.bounds_xyxy
    angle = np.deg2rad(pose.angle_degrees)
    cos, sin = np.cos(angle) * pose.scale, np.sin(angle) * pose.scale
    turn = np.array([[cos, -sin], [sin, cos]])
    if pose.mirrored:
        turn = turn @ np.diag([-1.0, 1.0])
    half = np.abs(turn) @ np.array([right - left, bottom - top]) / 2 + margin + pose.scale
    first = np.floor(np.array(pose.center_xy) - half).astype(int)
    width, height = (np.ceil(np.array(pose.center_xy) + half).astype(int) - first).tolist()
    # warpAffine counts from the centre of pixel 0: half a pixel off, in both grids.
    middle = np.array([left + right, top + bottom]) / 2 - 0.5
    shift = np.array(pose.center_xy) - first - 0.5 - turn @ middle
    matrix = np.column_stack([turn, shift])
    both = cv2.warpAffine(
        np.dstack([cutout.shade, cutout.coverage]),
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # No flatter than this, or the backdrop, whose coverage is 0, would be painted as well.
    slope = max(EDGE_SIGMA * np.sqrt(2 * np.pi) * pose.scale / EDGE_WIDTH, 0.55 / EDGE_LEVEL)
    ramp = (np.arange(256) / 255 - EDGE_LEVEL) * slope + VISIBLE_ALPHA
    alpha = np.clip(ramp, 0, 1).astype(np.float32)[both[..., 1]]
    shade = both[..., 0].astype(np.float32) / np.float32(255)
    return Layer(int(first[0]), int(first[1]), shade, alpha)


def _silhouette(ink: ImageArray, class_id: int) -> ImageArray:
    """Returns (H, W) uint8, 1 where the garment is, with its enclosed areas resolved."""
    cloth = (ink > CLOTH_LEVEL).astype(np.uint8)
    # An outline is often broken where white cloth meets the white backdrop.
    flooded = cv2.morphologyEx(cloth, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8)
    cv2.floodFill(flooded, None, (0, 0), (2,))
    filled: ImageArray = (flooded != 2).astype(np.uint8)
    white = np.where(cloth > 0, 0, filled).astype(np.uint8)
    _, labels, stats, centers = cv2.connectedComponentsWithStats(white, connectivity=4)
    largest = LARGEST_OPENING * int(filled.sum())
    for label in range(1, len(stats)):
        width, height, area = stats[label, 2:5].tolist()
        off_center = abs(centers[label][0] - (ink.shape[1] - 1) / 2)
        beside_sleeve = height >= 4 and height >= 1.5 * width and off_center >= 3
        if SMALLEST_OPENING <= area <= largest and (class_id in OPEN_CLASSES or beside_sleeve):
            filled[labels == label] = 0
    return filled
