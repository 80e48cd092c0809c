"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spotlet.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces it when the block succeeds.

    A link stays a link: its target is replaced. The file gets the mode of a new file.

    Raises:
        OutputError: the folder cannot be created or written, `path` is not a file (but a folder,
            a device, a pipe), or the block could not write.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is not a file; give the path of a file to write")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix, folder = f".{path.stem}-", path.parent
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        with _writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, marker: str = "") -> Iterator[Path]:
    """Yields an empty folder beside `path`, which replaces it when the block succeeds.

    If the block fails, an existing folder stays unchanged.

    Args:
        path: of the folder.
        marker: name of a file. A folder that holds it may be replaced, any other must be empty: a
            mistyped path must not delete a home folder.

    Raises:
        OutputError: the folder cannot be created, `path` is a file or holds other files, or
            the block could not write.
    """
    check_replaceable(path, marker=marker)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    temporary.chmod(0o777 & ~_umask())
    old = temporary.with_name(temporary.name + "-old")
    try:
        with _writing(path):
            yield temporary
            if path.exists():
                path.replace(old)
            temporary.replace(path)
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_replaceable(path: Path, *, marker: str = "") -> None:
    """Raises if `atomic_folder` would refuse a path, so that a program can check before long work.

    Raises:
        OutputError: `path` is a file, or holds other files.
    """
    if not path.exists():
        return
    if not path.is_dir() or path.is_symlink():
        raise OutputError(f"{path}: is not a folder; give the path of a folder to write")
    ours = marker != "" and (path / marker).exists()
    if not ours and any(path.iterdir()):
        raise OutputError(f"{path}: holds other files, which would be lost; give a new folder")


def check_writable(folder: Path) -> None:
    """Raises if a folder, which is created if it does not exist, cannot be written.

    Raises:
        OutputError: the folder cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=".spotlet-", dir=folder)).rmdir()


def _umask() -> int:
    """Returns the process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
