"""The image files of a set, each opened once."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet_training.datasets.ahead import ahead
from spotlet_training.datasets.checks import without_path
from spotlet_training.datasets.labels import decode_image
from spotlet_training.inspection.image_bytes import UPRIGHT, exif_orientation, is_cut_short
from spotlet_training.inspection.likeness import Look, look_of

MOST_THREADS = 8
"""More only compete for the disk, and each holds a decoded image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The content of an image file.

    Attributes:
        path: of the file.
        fault: why it is not a whole image; empty where it is.
        size_hw: height and width as decoded, pixels, EXIF orientation applied; (0, 0) where
            it is not an image.
        digest: of the file's bytes; equal only where the bytes are.
        look: what `likeness` compares; None for a picture of one colour, or no picture.
        orientation: of EXIF, 1 to 8.
    """

    path: Path
    fault: str = ""
    size_hw: tuple[int, int] = (0, 0)
    digest: bytes = b""
    look: Look | None = None
    orientation: int = UPRIGHT


def read_picture(path: Path) -> Picture:
    """Returns the content of an image file, whatever it is."""
    try:
        content = path.read_bytes()
        image = decode_image(path)
    except OSError as error:
        return Picture(path=path, fault=f"cannot be read ({error.strerror})")
    except DatasetError as error:
        return Picture(path=path, fault=without_path(error, path))
    cut = "is incomplete: a download or copy that broke off; put the whole file back"
    return Picture(
        path=path,
        fault=cut if is_cut_short(content) else "",
        size_hw=(image.shape[0], image.shape[1]),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        look=look_of(image),
        orientation=exif_orientation(content),
    )


def read_pictures(
    paths: Sequence[Path], on_picture: Callable[[], None] = lambda: None
) -> dict[Path, Picture]:
    """Returns the content of each of the files, read by threads.

    Args:
        paths: of the files.
        on_picture: called after each file that was not read before.
    """
    pictures: dict[Path, Picture] = {}
    once = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(cpu_count() or 1, MOST_THREADS)) as pool:
        reading = ahead(read_picture, once, pool, depth=64)
        for path, picture in zip(once, reading, strict=True):
            pictures[path] = picture
            on_picture()
    return pictures
