"""Detections drawn on image files."""

from pathlib import Path

import cv2

from spotlet.annotate.detections import draw_detections
from spotlet.atomic import atomic_file
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import Closing
from spotlet.sinks.sink import refuse_source
from spotlet.streams import Frame

SAVED_SUFFIXES = (".png", ".jpg", ".jpeg")
"""What images are saved as. One of another kind becomes a PNG."""


class ImageSink(Closing):
    """Annotated images: many in a folder under their own names, or one in a file."""

    def __init__(
        self, path: str | Path, *, single: bool = False, sources: frozenset[Path] = frozenset()
    ) -> None:
        """Makes the folder.

        Args:
            path: the folder; with `single`, the image file.
            single: one image is expected, and `path` is its name.
            sources: resolved paths of files that must not be replaced.

        Raises:
            UsageError: `single`, and the suffix is not one of `SAVED_SUFFIXES`.
            OutputError: the folder cannot be made.
        """
        self.path = Path(path)
        self._single = single
        self._sources = sources
        self._names: set[Path] = set()
        if single and self.path.suffix.lower() not in SAVED_SUFFIXES:
            raise UsageError(f"{path}: an image is saved as {', '.join(SAVED_SUFFIXES)}")
        try:
            (self.path.parent if single else self.path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    @property
    def written(self) -> str | None:
        """How many images lie where; None when there was none."""
        if not self._names:
            return None
        return str(self.path) if self._single else f"{self.path} ({len(self._names)} images)"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Saves the frame with its detections drawn on it.

        Raises:
            UsageError: it would replace one of the sources.
            OutputError: it cannot be written.
        """
        target = self.path if self._single else self._target(frame)
        refuse_source(target, self._sources)
        encoded, content = cv2.imencode(target.suffix, draw_detections(frame.image, detections))
        if not encoded:
            raise OutputError(f"{target}: OpenCV cannot encode this image")
        with atomic_file(target) as temporary:
            temporary.write_bytes(content.tobytes())
        self._names.add(target)

    def close(self) -> None:
        """Does nothing: each image is finished when it is written."""

    def _target(self, frame: Frame) -> Path:
        """Returns a name that this run has not used: a glob may find one name in two folders."""
        name = Path(frame.source).name
        if Path(name).suffix.lower() not in SAVED_SUFFIXES:
            name = f"{Path(name).stem}.png"
        target = self.path / name
        number = frame.index
        while target in self._names:
            target = self.path / f"{Path(name).stem}-{number}{Path(name).suffix}"
            number += 1
        return target
