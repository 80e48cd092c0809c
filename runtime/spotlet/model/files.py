"""Files from strangers: read whole, up to a size, and only if they are regular files."""

import io
import os
import stat
from pathlib import Path

from spotlet.errors import ModelFileError

MOST_MODEL_BYTES = 512 * 2**20
"""The limit for a model file. A detector for a device has 0.5 to 200 MB."""

MOST_JSON_BYTES = 16 * 2**20
"""The limit for `parity.json` and `golden.json`. The bundled models' have 50 and 300 kB."""

MOST_PICTURE_BYTES = 64 * 2**20
"""The limit for a golden frame's file."""


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Returns the content of a file.

    It is checked after it is opened, so that it cannot be replaced in between. A pipe, which might
    block forever, a device and a folder are refused.

    Args:
        path: of a file; a link is followed.
        most_bytes: the most it may have.

    Raises:
        ModelFileError: it cannot be read, is not a regular file, or is larger.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        opened = io.FileIO(path, opener=lambda name, _: os.open(name, flags))
        with io.BufferedReader(opened) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(f"{path}: is not a file; copy the package again")
            if status.st_size <= most_bytes:
                # One byte more than allowed: a file can grow, and /proc reports no sizes.
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
    raise ModelFileError(f"{path}: is larger than {most_bytes // 2**20} MB, the most that is read")


def is_file(path: Path) -> bool:
    """Returns whether there is a file, or a link to one; unlike `Path.is_file`, never raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Returns whether there is a folder, or a link to one; unlike `Path.is_dir`, never raises."""
    return os.path.isdir(path)  # noqa: PTH112


def package_member(folder: Path, name: str) -> Path:
    """Returns the path of `name` in a package, whether it exists or not.

    Args:
        folder: of the package, or one in it.
        name: relative to the folder.

    Raises:
        ModelFileError: a link leads out of the folder: a package must not reach the user's other
            files.
    """
    path = folder / name
    try:
        if not path.is_symlink() and not path.parent.is_symlink():
            return path  # the usual case, without resolving
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a ring of links, a name with a NUL
        raise ModelFileError(f"{path}: cannot be followed; copy the package again") from error
    if not inside:
        raise ModelFileError(
            f"{path}: is a link that leads out of its package; copy the package with `cp -rL`"
        )
    return path
