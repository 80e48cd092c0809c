"""A picture to label."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import SourceError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet_training.datasets import ImageLabels, LabelledImages, Sample

JPEG_QUALITY = 95
"""Of the frames of films: a picture to learn from should show no blocks."""

NAMED_PARTS = 2
"""How many parts from the end of its path name a picture's source, so that no path of a machine
is passed on."""


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture to label.

    Attributes:
        name: that it should have in the set.
        source: the end of the path it is from.
        path: of the picture; None for a frame.
        image_bgr: (H, W, 3) uint8 of a frame; None for a picture, which is not decoded yet.
        frame: the frame's number in its film, from 0.
        film: what tells that film from others; None for a pipe.
        labels: those that a person made; None if there are none, or only suggestions.
        class_names: of the set that the labels are from.
        fault: why it, or the rest of its film, cannot be read.
    """

    name: str
    source: str
    path: Path | None = None
    image_bgr: ImageArray | None = None
    frame: int | None = None
    film: str | None = None
    labels: ImageLabels | None = None
    class_names: tuple[str, ...] = ()
    fault: SourceError | None = None

    def load(self) -> Sample:
        """Returns the picture, upright, and its own labels.

        Raises:
            DatasetError: it cannot be read, or has another size than its labels say.
            SourceError: it cannot be read.
        """
        if self.fault is not None:
            raise self.fault
        if self.labels is not None:
            return LabelledImages(self.class_names, [self.labels]).load(0)
        image = self.image_bgr
        if image is None:
            assert self.path is not None
            image = read_image(self.path)
        none = np.zeros(0, np.int64)
        return Sample(image, np.zeros((0, 4), np.float32), none, none.astype(np.bool_), self.name)

    def frame_content(self) -> bytes | None:
        """Returns the file of a frame, a JPEG; None for a picture, which has its own."""
        if self.image_bgr is None:
            return None
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cv2.imencode(".jpg", self.image_bgr, quality)[1].tobytes()


def source_name(path: Path) -> str:
    """Returns the end of a path, with slashes."""
    return "/".join(path.resolve().parts[-NAMED_PARTS:])
