"""Annotated image files."""

from pathlib import Path

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.image_files.files import write_image
from spotlet.lifetime import Closing
from spotlet.sinks.sink import refuse_source, writing
from spotlet.streams import Frame

SAVED_SUFFIXES = (".png", ".jpg", ".jpeg")
"""The formats for images. An image of another format becomes a PNG."""


class ImageSink(Closing):
    """Annotated images: several in a folder under their own names, or one in a file."""

    def __init__(
        self, path: str | Path, *, single: bool = False, sources: frozenset[Path] = frozenset()
    ) -> None:
        """Creates the folder.

        Args:
            path: the folder; with `single`, the image file.
            single: only one image will come, and `path` is its file.
            sources: resolved paths of files that must not be replaced.

        Raises:
            UsageError: `single`, and the suffix is not one of `SAVED_SUFFIXES`.
            OutputError: the folder cannot be created.
        """
        self.path = Path(path)
        self._single = single
        self._sources = sources
        self._names: set[Path] = set()
        if single and self.path.suffix.lower() not in SAVED_SUFFIXES:
            raise UsageError(f"{path}: an image is saved as {', '.join(SAVED_SUFFIXES)}")
        with writing(path):
            (self.path.parent if single else self.path).mkdir(parents=True, exist_ok=True)

    @property
    def written(self) -> str | None:
        """The place of the images and their number; None without an image."""
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
        write_image(target, draw_detections(frame.image, detections))
        self._names.add(target)

    def close(self) -> None:
        """Does nothing: `write` finishes each image."""

    def _target(self, frame: Frame) -> Path:
        """Returns a path that is new in this run: a glob may match one name in two folders."""
        name = Path(frame.source).name
        if Path(name).suffix.lower() not in SAVED_SUFFIXES:
            name = f"{Path(name).stem}.png"
        target = self.path / name
        number = frame.index
        while target in self._names:
            target = self.path / f"{Path(name).stem}-{number}{Path(name).suffix}"
            number += 1
        return target
