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
    """Gives a temporary path beside `path`, which takes its place when the block succeeds.

    A link stays a link: what it points to is replaced. The file's mode is that of any new file.

    Raises:
        OutputError: the folder cannot be made or written, `path` is something else than a
            file (a folder, a device, a pipe), or the block could not write.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is not a file; give the path of a file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise _not_writable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, marker: str = "") -> Iterator[Path]:
    """Gives an empty folder beside `path`, which takes its place when the block succeeds.

    A folder that was there is replaced, and what was in it is gone; when the block fails it
    stays as it was.

    Args:
        path: of the folder.
        marker: name of a file. A folder that holds one of this name is ours to replace, any
            other must be empty: nobody loses a home folder to a mistyped output.

    Raises:
        OutputError: the folder cannot be made, `path` is a file, or a folder with other
            things in it, or the block could not write.
    """
    check_replaceable(path, marker=marker)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise _not_writable(path, error) from error
    temporary.chmod(0o777 & ~_umask())
    old = temporary.with_name(temporary.name + "-old")
    try:
        yield temporary
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_replaceable(path: Path, *, marker: str = "") -> None:
    """Does nothing where `atomic_folder` may write, so that it can be asked before long work.

    Raises:
        OutputError: `path` is a file, or a folder with other things in it.
    """
    if not path.exists():
        return
    if not path.is_dir() or path.is_symlink():
        raise OutputError(f"{path}: is not a folder; give the path of a folder to write")
    ours = marker != "" and (path / marker).exists()
    if not ours and any(path.iterdir()):
        raise OutputError(
            f"{path}: is a folder with other things in it, which would be lost; give a new one"
        )


def check_writable(folder: Path) -> None:
    """Does nothing where something can be made in a folder, which is made if need be.

    Raises:
        OutputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=".spotlet-", dir=folder)).rmdir()
    except OSError as error:
        raise _not_writable(folder, error) from error


def _umask() -> int:
    """Returns the process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _not_writable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error.strerror})")
