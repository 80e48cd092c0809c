"""Resizes that other programs use, to lay a frame on a canvas as they would."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import INTERPOLATIONS, ImageArray, Letterbox

Resize = Callable[[ImageArray, tuple[int, int]], ImageArray]
"""A picture (H, W, 3) uint8 and the wanted height and width in, the picture out."""


def by_opencv(method: int) -> Resize:
    """Returns a resize by one of OpenCV's interpolations."""

    def resize(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
        return cv2.resize(image, size_hw[::-1], interpolation=method).astype(np.uint8)

    return resize


def antialiased(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns the picture resized by a triangle as wide as the step: Pillow's bilinear.

    Pillow goes across first, and rounds to bytes before it goes down.
    """
    across = _triangles(size_hw[1], image.shape[1])
    rows = np.tensordot(across, image.astype(np.float32), axes=(1, 1)).transpose(1, 0, 2)
    down = _triangles(size_hw[0], image.shape[0])
    resized = np.tensordot(down, np.floor(np.clip(rows, 0, 255) + 0.5), axes=(1, 0))
    return np.floor(np.clip(resized, 0, 255) + 0.5).astype(np.uint8)


def top_left_aligned(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns the picture resized linearly with the first pixels' centres on each other.

    TensorFlow 1's `half_pixel_centers=False`, and `asymmetric` of ONNX's Resize.
    """
    return _by_weights(image, size_hw, lambda new, old: _between(np.arange(new) * old / new, old))


def corner_aligned(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """Returns the picture resized linearly with first and last pixels' centres on each other.

    `align_corners=True` of PyTorch and TensorFlow, and `align_corners` of ONNX's Resize.
    """
    return _by_weights(image, size_hw, lambda new, old: _between(np.linspace(0, old - 1, new), old))


HALF_PIXEL: dict[str, Resize] = {
    "linear, half a pixel off (half_pixel_centers=False)": top_left_aligned,
    "linear, corners aligned (align_corners=True)": corner_aligned,
}
"""Those that move the picture by parts of a pixel, by the name in messages."""

RESIZES: dict[str, Resize] = {
    **{name: by_opencv(method) for name, method in INTERPOLATIONS.items()},
    "cubic": by_opencv(cv2.INTER_CUBIC),
    "lanczos": by_opencv(cv2.INTER_LANCZOS4),
    "antialiased linear (Pillow)": antialiased,
    **HALF_PIXEL,
}
"""By the name in messages; the first are the manifest's own interpolations."""


def lay(image: ImageArray, letterbox: Letterbox, resize: Resize | None) -> ImageArray:
    """Returns the picture on its canvas, (canvas H, canvas W, 3) uint8.

    Args:
        image: (H, W, 3) uint8, of the letterbox's frame size.
        letterbox: where it lies.
        resize: in place of the letterbox's own interpolation; None for that.
    """
    if resize is None:
        return letterbox.apply(image)
    canvas = np.full((*letterbox.canvas_hw, 3), letterbox.pad_value, np.uint8)
    (left, top), (height, width) = letterbox.offset_xy, letterbox.resized_hw
    canvas[top : top + height, left : left + width] = resize(image, (height, width))
    return canvas


def _by_weights(
    image: ImageArray, size_hw: tuple[int, int], weights: Callable[[int, int], FloatArray]
) -> ImageArray:
    down = weights(size_hw[0], image.shape[0])
    across = weights(size_hw[1], image.shape[1])
    rows = np.tensordot(down, image.astype(np.float32), axes=(1, 0))
    resized = np.tensordot(across, rows, axes=(1, 1)).transpose(1, 0, 2)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


def _between(places: npt.NDArray[np.float64], old: int) -> FloatArray:
    """Returns the weights (new, old) of the two pixels that each place lies between."""
    places = np.clip(places, 0, old - 1)
    distances = np.abs(places[:, np.newaxis] - np.arange(old))
    weights: FloatArray = np.maximum(1 - distances, 0).astype(np.float32)
    return weights


def _triangles(new: int, old: int) -> FloatArray:
    step = max(old / new, 1.0)
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    distances = np.abs(centres[:, np.newaxis] - np.arange(old))
    weights = np.maximum(1 - distances / step, 0)
    normed: FloatArray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normed
