"""The preview: what an adopted model finds on the user's images, for a person to judge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spotlet import Detector
from spotlet.annotate import contact_sheet, draw_detections
from spotlet.detections import Detections
from spotlet.image_files import write_image
from spotlet.letterbox import ImageArray
from spotlet_export.package.folder import PREVIEW_FILE

CELL_HW = (480, 640)
"""Of each image if the preview has several."""

MOST_SHOWN = 9
"""Images in the preview."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """What an adopted model finds on the user's images.

    Attributes:
        picture: a file with the boxes drawn; temporary, until the package is written.
        detections: by the image's name.
    """

    picture: Path
    detections: dict[str, Detections]


def make_preview(
    file: Path, images: Sequence[Path], photographs: Sequence[ImageArray], scratch: Path
) -> Preview:
    """Returns what the rewritten file finds on the user's images, drawn and in figures."""
    detector = Detector(file)
    found = [detector(image) for image in photographs]
    return draw_preview(scratch / PREVIEW_FILE, images, photographs, found)


def draw_preview(
    picture: Path,
    images: Sequence[Path],
    photographs: Sequence[ImageArray],
    found: Sequence[Detections],
) -> Preview:
    """Returns what was found on the first of the user's images, and writes the picture of it."""
    pairs = list(zip(photographs, found, strict=False))[:MOST_SHOWN]
    drawn = [draw_detections(image, each) for image, each in pairs]
    columns = math.ceil(math.sqrt(len(drawn)))
    write_image(picture, drawn[0] if len(drawn) == 1 else contact_sheet(drawn, columns, CELL_HW))
    names = [image.name for image in images]
    return Preview(picture=picture, detections=dict(zip(names, found, strict=False)))
