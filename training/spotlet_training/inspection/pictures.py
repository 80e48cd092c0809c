"""The image files of a set, each opened once, and findings that need them decoded."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotlet.cores import usable_cores
from spotlet.errors import DatasetError
from spotlet.image_files import guessed_bits
from spotlet.image_files.headers import is_cut_short
from spotlet.image_files.likeness import PictureHash, hash_of
from spotlet.image_files.orientation import SIDEWAYS, UPRIGHT, exif_orientation
from spotlet_training.datasets.ahead import ahead
from spotlet_training.datasets.checks import is_image, without_path
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.labels import ImageLabels, decode_image, size_fault
from spotlet_training.datasets.pictures_below import Places

BLACK_LEVEL, BLACK_SHARE = 15, 0.9999
"""A picture whose samples, that share of them, are up to this level of 255 shows nothing."""

MOST_THREADS = 8
"""More only compete for the disk, and each holds a decoded image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The content of an image file.

    Attributes:
        path: of the file.
        fault: why it is not a complete image; empty if it is.
        size_hw: height and width as decoded, pixels, EXIF orientation applied; (0, 0) if it is not
            an image.
        digest: of the file's bytes; equal only if the bytes are.
        hash: see `likeness`; None for a picture of one colour, or no picture.
        orientation: of EXIF, 1 to 8.
        is_black: whether it is too dark to show anything.
        guessed_bits: of a 16-bit picture that does not state its white, how many bits were taken.
    """

    path: Path
    fault: str = ""
    size_hw: tuple[int, int] = (0, 0)
    digest: bytes = b""
    hash: PictureHash | None = None
    orientation: int = UPRIGHT
    is_black: bool = False
    guessed_bits: int | None = None


def read_picture(path: Path) -> Picture:
    """Returns the content of an image file, even of a faulty one."""
    try:
        content = path.read_bytes()
        image = decode_image(path)
    except OSError as error:
        fault = f"cannot be read ({error.strerror}); make it readable, or remove it"
        return Picture(path=path, fault=fault)
    except DatasetError as error:
        return Picture(path=path, fault=f"{without_path(error, path)}; replace or remove it")
    cut = "is incomplete: a download or copy was interrupted; put the whole file back"
    return Picture(
        path=path,
        fault=cut if is_cut_short(content) else "",
        size_hw=(image.shape[0], image.shape[1]),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        hash=hash_of(image),
        orientation=exif_orientation(content),
        is_black=bool(np.count_nonzero(image > BLACK_LEVEL) <= (1 - BLACK_SHARE) * image.size),
        guessed_bits=guessed_bits(content),
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
    with ThreadPoolExecutor(min(usable_cores(), MOST_THREADS)) as pool:
        reading = ahead(read_picture, once, pool, depth=64)
        for path, picture in zip(once, reading, strict=True):
            pictures[path] = picture
            on_picture()
    return pictures


def picture_findings(
    labels: Sequence[ImageLabels], pictures: Mapping[Path, Picture]
) -> list[Finding]:
    """Returns the images that cannot be decoded, or are not the labelled ones.

    Args:
        labels: of the images of both splits.
        pictures: the content of each of their files.
    """
    findings = []
    for path, one in {one.path: one for one in labels}.items():
        picture = pictures[path]
        if picture.fault:
            findings.append(Finding("error", "image", picture.fault, path))
        elif one.size_hw is not None and (fault := size_fault(picture.size_hw, one.size_hw)):
            findings.append(Finding("error", "size", fault, path))
        elif is_turned_unseen(one, picture):
            message = (
                f"its EXIF orientation ({picture.orientation}) turns it; the labels must fit the "
                "turned image: compare them on the contact sheet"
            )
            findings.append(Finding("note", "turned", message, path))
        if picture.is_black and len(one.class_ids):
            message = (
                f"is black (no sample over {BLACK_LEVEL} of 255), but has boxes; replace the image "
                "or state its largest value in the file: PNG's sBIT, TIFF's MaxSampleValue"
            )
            findings.append(Finding("error", "black", message, path))
        if picture.guessed_bits is not None:
            message = (
                f"has 16 bits and does not state its white: {picture.guessed_bits} bits hold all "
                "its samples but for faulty pixels and were taken; state it: PNG's sBIT, TIFF's "
                "MaxSampleValue"
            )
            findings.append(Finding("note", "bits", message, path))
    return findings


def unused_findings(used: Iterable[Path]) -> list[Finding]:
    """Returns a note on the pictures that are in the folders of used ones without an entry."""
    places = Places()
    known = {places.of(path): path.parent for path in used}
    beside = (path for folder in {*known.values()} for path in folder.iterdir())
    unused = sorted(path for path in beside if places.of(path) not in known and is_image(path))
    message = (
        f"the first of {len(unused)} pictures beside labelled ones that have no entry and so are "
        "not used"
    )
    return [Finding("note", "set", message, unused[0])] if unused else []


def is_turned_unseen(labels: ImageLabels, picture: Picture) -> bool:
    """Whether EXIF turns a picture in a way that its labels' declared size does not confirm."""
    if picture.orientation == UPRIGHT or not len(labels.class_ids):
        return False
    height, width = picture.size_hw
    confirmed = labels.size_hw is not None and height != width
    return not (confirmed and picture.orientation in SIDEWAYS)
