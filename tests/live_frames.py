"""Numbered frames as a live source gives them, for tests of what writes them."""

import time
from pathlib import Path

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.streams import Frame, open_stream

NAMES = ("bolt", "nut/washer", "screw")
NUMBER_BITS, CELL_PIXELS = 8, 24
SIZE_HW = (96, NUMBER_BITS * CELL_PIXELS)
START_AT = 1_700_000_000.0


def live_frame(
    number: int,
    at: float | None = None,
    *,
    source: str = "rtsp://10.0.0.7/door",
    epoch: int = 0,
    size_hw: tuple[int, int] = SIZE_HW,
) -> Frame:
    """A frame that was captured `at` seconds after the start; now, where None."""
    monotonic = time.monotonic()
    return Frame(
        image=numbered_image(number, size_hw),
        source=source,
        index=number,
        pts_seconds=None,
        captured_at=START_AT + (number / 20 if at is None else at),
        captured_monotonic=monotonic if at is None else 1000 + at,
        epoch=epoch,
    )


def found(*class_ids: int) -> Detections:
    """A detection of each class, below the number."""
    count = len(class_ids)
    return Detections(
        np.array([[20, 40, 60, 90]] * count, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.8, count, dtype=np.float32),
        np.array(class_ids, np.int64),
        NAMES,
    )


def numbered_image(number: int, size_hw: tuple[int, int] = SIZE_HW) -> ImageArray:
    """A picture with its number in squares along its upper edge."""
    image = np.full((*size_hw, 3), 90, np.uint8)
    for bit in range(NUMBER_BITS):
        column = bit * CELL_PIXELS
        image[:CELL_PIXELS, column : column + CELL_PIXELS] = 255 * (number >> bit & 1)
    return image


def number_in(image: ImageArray) -> int:
    """The number in a picture that may have been encoded and decoded."""
    middle = image[CELL_PIXELS // 2, CELL_PIXELS // 2 :: CELL_PIXELS, 0][:NUMBER_BITS]
    return sum(1 << bit for bit, level in enumerate(middle) if level > 127)


def numbers_in(video: Path) -> list[int]:
    """The numbers in the pictures of a video, which must be whole."""
    with open_stream(video) as stream:
        numbers = [number_in(frame.image) for frame in stream]
    assert stream.ended_early is None
    return numbers
