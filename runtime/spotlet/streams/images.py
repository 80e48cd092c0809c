"""Image files as frames."""

import logging
import os
from collections import Counter
from pathlib import Path

from spotlet.errors import SourceError
from spotlet.image_files.decoding import read_file
from spotlet.streams.frame import Frame, take_frame

logger = logging.getLogger("spotlet.streams")


class ImageReader:
    """Image files, one frame each: 8 bit, three channels, upright.

    If bits had to be guessed, an animation is read as its first picture, or pictures are left out,
    it says so when it is closed, once for all files.
    """

    def __init__(self, paths: tuple[Path, ...], left_out: tuple[Path, ...] = ()) -> None:
        """Takes the files to read, and pictures beside them that cannot be read."""
        self.fps: float | None = None
        self.size_hw: tuple[int, int] | None = None
        self.frame_count: int | None = len(paths)
        self.ended_early: str | None = None
        self.decoder: str | None = None
        self._paths = paths
        self._left_out = left_out
        self._index = 0
        self._bad: list[SourceError] = []
        self._guessed: Counter[int] = Counter()
        self._animated: list[Path] = []

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
                decoded = read_file(path)
            except SourceError as error:
                if len(self._paths) == 1:
                    raise
                self._bad.append(error)
                count = f"{len(self._bad)} of {len(self._paths)} images cannot be used"
                self.ended_early = f"{count}, the first: {self._bad[0]}"
                continue
            if decoded.guessed_bits is not None:
                self._guessed[decoded.guessed_bits] += 1
            if decoded.animated:
                self._animated.append(path)
            return take_frame(decoded.image, os.fspath(path), index, None)
        return None

    def close(self) -> None:
        """Stops reading."""
        self._index = len(self._paths)
        guessed, self._guessed = sorted(self._guessed.items()), Counter()
        animated, self._animated = self._animated, []
        left_out, self._left_out = self._left_out, ()
        total = len(self._paths)
        name = self._paths[0].parent if total > 1 else self._paths[0]
        if guessed:
            logger.warning(
                "%s: 16 bits a sample, but no stated white; the fewest bits that hold the samples "
                "were taken (%s); state the white: PNG's sBIT, TIFF's MaxSampleValue",
                name,
                ", ".join(f"{bits} bits: {number} of {total}" for bits, number in guessed),
            )
        if animated:
            logger.warning(
                "%s: only the first picture of an animation was read (%d of %d images, the first: "
                "%s); for all of them, run an animated GIF or PNG, or a video, by its own name",
                name,
                len(animated),
                total,
                animated[0].name,
            )
        if left_out:
            kinds = sorted(Counter(path.suffix.lower() for path in left_out).items())
            logger.warning(
                "%s: pictures that cannot be read were left out (%s, the first: %s); save them as "
                "PNG or JPEG",
                left_out[0].parent,
                ", ".join(f"{kind}: {number}" for kind, number in kinds),
                left_out[0].name,
            )
