"""Another host's detections, and the pictures that every host gets."""

import cv2
import numpy as np

from spotlet.detections import Detections
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model


class HostAbsentError(Exception):
    """A part that a host needs is not on this machine; the text says which and how to get it."""


class HostFailedError(Exception):
    """A host ended without a result; the text is its output."""


Row = tuple[int, float, list[float]]
"""Class id, score, box xyxy in pixels of the picture."""


def detections_of(rows: list[Row], class_names: tuple[str, ...]) -> Detections:
    """Returns a host's rows as the runtime's own result type."""
    return Detections(
        np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        np.array([class_id for class_id, _, _ in rows], np.int64),
        class_names,
    )


def pictures(photograph: ImageArray) -> dict[str, ImageArray]:
    """Returns pictures (H, W, 3) uint8 BGR by name: a photograph at odd shapes, and drawn ones.

    Args:
        photograph: (480, 640, 3) uint8 BGR.
    """
    golden = locate_model("cells").parent / "golden"
    drawn = {path.stem: read_image(path) for path in sorted(golden.glob("*.png"))}
    width = photograph.shape[1]
    return {
        "photograph": photograph,
        # Of 640 x 81, on a canvas of 320 or 384 a height whose fraction is rounded up.
        "wide": np.ascontiguousarray(photograph[320:401]),
        "tall": np.ascontiguousarray(photograph[:, width // 2 : width * 3 // 4]),
        "large": _resized(photograph, (1919, 1081), cv2.INTER_CUBIC),
        "small": _resized(photograph, (131, 97), cv2.INTER_AREA),
        "tiny": _resized(photograph, (3, 5), cv2.INTER_AREA),
        "grey": np.full((240, 320, 3), 114, np.uint8),
        **drawn,
    }


def _resized(image: ImageArray, size_wh: tuple[int, int], interpolation: int) -> ImageArray:
    return np.asarray(cv2.resize(image, size_wh, interpolation=interpolation), np.uint8)
