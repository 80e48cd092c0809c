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


def read_image(path: str | Path) -> ImageArray:
    """Returns an image file as (H, W, 3) uint8 BGR, turned as its EXIF orientation says.

    Grey, 16-bit and transparent images are converted, the last by leaving alpha out.

    Raises:
        SourceError: the file cannot be read or holds no whole image.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_image(content, name=str(path))


def decode_image(
    content: bytes | bytearray | npt.NDArray[np.uint8], *, name: str = "the image"
) -> ImageArray:
    """Returns what the content of an image file shows, as `read_image` does.

    Args:
        content: of the file.
        name: what an error calls it.

    Raises:
        SourceError: it is no whole image, or has more pixels than OpenCV allows, which the
            environment variable `OPENCV_IO_MAX_IMAGE_PIXELS` sets before OpenCV is imported.
    """
    with quiet_opencv():
        try:
            # An empty buffer is an error of OpenCV's, as is a size over its limit.
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
    if image is None:
        raise SourceError(f"{name}: not an image that OpenCV can decode, or a damaged one")
    return np.asarray(image, np.uint8)
