"""What a source is: an image, a folder, a video file, a camera or a URL."""

import glob
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spotlet.errors import SourceError, UsageError
from spotlet.image_files.files import (
    IMAGE_SUFFIXES,
    UNREADABLE_SUFFIXES,
    content_kind,
    is_image_file,
    is_unreadable_image,
)
from spotlet.text.credentials import without_credentials

SourceKind = Literal["image", "images", "video", "camera", "url"]

URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https")
"""The schemes that are supported."""

CAMERA_FILES = ("/dev/video", "/dev/v4l/")
"""How the device files of cameras begin on Linux; those of /dev/v4l/by-id are stable names."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source that was identified but not opened.

    Attributes:
        kind: `image` is one file, `images` a folder or a glob.
        name: for display, without credentials.
        location: what OpenCV opens: a path, a URL, or a camera's index or device file. Empty for
            images.
        paths: the image files, in natural order; empty for the other kinds.
        left_out: files among them that are pictures of kinds that cannot be read, likewise.
    """

    kind: SourceKind
    name: str
    location: str | int = field(default="", repr=False)  # it may hold credentials
    paths: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()

    @property
    def files(self) -> frozenset[Path]:
        """The files that are read, resolved; none for cameras and URLs."""
        if self.kind == "video":
            return frozenset({Path(str(self.location)).resolve()})
        return frozenset(path.resolve() for path in self.paths)

    @property
    def is_live(self) -> bool:
        """Whether frames arrive at their own pace: a camera or a URL."""
        return self.kind in ("camera", "url")


def locate_source(source: str | int | Path) -> Source:
    """Identifies a source without opening it.

    Args:
        source: the path of an image, of a folder of images, of a video file or of a pipe; a glob
            of images; a camera's index, as a number or as digits, or its device file; a URL.

    Raises:
        SourceError: there is no such file, or no image in the folder.
        UsageError: the text cannot be a source.

    Example:
        >>> locate_source("rtsp://admin:secret@10.0.0.7/door").name
        'rtsp://10.0.0.7/door'
        >>> locate_source("0").kind
        'camera'
    """
    text = str(source)
    if not isinstance(source, Path):
        if text.removeprefix("-").isdecimal():
            return _camera(int(text))
        if "://" in text:
            return _url(text)
    path = Path(source) if not isinstance(source, int) else Path(text)
    if not text or "\0" in text:
        raise UsageError("empty source: must be a file, a folder, a glob, a camera or a URL")
    if text.startswith(CAMERA_FILES):  # it may be unplugged now
        return Source("camera", text, location=text)
    if path.is_fifo():
        return Source("video", text, location=text)
    if path.is_dir():
        return _images(text, list(path.iterdir()), "this folder contains no images")
    if path.is_file():
        kind = content_kind(path)
        if kind == "image" or (
            kind is None and path.suffix.lower() in IMAGE_SUFFIXES | UNREADABLE_SUFFIXES
        ):
            return Source("image", text, paths=(path,))
        return Source("video", text, location=text)
    if glob.has_magic(text):
        found = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
        return _images(text, found, "no image matches this pattern")
    if path.exists():
        raise SourceError(f"{text}: a device or a socket; must be a file, a pipe or a camera")
    raise SourceError(f"{text}: no such file or folder")


def natural_key(path: Path) -> tuple[tuple[str | int, ...], ...]:
    """Returns a sort key in which `frame10` follows `frame9`."""
    return tuple(
        tuple(
            int(part) if part.isdecimal() else part.casefold() for part in re.split(r"(\d+)", name)
        )
        for name in path.parts
    )


def _camera(index: int) -> Source:
    if index < 0:
        raise UsageError(f"camera {index}: indices start at 0")
    return Source("camera", f"camera {index}", location=index)


def _url(text: str) -> Source:
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme not in URL_SCHEMES:
        raise UsageError(
            f"{without_credentials(text)}: a URL must begin with one of "
            f"{', '.join(f'{known}://' for known in URL_SCHEMES)}"
        )
    text = f"{scheme}://{rest}"  # FFmpeg knows them in lower case only
    return Source("url", without_credentials(text), location=text)


def _images(name: str, found: list[Path], nothing: str) -> Source:
    files = sorted(
        (path for path in found if path.name[0] != "." and path.is_file()), key=natural_key
    )
    paths = tuple(path for path in files if is_image_file(path))
    left_out = tuple(path for path in files if is_unreadable_image(path))
    if not paths:
        other = f"; {left_out[0].name} cannot be read, save it as PNG" if left_out else ""
        supported = ", ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(f"{name}: {nothing} (supported: {supported}{other})")
    return Source("images", name, paths=paths, left_out=left_out)
