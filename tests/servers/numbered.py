"""Pictures that carry a number, and the proof that they are complete."""

import cv2
import numpy as np

from spotlet.letterbox import ImageArray

BITS = 16
MOST = 2**BITS


def numbered_picture(number: int, size_hw: tuple[int, int] = (96, 128)) -> ImageArray:
    """Returns a picture with a number as blocks, low bit left; below, the blocks inverted."""
    height, width = size_hw
    bits = np.array([number >> place & 1 for place in range(BITS)], np.uint8)
    row = np.repeat(bits * 255, -(-width // BITS))[:width]
    half = np.repeat(row[None], height // 2, axis=0)
    rows = np.concatenate([half, 255 - half])
    return np.repeat(rows[..., None], 3, axis=2)


def read_number(image: ImageArray) -> int:
    """Returns the number; raises AssertionError if the picture is not complete."""
    height, width = image.shape[:2]
    block = -(-width // BITS)
    columns = [place * block + block // 2 for place in range(BITS)]
    grey = image.mean(axis=2)
    above = grey[height // 4, columns]
    below = grey[[height * 3 // 4, height - 2]][:, columns]
    whole = (np.abs(above - 127.5) > 60).all() and (np.abs(above + below - 255) < 60).all()
    assert whole, "no picture that a server has sent"
    return sum(1 << place for place in range(BITS) if above[place] > 127)


def numbered_jpeg(number: int, size_hw: tuple[int, int]) -> bytes:
    """Returns such a picture as a JPEG."""
    done, content = cv2.imencode(".jpg", numbered_picture(number, size_hw))
    assert done
    return content.tobytes()
