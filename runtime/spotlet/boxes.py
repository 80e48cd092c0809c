"""Axis-aligned boxes as arrays: (N, 4), xyxy, continuous coordinates.

A coordinate is a position on the pixel grid's edges, not a pixel's index: the pixel in
column 0 covers x from 0 to 1, and a box over a whole W x H image is (0, 0, W, H).
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def box_area(boxes_xyxy: FloatArray) -> FloatArray:
    """Returns the area of each box; 0 if a side is negative.

    Args:
        boxes_xyxy: (N, 4) in any unit.

    Returns:
        (N,) in that unit squared.
    """
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    area: FloatArray = sides[:, 0] * sides[:, 1]
    return area


def box_iou(boxes_a: FloatArray, boxes_b: FloatArray) -> FloatArray:
    """Returns the intersection over union of every pair.

    Args:
        boxes_a: (N, 4) xyxy.
        boxes_b: (M, 4) xyxy, in the same frame and unit.

    Returns:
        (N, M) in [0, 1]; 0 for a pair of empty boxes.

    Example:
        >>> unit = np.array([[0, 0, 1, 1]], np.float32)
        >>> right_half = np.array([[0.5, 0, 1, 1]], np.float32)
        >>> box_iou(unit, right_half).tolist()
        [[0.5]]
    """
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = box_area(boxes_a)[:, None] + box_area(boxes_b)[None, :] - intersection
    iou: FloatArray = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=union > 0
    )
    return iou


def clip_boxes(boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """Returns the boxes clipped to an image.

    Args:
        boxes_xyxy: (N, 4) pixels of that image.
        size_hw: its height and width in pixels.

    Returns:
        (N, 4), x in [0, W] and y in [0, H]. A box outside the image becomes empty.
    """
    height, width = size_hw
    limit = np.array([width, height, width, height], boxes_xyxy.dtype)
    clipped: FloatArray = np.clip(boxes_xyxy, 0, limit)
    return clipped
