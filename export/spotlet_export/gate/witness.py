"""The witness: a second, slow and obvious way from a network's tensors to detections.

The gate compares the shipped runtime with it. If it used the runtime's letterbox and suppression, a
fault in them would be on both sides and remain unseen. So this module imports neither and
implements the rules of the manifest again.
"""

from fractions import Fraction
from math import floor

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest

IndexArray = npt.NDArray[np.int64]

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}
"""The manifest's interpolations, defined a second time like everything here. `linear_exact` is
computed here, in whole numbers."""

ONE = 256
"""A pixel's whole weight in `linear_exact`."""


def witness_canvas(frame_bgr: ImageArray, manifest: Manifest) -> ImageArray:
    """Returns the frame on the network's canvas, as its manifest says, (H, W, 3) uint8 BGR."""
    rule = manifest.input
    left, top, new_width, new_height = _placement(frame_bgr, manifest)
    if rule.interpolation == "linear_exact":
        resized = resize_exactly(frame_bgr, (new_height, new_width))
    else:
        resized = cv2.resize(
            frame_bgr, (new_width, new_height), interpolation=INTERPOLATIONS[rule.interpolation]
        ).astype(np.uint8)
    below = rule.size_hw[0] - new_height - top
    right = rule.size_hw[1] - new_width - left
    grey = (rule.pad_value,) * 3
    return cv2.copyMakeBorder(
        resized, top, below, left, right, cv2.BORDER_CONSTANT, value=grey
    ).astype(np.uint8)


def resize_exactly(frame_bgr: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns the frame in another size by `linear_exact`, the same bytes on every processor.

    Bilinear between the centres of the four nearest pixels. Weights are whole 256ths, so that only
    the last step rounds. Source: measured against OpenCV's
    INTER_LINEAR_EXACT, whose bytes these are (`docs/hosts.md` has the rule).

    Args:
        frame_bgr: (H, W, 3) uint8.
        size_hw: wanted height and width, pixels.
    """
    upper, lower, down = _neighbours(frame_bgr.shape[0], size_hw[0])
    left, right, across = _neighbours(frame_bgr.shape[1], size_hw[1])
    pixels, across = frame_bgr.astype(np.int64), across[:, np.newaxis]
    rows = pixels[:, left] * (ONE - across) + pixels[:, right] * across
    down = down[:, np.newaxis, np.newaxis]
    sums = rows[upper] * (ONE - down) + rows[lower] * down
    return ((sums + ONE * ONE // 2) // (ONE * ONE)).astype(np.uint8)


def _neighbours(side: int, new_side: int) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Returns, for each new pixel along an axis, the two it lies between, and the second's weight.

    The step is the inverse of the scale, as in OpenCV: `side / new_side` would round differently
    when a weight falls on a half, which goes to the even number.
    """
    step = 1 / (new_side / side)
    centres = (np.arange(new_side) + 0.5) * step - 0.5
    first = np.floor(centres).astype(np.int64)
    weight = np.rint((centres - first) * ONE).astype(np.int64)
    return np.clip(first, 0, side - 1), np.clip(first + 1, 0, side - 1), weight


def witness_detections(
    boxes: FloatArray,
    scores: FloatArray,
    frame_bgr: ImageArray,
    manifest: Manifest,
    score_threshold: float,
) -> Detections:
    """Returns the objects of one frame, box by box and pair by pair.

    Args:
        boxes: (K, 4) of the network, in [0, 1] of the canvas.
        scores: (K, C).
        frame_bgr: the frame, for its size.
        manifest: the rules.
        score_threshold: the least score kept.
    """
    left, top, new_width, new_height = _placement(frame_bgr, manifest)
    frame_height, frame_width = frame_bgr.shape[:2]
    canvas_height, canvas_width = manifest.input.size_hw
    firing = [
        (float(scores[cell, class_id]), int(cell), int(class_id))
        for cell, class_id in np.argwhere(scores >= score_threshold)
        if manifest.detection.every_class or class_id == scores[cell].argmax()
    ]
    candidates = sorted(firing, key=lambda item: (-item[0], item[1], item[2]))
    kept: list[tuple[float, tuple[float, ...], tuple[float, ...], int]] = []
    for score, cell, class_id in candidates:
        x1, y1, x2, y2 = (float(value) for value in boxes[cell])
        on_canvas = (x1 * canvas_width, y1 * canvas_height, x2 * canvas_width, y2 * canvas_height)
        if any(
            other_class == class_id
            and _overlap(on_canvas, other) > manifest.detection.iou_threshold
            for _, other, _, other_class in kept
        ):
            continue
        in_frame = (
            min(max((on_canvas[0] - left) * frame_width / new_width, 0.0), frame_width),
            min(max((on_canvas[1] - top) * frame_height / new_height, 0.0), frame_height),
            min(max((on_canvas[2] - left) * frame_width / new_width, 0.0), frame_width),
            min(max((on_canvas[3] - top) * frame_height / new_height, 0.0), frame_height),
        )
        kept.append((score, on_canvas, in_frame, class_id))
    seen = [item for item in kept if item[2][2] > item[2][0] and item[2][3] > item[2][1]]
    seen = seen[: manifest.detection.max_detections]
    return Detections(
        np.array([item[2] for item in seen], np.float32).reshape(-1, 4),
        np.array([item[0] for item in seen], np.float32),
        np.array([item[3] for item in seen], np.int64),
        manifest.classes,
    )


def _placement(frame_bgr: ImageArray, manifest: Manifest) -> tuple[int, int, int, int]:
    """Returns left, top, width and height of the frame on the canvas, whole pixels."""
    height, width = frame_bgr.shape[:2]
    canvas_height, canvas_width = manifest.input.size_hw
    if manifest.input.resize == "stretch":
        return 0, 0, canvas_width, canvas_height
    scale = min(Fraction(canvas_height, height), Fraction(canvas_width, width))
    # A half goes up, without the error of a float.
    new_height = max(1, min(canvas_height, floor(scale * height + Fraction(1, 2))))
    new_width = max(1, min(canvas_width, floor(scale * width + Fraction(1, 2))))
    if manifest.input.resize == "letterbox_corner":
        return 0, 0, new_width, new_height
    return (canvas_width - new_width) // 2, (canvas_height - new_height) // 2, new_width, new_height


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height)
