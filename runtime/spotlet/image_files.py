"""Image files: which they are, and what is in them."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.errors import SourceError
from spotlet.letterbox import ImageArray
from spotlet.opencv_log import quiet_opencv

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as an image, in lower case."""


def read_image(path: Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, turned as its EXIF orientation says.

    Grey, 16-bit and transparent images are converted, the last by leaving alpha out.

    Raises:
        SourceError: the file cannot be read or holds no whole image.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_image(content, path)


def decode_image(content: npt.NDArray[np.uint8], path: Path) -> ImageArray:
    """Returns what is in an image file's bytes, as `read_image` does.

    Args:
        content: (B,), the bytes.
        path: of the file, for the error.

    Raises:
        SourceError: they hold no whole image.
    """
    with quiet_opencv():
        try:
            image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
        except cv2.error:  # a size over OpenCV's limit, among others
            image = None
    if image is None:
        raise SourceError(f"{path}: not an image that OpenCV can decode, or a damaged one")
    return np.asarray(image, np.uint8)
