"""Image files as frames."""

import os
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import SourceError
from spotlet.letterbox import ImageArray
from spotlet.streams.frame import Frame, take_frame
from spotlet.streams.opencv_log import quiet_opencv


class ImageReader:
    """Image files, one frame each: 8 bit, three channels, upright."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.fps: float | None = None
        self.size_hw: tuple[int, int] | None = None
        self.frame_count: int | None = len(paths)
        self.ended_early: str | None = None
        self._paths = paths
        self._index = 0
        self._bad: list[SourceError] = []

    def read(self) -> Frame | None:
        """Returns the next image; None after the last.

        One of several that cannot be read is left out, and `ended_early` tells of it.

        Raises:
            SourceError: the only image cannot be read or is no whole image.
        """
        while self._index < len(self._paths):
            path, index = self._paths[self._index], self._index
            self._index += 1
            try:
                return take_frame(read_image(path), os.fspath(path), index, None)
            except SourceError as error:
                if len(self._paths) == 1:
                    raise
                self._bad.append(error)
                count = f"{len(self._bad)} of {len(self._paths)} images cannot be used"
                self.ended_early = f"{count}, the first: {self._bad[0]}"
        return None

    def close(self) -> None:
        """Ends the reading."""
        self._index = len(self._paths)


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
    with quiet_opencv():
        try:
            image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
        except cv2.error:  # a size over OpenCV's limit, among others
            image = None
    if image is None:
        raise SourceError(f"{path}: not an image that OpenCV can decode, or a damaged one")
    return np.asarray(image, np.uint8)
