"""Frames to measure with: of a source, or made up."""

from collections.abc import Callable, Generator

import numpy as np

from spotlet.errors import SourceError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.streams import locate_source, open_stream

GENERATED_HW = (720, 1280)
"""Of the frames that stand in for a source."""

GENERATED_FRAMES = 8

Frames = Callable[[], Generator[ImageArray, None, None]]
"""Gives the frames of a source, decoding as it goes, again and again."""


class SourceFrames:
    """The frames of a file, a folder or a glob, each time from the beginning."""

    def __init__(self, source: str) -> None:
        """Looks at the source.

        Raises:
            SourceError: there is no such source.
            UsageError: it is a camera or a URL, whose pace would be measured.
        """
        if locate_source(source).is_live:
            raise UsageError(
                f"{source}: gives frames at its own pace; record some of it and measure the file"
            )
        self._source = source

    def __call__(self) -> Generator[ImageArray, None, None]:
        """Gives the frames.

        Raises:
            SourceError: the source cannot be read.
        """
        with open_stream(self._source, mode="video") as stream:
            for frame in stream:
                yield frame.image


def generated_frames() -> Generator[ImageArray, None, None]:
    """Gives frames of `GENERATED_HW` with moving rectangles on noise, the same on every machine."""
    height, width = GENERATED_HW
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    for number in range(GENERATED_FRAMES):
        image = noise.copy()
        for left, top in rng.integers(0, (width - 200, height - 150), (6, 2)):
            image[top : top + 150, left + 8 * number : left + 8 * number + 200] = 30 * number
        yield image


def endless(frames: Frames) -> Generator[ImageArray, None, None]:
    """Gives the frames, and again from the beginning, for ever.

    Raises:
        SourceError: there is none.
    """
    while True:
        count = 0
        for image in frames():
            count += 1
            yield image
        if count == 0:
            raise SourceError("the source gave no frame")
