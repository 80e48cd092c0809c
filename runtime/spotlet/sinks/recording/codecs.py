"""What videos are written as, and what every encoder of them wants."""

import cv2
import numpy as np

from spotlet.letterbox import ImageArray

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
"""The containers that are written, and the codec that every OpenCV can encode for each."""

DEFAULT_FPS = 30.0
"""For a source that does not say its frame rate."""

LEAST_FPS, MOST_FPS = 0.1, 240.0
"""Rates that both containers hold; what lies outside is taken as not said."""


def playback_fps(fps: float | None) -> float:
    """Returns the rate of a video whose source says `fps`: `DEFAULT_FPS` for what none has."""
    return fps if fps is not None and LEAST_FPS <= fps <= MOST_FPS else DEFAULT_FPS


def with_even_sides(image: ImageArray) -> ImageArray:
    """Returns the image, its last row and column repeated where a side is odd."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(even, np.uint8)
