"""Downloads Fashion-MNIST from its publisher: checked, cached, resumed after an interruption."""

import gzip
import hashlib
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from spotlet.errors import DatasetError

ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
"""The publisher's own, from the README of zalandoresearch/fashion-mnist. It has no https:
only the checksums below make the files trustworthy."""

CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte.gz": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
"""SHA-256 of each file's *decompressed* bytes: packagers recompress the same bytes."""

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
LARGEST_BYTES = 64 << 20
"""The largest file has 26 MB compressed, 47 MB decompressed: anything larger is another file."""


def cache_folder() -> Path:
    """Returns the user's folder for the set, below `$XDG_CACHE_HOME` or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "spotlet" / "fashion-mnist"


def fetch_fashion(
    names: Sequence[str], *, address: str = ADDRESS, folder: Path | None = None
) -> list[Path]:
    """Returns the paths of files in the cache; missing files are fetched first.

    Args:
        names: keys of `CHECKSUMS`.
        address: of the folder that holds them, without a slash at the end.
        folder: the cache; None for `cache_folder()`.

    Raises:
        DatasetError: a file cannot be fetched or stored, or its checksum differs.
    """
    folder = cache_folder() if folder is None else folder
    paths = [folder / name for name in names]
    for path in paths:
        if not path.is_file():
            fetch_file(f"{address}/{path.name}", path, CHECKSUMS[path.name])
    return paths


def fetch_file(url: str, path: Path, checksum: str) -> None:
    """Downloads a gzip file to `path`, whole and checked; an interrupted download is resumed.

    It is stored as `NAME.part` until it is whole, so that `path` is never incomplete.

    Args:
        url: http or https.
        path: of the file; its folder is made.
        checksum: SHA-256 of the decompressed bytes, in hexadecimal.

    Raises:
        DatasetError: it cannot be fetched or stored, or the checksum differs.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        continued = _download(url, part)
        if continued and _decompressed_sha256(part) != checksum:
            # The rest may belong to another file than the beginning: start again.
            part.unlink()
            _download(url, part)
        found = _decompressed_sha256(part)
        if found != checksum:
            part.unlink()
            raise DatasetError(
                f"{url}: SHA-256 of the decompressed bytes is {found or 'unknown: damaged gzip'}, "
                f"must be {checksum}; {_alternatives()}"
            )
        part.replace(path)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DatasetError(f"{url}: cannot be fetched ({reason}); {_alternatives()}") from error


def _download(url: str, part: Path) -> bool:
    """Appends the missing bytes to `part`; returns whether it held some before."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            continued = have > 0 and response.status == 206
            _store(response, part, have if continued else 0)
            return continued
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # no bytes beyond ours: it may be whole already
            return True
        raise


def _store(response: HTTPResponse, part: Path, have: int) -> None:
    """Writes the body after the first `have` bytes of `part`."""
    length = response.headers.get("Content-Length")
    expected = have + int(length) if length is not None and length.isdigit() else None
    with part.open("ab" if have else "wb") as file:
        while chunk := response.read(CHUNK_BYTES):
            have += len(chunk)
            if have > LARGEST_BYTES:
                raise OSError(f"over {LARGEST_BYTES >> 20} MB: not the requested file")
            file.write(chunk)
    if expected is not None and have < expected:
        raise OSError(f"interrupted after {have} of {expected} bytes; the next run resumes there")


def _decompressed_sha256(path: Path) -> str:
    """Returns the checksum, or "" if the file is not a complete gzip."""
    digest = hashlib.sha256()
    size = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                size += len(chunk)
                if size > LARGEST_BYTES:
                    return ""
                digest.update(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return ""
    return digest.hexdigest()


def _alternatives() -> str:
    return (
        "install the Debian package dataset-fashion-mnist, or use the shipped sample "
        "(--objects sample)"
    )
