"""Augmentation: mosaics, scale, shift, flips and colour.

Every source picture is mapped onto the canvas by one affine transform: a single interpolation,
the device's (bilinear, edge-aligned), whatever the augmentations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_area
from spotlet.errors import UsageError
from spotlet.letterbox import PAD_VALUE, ImageArray
from spotlet_training.datasets import Sample

LEAST_SIDE = 0.5
"""Objects with a side below this, canvas pixels, are ignored: the interpolation, which reads two
pixels of a picture for each of the canvas, may have left most of them out. Thicker ones are
learnt, however thin."""

FLIPS = ("none", "horizontal", "vertical", "both", "all")
"""The axes along which a picture may be mirrored; `all` adds quarter turns, so that a square has
its eight symmetries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSettings:
    """How far pictures are changed.

    Attributes:
        mosaic: probability that a canvas is made of four pictures, while mosaics are on.
        scale: factors by which a picture's letterboxed size is multiplied, least and greatest.
        mosaic_scale: the same within a mosaic.
        aspect: greatest relative change of width against height.
        shift: greatest shift of a single picture, as a share of the canvas.
        as_it_is: probability that a single picture as large as the canvas is not scaled, and moved
            by whole pixels only. The device does not resample such pictures; a network that has
            seen only resampled, slightly blurred ones draws its boxes too small.
        flips: one of `FLIPS`; each named axis is mirrored with probability 0.5, and with `all`
            the two axes are swapped as often.
        brightness: greatest relative change of the contrast; a quarter of it, as a share of
            the range, is the greatest offset.
        saturation: greatest relative change of the saturation.
        hue: greatest turn of the hue, as a share of the circle.
        least_visible: an object with less than this share visible is ignored: not enough to learn
            from, too much to count as background.
    """

    mosaic: float = 0.5
    scale: tuple[float, float] = (0.6, 1.4)
    mosaic_scale: tuple[float, float] = (0.5, 1.2)
    aspect: float = 0.1
    shift: float = 0.15
    as_it_is: float = 0.3
    flips: str = "horizontal"
    brightness: float = 0.3
    saturation: float = 0.4
    hue: float = 0.02
    least_visible: float = 0.3

    def __post_init__(self) -> None:
        if self.flips not in FLIPS:
            raise UsageError(f"flips {self.flips!r}: must be one of {', '.join(FLIPS)}")
        for name in ("mosaic", "as_it_is", "least_visible", "brightness", "saturation", "hue"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"augmentation {name} {getattr(self, name)}: must be from 0 to 1")


@dataclass(frozen=True, slots=True)
class Canvas:
    """One training example.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) float32, canvas pixels, clipped.
        class_ids: (N,) int64.
        ignored: (N,) bool.
        unknown: where a picture with unknown classes lies, xyxy in canvas pixels, and these
            classes; see `Sample.unknown_ids`.
    """

    image_bgr: ImageArray
    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    unknown: tuple[tuple[FloatArray, tuple[int, ...]], ...] = ()


def augmented_canvas(
    samples: Sequence[Sample],
    size_hw: tuple[int, int],
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> Canvas:
    """Returns a new training example.

    Args:
        samples: one picture, or four for a mosaic.
        size_hw: of the canvas, pixels.
        settings: how far pictures are changed.
        rng: the only source of randomness.
    """
    image = np.full((*size_hw, 3), PAD_VALUE, np.uint8)
    height, width = size_hw
    regions = [(0, 0, width, height)]
    if len(samples) == 4:
        centre_x, centre_y = (int(side * rng.uniform(0.3, 0.7)) for side in (width, height))
        regions = [
            (0, 0, centre_x, centre_y),
            (centre_x, 0, width, centre_y),
            (0, centre_y, centre_x, height),
            (centre_x, centre_y, width, height),
        ]
    placed = [
        _place(sample, image, region, settings, rng)
        for sample, region in zip(samples, regions, strict=True)
    ]
    boxes = np.concatenate([boxes for boxes, _, _ in placed])
    class_ids = np.concatenate([sample.class_ids for sample in samples])
    ignored = np.concatenate([sample.ignored for sample in samples])
    ignored |= np.concatenate([share for _, share, _ in placed]) < settings.least_visible
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    ignored |= sides < LEAST_SIDE
    seen = sides > 0
    image = recoloured(image, settings, rng)
    unknown = tuple(
        (outline, sample.unknown_ids)
        for sample, (_, _, outline) in zip(samples, placed, strict=True)
        if sample.unknown_ids
    )
    return Canvas(image, boxes[seen], class_ids[seen], ignored[seen], unknown)


def _place(
    sample: Sample,
    image: ImageArray,
    region: tuple[int, int, int, int],
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draws a picture into a region of the canvas.

    Returns:
        Its boxes, their visible shares, and the picture's own box, clipped.
    """
    if settings.flips == "all" and rng.random() < 0.5:
        sample = transposed(sample)
    left, top, right, bottom = region
    whole = (right - left, bottom - top) == (image.shape[1], image.shape[0])
    source_hw = np.array(sample.image_bgr.shape[:2])
    fit = float(np.min(np.array(image.shape[:2]) / source_hw))
    as_it_is = whole and fit == 1 and rng.random() < settings.as_it_is
    if as_it_is:
        settings = replace(settings, scale=(1, 1), aspect=0)
    factor = float(np.exp(rng.uniform(*np.log(settings.scale if whole else settings.mosaic_scale))))
    stretch = np.exp(rng.uniform(-settings.aspect, settings.aspect) / 2 * np.array([1, -1]))
    scale_xy = fit * factor * stretch
    size_xy = scale_xy * source_hw[::-1]
    room = np.array([right - left, bottom - top]) - size_xy
    if whole:
        limit = settings.shift * np.array([right - left, bottom - top])
        offset = (
            np.array([left, top]) + room / 2 + rng.uniform(-1, 1, 2) * (limit + np.abs(room) / 2)
        )
        offset = np.round(offset) if as_it_is else offset
    else:  # anywhere within, or any cut-out of what is larger than the region
        offset = np.array([left, top]) + room * rng.uniform(0, 1, 2)
    flip_x = settings.flips in ("horizontal", "both", "all") and rng.random() < 0.5
    flip_y = settings.flips in ("vertical", "both", "all") and rng.random() < 0.5
    sign = np.where([flip_x, flip_y], -1.0, 1.0)
    offset = np.where([flip_x, flip_y], offset + size_xy, offset)
    gain = scale_xy * sign
    # OpenCV measures from pixel centres, boxes from edges: half a pixel between the two.
    shift = offset + gain * 0.5 - 0.5 - np.array([left, top])
    matrix = np.array([[gain[0], 0, shift[0]], [0, gain[1], shift[1]]])
    view = image[top:bottom, left:right]
    view[:] = cv2.warpAffine(
        sample.image_bgr,
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD_VALUE,) * 3,
    )
    outline = np.array([[0, 0, *source_hw[::-1]]], np.float32)
    moved = np.concatenate([sample.boxes_xyxy, outline]) * np.tile(gain, 2) + np.tile(offset, 2)
    moved = np.concatenate(
        [np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], axis=1
    ).astype(np.float32)
    clipped = np.clip(moved, [left, top, left, top], [right, bottom, right, bottom])
    clipped = clipped.astype(np.float32)
    share = box_area(clipped[:-1]) / np.maximum(box_area(moved[:-1]), 1e-6)
    return clipped[:-1], share.astype(np.float32), clipped[-1]


def transposed(sample: Sample) -> Sample:
    """Returns the sample mirrored along its diagonal: rows become columns."""
    return replace(
        sample,
        image_bgr=cv2.transpose(sample.image_bgr).astype(np.uint8, copy=False),
        boxes_xyxy=sample.boxes_xyxy[:, [1, 0, 3, 2]],
    )


def recoloured(
    image: ImageArray, settings: AugmentationSettings, rng: np.random.Generator
) -> ImageArray:
    """Returns the picture with brightness, contrast, saturation and hue changed."""
    gain = 1 + rng.uniform(-1, 1) * settings.brightness
    offset = 127.5 * (1 - gain) + rng.uniform(-1, 1) * settings.brightness * 64
    ramp = np.arange(256, dtype=np.float32)
    levels = np.clip(ramp * gain + offset, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, levels).astype(np.uint8)
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    turn = rng.uniform(-1, 1) * settings.hue * 180
    richer = 1 + rng.uniform(-1, 1) * settings.saturation
    hue = cv2.LUT(hue, ((ramp + turn) % 180).astype(np.uint8))
    saturation = cv2.LUT(saturation, np.clip(ramp * richer, 0, 255).astype(np.uint8))
    result = cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2BGR)
    return result.astype(np.uint8)
