"""The frames of films: videos, and animated pictures."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from spotlet.errors import SourceError
from spotlet.image_files import IMAGE_SUFFIXES
from spotlet.image_files.files import content_kind
from spotlet.image_files.likeness import ALIKE_BITS, PictureHash, bits_apart, hash_of
from spotlet.streams import open_stream
from spotlet_training.labelling.input import Input, source_name

ANIMATED_SUFFIXES = frozenset({".gif", ".apng"})
"""Of picture files that are looked into: they may hold several pictures."""

START_BYTES = 2**20
"""From a film's start, by which it is known: another recording differs there."""


def is_film(path: Path) -> bool:
    """Whether a file among others is a film, by its content."""
    is_picture = path.suffix.lower() in IMAGE_SUFFIXES - ANIMATED_SUFFIXES
    return not is_picture and path.is_file() and content_kind(path) == "video"


def film_frames(path: Path, step: int, *, by_change: bool) -> Iterator[Input]:
    """Yields frames of a film; at a fault one input that says so.

    Args:
        path: of the film.
        step: each how many frames one is looked at.
        by_change: yield only those that differ from all before.
    """
    source = source_name(path)
    taken: list[PictureHash | None] = []
    try:
        film = film_digest(path)
        with open_stream(path, mode="video") as stream:
            for frame in stream:
                if frame.index % step:
                    continue
                if by_change:
                    now = hash_of(frame.image)
                    if not _is_new(now, taken):
                        continue
                    taken.append(now)
                name = f"{path.stem}-{frame.index:06d}.jpg"
                yield Input(name, source, image_bgr=frame.image, frame=frame.index, film=film)
            early = stream.ended_early
        if early:
            raise SourceError(f"{path}: {early}")
    except SourceError as error:
        yield Input(path.name, source, fault=error)


def film_digest(path: Path) -> str | None:
    """Returns what tells a film from others of its name, wherever it lies; None for a pipe.

    Raises:
        SourceError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            start = hashlib.sha256(file.read(START_BYTES)).hexdigest()
        return f"{path.stat().st_size}-{start[:16]}"
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


def _is_new(now: PictureHash | None, taken: list[PictureHash | None]) -> bool:
    """Whether no frame taken shows the same; pictures of one colour have no hash and are alike."""
    if now is None:
        return all(each is not None for each in taken)
    hashes = [each for each in taken if each is not None]
    # Mostly a frame resembles the last one taken, which spares comparing all.
    parts = (hashes[-1:], hashes[:-1])
    return not any(bool((bits_apart(part, now) <= ALIKE_BITS).any()) for part in parts)
