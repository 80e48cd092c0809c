"""Files of strangers: read whole, up to a size, and only where they are files indeed."""

import os
import stat
from pathlib import Path

from spotlet.errors import ModelFileError

MOST_MODEL_BYTES = 512 * 2**20
"""Of a model file. A detector for a device has 0.5 to 200 MB."""

MOST_JSON_BYTES = 16 * 2**20
"""Of `parity.json` and `golden.json`. Those of the bundled models have 50 and 300 kB."""

MOST_PICTURE_BYTES = 64 * 2**20
"""Of a golden frame's file."""


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Returns what is in a file.

    It is looked at after it was opened, so that nobody can put another in its place meanwhile. A
    pipe, on which one would wait for ever, a device and a folder are refused.

    Args:
        path: of a file; a link is followed.
        most_bytes: that it may have.

    Raises:
        ModelFileError: it cannot be read, is no file, or is larger.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(f"{path}: is not a file; copy the package again")
            if status.st_size <= most_bytes:
                # One more than there may be: a file can grow, and /proc tells no sizes.
                content = file.read(min(status.st_size, most_bytes) + 1)
                content += file.read(most_bytes + 1 - len(content)) if content else b""
                if len(content) <= most_bytes:
                    return content
    except IsADirectoryError as error:
        raise ModelFileError(f"{path}: is not a file; copy the package again") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        why = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(
            f"{path}: cannot be read ({why}); copy or export the model again"
        ) from error
    raise ModelFileError(
        f"{path}: is larger than {most_bytes // 2**20} MB, the most that is read of such a file"
    )


def is_file(path: Path) -> bool:
    """Returns whether there is a file, or a link to one.

    Not `Path.is_file`, which raises on names that are too long and in folders that one may not see.
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Returns whether there is a folder, or a link to one; see `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def package_member(folder: Path, name: str) -> Path:
    """Returns the path of what is called `name` in a package, whether it is there or not.

    Args:
        folder: of the package, or one in it.
        name: relative to the folder.

    Raises:
        ModelFileError: a link leads out of the folder, so that a package could read what the
            person who runs it may read.
    """
    path = folder / name
    try:
        if not path.is_symlink() and not path.parent.is_symlink():
            return path  # the usual case costs two looks
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a ring of links, a name with a NUL
        raise ModelFileError(f"{path}: cannot be followed; copy the package again") from error
    if not inside:
        raise ModelFileError(
            f"{path}: is a link that leads out of its package; copy the package with `cp -rL`"
        )
    return path
