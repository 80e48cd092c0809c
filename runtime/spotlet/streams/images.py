"""Image files as frames."""

import os
from pathlib import Path

from spotlet.errors import SourceError
from spotlet.image_files.decoding import read_image
from spotlet.streams.frame import Frame, take_frame


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

        One of several that cannot be read is skipped, and `ended_early` reports it.

        Raises:
            SourceError: the only image cannot be read or is incomplete.
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
        """Stops reading."""
        self._index = len(self._paths)
