"""Whole JPEG pictures: where they end, and what they show.

Source: ITU-T T.81, B.1.1 (markers, and the bytes that keep data apart from them).
"""

import cv2
import numpy as np

from spotlet.image_files.blocks import JPEG_START, MARKER
from spotlet.letterbox import ImageArray

_START_CODE, _END_CODE = 0xD8, 0xD9


def jpeg_end(content: bytes) -> int | None:
    """Returns where the first JPEG of `content` ends, if it is complete.

    Cameras pad their pictures, with up to some hundred bytes of anything. An end inside of a
    thumbnail does not count.
    """
    if not content.startswith(JPEG_START):
        return None
    place = len(JPEG_START)
    while (marker := MARKER.search(content, place)) is not None:
        code, place = content[marker.start() + 1], marker.end()
        if code == _END_CODE:
            return place
        if code != _START_CODE:
            place += int.from_bytes(content[place : place + 2], "big")
    return None


def decode_jpeg(content: ImageArray) -> ImageArray | None:
    """Returns the picture in a file's bytes; None if they are not a complete JPEG."""
    end = jpeg_end(content.tobytes())
    if end is None:
        return None
    try:
        image = cv2.imdecode(content.reshape(-1)[:end], cv2.IMREAD_COLOR)
    except cv2.error:  # a size over OpenCV's limit, among others
        return None
    return None if image is None else np.asarray(image, np.uint8)
