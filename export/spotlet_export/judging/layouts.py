"""Other orders and readings of a canvas's bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.letterbox import ImageArray


def transposed(canvas: ImageArray) -> ImageArray:
    """Returns a canvas with rows and columns swapped; of the same shape only if it is square."""
    return np.ascontiguousarray(canvas.transpose(1, 0, 2))


def reshaped(canvas: ImageArray) -> ImageArray:
    """Returns what a network sees if (H, W, 3) is reshaped to (3, H, W), not transposed."""
    height, width, _ = canvas.shape
    return np.ascontiguousarray(canvas.reshape(3, height, width).transpose(1, 2, 0))


def unreshaped(canvas: ImageArray) -> ImageArray:
    """Undoes `reshaped`."""
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)).reshape(canvas.shape)


def wrapped(step: int) -> Callable[[ImageArray], npt.NDArray[np.int16]]:
    """Returns a function that adds a step to bytes over 127; -256 makes them signed."""

    def wrap(canvas: ImageArray) -> npt.NDArray[np.int16]:
        return np.where(canvas > 127, canvas + np.int16(step), canvas).astype(np.int16)

    return wrap


LAYOUTS: dict[str, Callable[[ImageArray], npt.NDArray[np.integer[Any]]]] = {
    "signed": wrapped(-256),
    "unsigned": wrapped(256),
    "swapped": lambda canvas: np.ascontiguousarray(canvas[..., ::-1]),
    "reshaped": reshaped,
    "unreshaped": unreshaped,
    "transposed": transposed,
}
