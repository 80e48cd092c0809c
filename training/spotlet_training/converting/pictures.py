"""Copies the pictures of a set under names that every format can hold, all of them upright."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spotlet.coco_labels import CocoPicture
from spotlet.errors import SourceError
from spotlet.image_files import IMAGE_SUFFIXES, decode_image, read_image_size
from spotlet.image_files.headers import START_BYTES, image_format
from spotlet.image_files.orientation import UPRIGHT, exif_orientation
from spotlet.text.plain import plain_line
from spotlet_training.converting.extras import Extras
from spotlet_training.datasets.labels import ImageLabels, size_fault
from spotlet_training.datasets.pictures_below import plain_name

JPEG_QUALITY = 95
"""Of pictures that are turned upright: high enough for no visible loss."""

WIDELY_READ = frozenset({"JPEG", "PNG", "BMP", "WebP"})
"""Formats of pictures that browsers and all labelling tools show."""

_UNSAFE = re.compile(r'[<>:"/\\|?*%#]|^[. ]+|[. ]+$')
"""What a file's name cannot have on Windows, or in a URL, or would hide the file."""


@dataclass(slots=True)
class Copies:
    """Copies pictures, and counts what had to change.

    Attributes:
        renamed: pictures whose name was taken, or cannot be used everywhere.
        turned: pictures that were turned upright and so encoded anew.
        unusual: counts of pictures by format, of those that not every tool reads.
    """

    renamed: int = 0
    turned: int = 0
    unusual: Counter[str] = field(default_factory=Counter)
    _extras: Extras = field(default_factory=Extras)

    def copy(self, labels: ImageLabels, folder: Path, taken: set[str]) -> CocoPicture:
        """Copies a picture and returns it with its labels, boxes in pixels.

        Args:
            labels: of the picture.
            folder: to copy to.
            taken: stems that are used there, in `plain_name`'s spelling; the new one is added.

        Raises:
            ValueError: the picture cannot be read, or its size is not that of its labels; the
                message continues a sentence that starts with its path.
            OSError: the copy cannot be written.
        """
        content, kind, size_hw = _read(labels.path)
        if labels.size_hw is not None and (fault := size_fault(size_hw, labels.size_hw)):
            raise ValueError(fault)
        suffix = labels.path.suffix
        if suffix.lower() not in IMAGE_SUFFIXES:
            suffix = {"JPEG": ".jpg", "TIFF": ".tif"}.get(kind, f".{kind.lower()}")
        if exif_orientation(content) != UPRIGHT:
            suffix, content = _upright(content, kind)
            self.turned += 1
        elif kind not in WIDELY_READ:
            self.unusual[kind] += 1
        name = _free_stem(labels.path.stem, taken) + suffix
        self.renamed += name != labels.path.name
        (folder / name).write_bytes(content)
        height, width = size_hw
        scale = (1, 1) if labels.size_hw is not None else (width, height)
        return CocoPicture(
            file_name=name,
            size_hw=size_hw,
            boxes_xyxy=labels.boxes_xyxy * np.tile(np.array(scale, np.float32), 2),
            class_ids=labels.class_ids,
            ignored=labels.ignored,
            scores=labels.scores,
            unknown_ids=labels.unknown_ids,
            about=self._extras.about(labels),
        )

    def notes(self) -> list[str]:
        """Returns a line on each thing that was changed."""
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.unusual.items()))
        outlines = self._extras.outlines
        kinds = (
            (self.renamed, f"new file names: {self.renamed}; the old ones were taken, or are not "
             "allowed everywhere"),
            (self.turned, f"pictures saved upright, encoded anew: {self.turned}; tools disagree on "
             "whether labels refer to them before or after the turn that EXIF states"),
            (len(self.unusual), f"pictures that not every tool reads: {listed}"),
            (outlines, f"outlines and key points left out: {outlines}; only boxes are written"),
        )  # fmt: skip
        return [line for count, line in kinds if count]


def _read(path: Path) -> tuple[bytes, str, tuple[int, int]]:
    """Returns the content of a picture's file, its format, and its height and width, upright."""
    try:
        content = path.read_bytes()
        size_hw = read_image_size(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except SourceError as error:
        raise ValueError(str(error).removeprefix(f"{path}: ")) from error
    return content, image_format(content[:START_BYTES]) or "unknown", size_hw


def _upright(content: bytes, kind: str) -> tuple[str, bytes]:
    """Returns a picture turned as EXIF says, encoded anew: a suffix, and the file's content.

    Raises:
        ValueError: it cannot be decoded.
    """
    try:
        image = decode_image(content, name="the picture")
    except SourceError as error:
        raise ValueError(str(error)) from error
    is_jpeg = kind == "JPEG"
    suffix = ".jpg" if is_jpeg else ".png"
    setting = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if is_jpeg else []
    _, encoded = cv2.imencode(suffix, image, setting)
    return suffix, encoded.tobytes()


def _free_stem(stem: str, taken: set[str]) -> str:
    """Returns a name that is not taken, as close to the given one as can be, and takes it."""
    wanted = _UNSAFE.sub("_", plain_line(stem, 100)) or "_"
    free, number = wanted, 1
    while plain_name(free) in taken:
        number += 1
        free = f"{wanted}-{number}"
    taken.add(plain_name(free))
    return free
