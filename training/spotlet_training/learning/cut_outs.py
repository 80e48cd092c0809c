"""Cut-outs of pictures, as large as the tiles in which a device searches."""

from dataclasses import replace

import numpy as np

from spotlet.boxes import box_area
from spotlet.tiles import Part, TileSettings
from spotlet_training.datasets import Sample

TILED_SHARE = 0.75
"""Of the canvases show a cut-out; the others, all of a picture, which devices search too."""

OBJECT_SHARE = 0.5
"""Of the cut-outs lie around an object, the others anywhere: a device sees more places without
objects than with them."""


def perhaps_cut_out(
    sample: Sample,
    tiles: TileSettings,
    canvas_hw: tuple[int, int],
    least_visible: float,
    rng: np.random.Generator,
) -> Sample:
    """Returns a cut-out of a picture as large as its tiles, or the whole of it.

    Args:
        sample: the picture.
        tiles: how a device would cut it.
        canvas_hw: of the network, pixels.
        least_visible: see `cut_out`.
        rng: the only source of randomness.
    """
    height, width = sample.image_bgr.shape[:2]
    _, *parts = tiles.parts((height, width), canvas_hw)
    if not parts or rng.random() >= TILED_SHARE:
        return sample
    left, top, right, bottom = parts[0]
    tile, room = np.array([right - left, bottom - top]), np.array([width - right, height - bottom])
    corner = rng.uniform(0, 1, 2) * room
    objects = np.flatnonzero(~sample.ignored)
    if len(objects) and rng.random() < OBJECT_SHARE:
        box = sample.boxes_xyxy[rng.choice(objects)]
        corner = (box[:2] + box[2:]) / 2 - rng.uniform(0.1, 0.9, 2) * tile
    left, top = np.clip(corner, 0, room).round().astype(int).tolist()
    part = (left, top, left + int(tile[0]), top + int(tile[1]))
    return cut_out(sample, part, least_visible)


def cut_out(sample: Sample, part: Part, least_visible: float) -> Sample:
    """Returns a part of a picture with the objects that it shows.

    Args:
        sample: the picture; the part shares its pixels.
        part: of the picture.
        least_visible: an object with less than this share in the part is ignored.
    """
    left, top, right, bottom = part
    corner = np.array([left, top, left, top], np.float32)
    limit = np.array([right - left, bottom - top] * 2, np.float32)
    boxes = np.clip(sample.boxes_xyxy - corner, 0, limit)
    visible = box_area(boxes) / np.maximum(box_area(sample.boxes_xyxy), 1e-6)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return replace(
        sample,
        image_bgr=sample.image_bgr[top:bottom, left:right],
        boxes_xyxy=boxes[seen],
        class_ids=sample.class_ids[seen],
        ignored=(sample.ignored | (visible < least_visible))[seen],
    )
