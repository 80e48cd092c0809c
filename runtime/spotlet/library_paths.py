"""Names under which libraries that are not Python open a file: OpenCV, FFmpeg, safetensors."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spotlet.errors import InputError


@contextmanager
def path_for_library(path: str | Path) -> Iterator[str]:
    """Yields a name under which a library opens this file, for reading or writing, in the block.

    It is absolute: FFmpeg takes what is before a colon for a protocol. A name that is not UTF-8,
    with which OpenCV crashes the process, is replaced by that of a temporary link; the link is not
    needed once the file is open.

    Raises:
        InputError: the name is not UTF-8, and no link can be made.
    """
    whole = Path(path).absolute()
    try:
        str(whole).encode()
    except UnicodeEncodeError:
        pass
    else:
        yield str(whole)
        return
    with tempfile.TemporaryDirectory(prefix="spotlet-") as folder:
        suffix = whole.suffix if whole.suffix.isascii() else ""
        link = Path(folder) / f"file{suffix}"
        try:
            link.symlink_to(whole)
        except OSError as error:
            raise InputError(
                f"{path}: the name is not UTF-8; rename it ({error.strerror})"
            ) from error
        yield str(link)
