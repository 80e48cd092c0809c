"""Fashion-MNIST from its publisher: checked, cached, resumed where it broke off."""

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
"""The publisher's own, from the README of zalandoresearch/fashion-mnist. It has no https;
the checksums below are what the files are trusted by."""

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
"""SHA-256 of each file's *decompressed* bytes: packagers compress the same bytes anew."""

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
LARGEST_BYTES = 64 << 20
"""The largest file has 26 MB compressed, 47 MB decompressed: anything over is another file."""


def cache_folder() -> Path:
    """Returns the user's folder for the set: `$XDG_CACHE_HOME` or `~/.cache`, then ours."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "spotlet" / "fashion-mnist"


def fetch_fashion(
    names: Sequence[str], *, address: str = ADDRESS, folder: Path | None = None
) -> list[Path]:
    """Returns the paths of files in the cache, fetched first where they are not there.

    Args:
        names: keys of `CHECKSUMS`.
        address: of the folder that holds them, without a slash at the end.
        folder: the cache; None takes `cache_folder()`.

    Raises:
        DatasetError: a file cannot be fetched or kept, or its checksum is another.
    """
    folder = cache_folder() if folder is None else folder
    paths = [folder / name for name in names]
    for path in paths:
        if not path.is_file():
            fetch_file(f"{address}/{path.name}", path, CHECKSUMS[path.name])
    return paths


def fetch_file(url: str, path: Path, checksum: str) -> None:
    """Leaves a gzip file at `path`, whole and checked; a file broken off is continued.

    What has arrived lies in `NAME.part` until it is whole, so that `path` never holds less.

    Args:
        url: http or https.
        path: where it is kept; its folder is made.
        checksum: SHA-256 of the decompressed bytes, in hexadecimal.

    Raises:
        DatasetError: it cannot be fetched or kept, or the checksum is another.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        continued = _download(url, part)
        if continued and _decompressed_sha256(part) != checksum:
            # The rest may be of another file than the beginning: once more, from the start.
            part.unlink()
            _download(url, part)
        found = _decompressed_sha256(part)
        if found != checksum:
            part.unlink()
            raise DatasetError(
                f"{url}: SHA-256 of the decompressed bytes is {found or 'not to be had'}, must "
                f"be {checksum}; {_alternatives()}"
            )
        part.replace(path)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DatasetError(f"{url}: cannot be fetched ({reason}); {_alternatives()}") from error


def _download(url: str, part: Path) -> bool:
    """Appends to `part` what it lacks, and returns whether it held something before."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            continued = have > 0 and response.status == 206
            _store(response, part, have if continued else 0)
            return continued
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing after what is here: it may be whole already
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
                raise OSError(f"over {LARGEST_BYTES >> 20} MB, not the file that was asked for")
            file.write(chunk)
    if expected is not None and have < expected:
        raise OSError(f"broke off after {have} of {expected} bytes; the next run continues there")


def _decompressed_sha256(path: Path) -> str:
    """Returns the checksum, or "" where the file is no whole gzip."""
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
        "install the Debian package dataset-fashion-mnist, or use the sample that comes with "
        "spotlet (--objects sample)"
    )
