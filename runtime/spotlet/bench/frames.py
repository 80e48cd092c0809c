"""Frames to measure with: of a source, or synthetic."""

from collections.abc import Callable, Generator

import numpy as np

from spotlet.errors import SourceError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.streams import locate_source, open_stream

GENERATED_HW = (720, 1280)
"""Height and width of the synthetic frames."""

GENERATED_FRAMES = 8

Frames = Callable[[], Generator[ImageArray, None, None]]
"""Yields the frames of a source, decoding as it goes; each call starts from the beginning."""


def source_frames(source: str) -> Frames:
    """Returns the frames of a file, a folder or a glob.

    Raises:
        SourceError: the source does not exist. The result raises it if it cannot be read.
        UsageError: it is a camera or a URL, whose pace would be measured.
    """
    if locate_source(source).is_live:
        raise UsageError(
            f"{source}: delivers frames at its own pace; record some of it and measure the file"
        )

    def frames() -> Generator[ImageArray, None, None]:
        with open_stream(source, mode="video") as stream:
            for frame in stream:
                yield frame.image

    return frames


def generated_frames() -> Generator[ImageArray, None, None]:
    """Yields `GENERATED_HW` frames of moving rectangles on noise, the same on every machine."""
    height, width = GENERATED_HW
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    for number in range(GENERATED_FRAMES):
        image = noise.copy()
        for left, top in rng.integers(0, (width - 200, height - 150), (6, 2)):
            image[top : top + 150, left + 8 * number : left + 8 * number + 200] = 30 * number
        yield image


def endless(frames: Frames) -> Generator[ImageArray, None, None]:
    """Yields the frames again and again.

    Raises:
        SourceError: there are no frames.
    """
    while True:
        image: ImageArray | None = None
        for image in frames():
            yield image
        if image is None:
            raise SourceError("the source has no frames")
