"""The files of a package that decide what a run finds, watched and copied as one."""

import os
from pathlib import Path

from spotlet.errors import ModelFileError
from spotlet.model.files import (
    MOST_JSON_BYTES,
    MOST_MODEL_BYTES,
    MOST_PICTURE_BYTES,
    is_folder,
    package_member,
    read_bounded,
)
from spotlet.model.package import GOLDEN_FOLDER, PARITY_FILE, cells_file, locate_model

MOST_GOLDEN_BYTES = 256 * 2**20
"""The limit for all golden frames together: a temporary folder may be in memory. The bundled
packages' have at most 5 MB."""

GOLDEN_SUFFIXES = (".png", ".json")
"""Of the files that the check reads."""

PackageState = tuple[tuple[str, int, int, int, int], ...]
"""Of each file its name, device, inode, time of change in ns, and size."""


def package_state(model: str | Path, variant: str | None) -> PackageState:
    """Returns a value that differs once a file of a model's package was changed or replaced.

    Links are followed. Never raises: of what cannot be read only the name counts.
    """
    try:
        path = locate_model(model, variant)
        names = _member_names(path)
        folder = path.parent.resolve()
    except Exception as error:
        return ((str(error), 0, 0, 0, 0),)
    return tuple(_file_state(folder, name) for name in names)


def copy_package(model: str | Path, variant: str | None, folder: Path) -> Path:
    """Copies a model's file and what `check_model` compares it with; returns the copy's path.

    Files beside them, such as other variants, are left out.

    Args:
        model: as for `locate_model`.
        variant: as for `locate_model`.
        folder: exists, and is empty.

    Raises:
        ModelFileError: there is no such model, or a file is not regular, too large or outside.
        OSError: the copy cannot be written.
    """
    path = locate_model(model, variant)
    names = _member_names(path)
    # A link that is replaced meanwhile must not mix two packages.
    source = path.parent.resolve()
    left = MOST_GOLDEN_BYTES
    for name in names:
        limit = MOST_MODEL_BYTES if name.endswith(".onnx") else MOST_JSON_BYTES
        is_golden = name.startswith(f"{GOLDEN_FOLDER}/")
        if is_golden:
            limit = MOST_PICTURE_BYTES
        # A single file may be a link to anywhere, as for a `Detector`.
        member = source / name if name == path.name else package_member(source, name)
        content = read_bounded(member, limit)
        left -= len(content) if is_golden else 0
        if left < 0:
            raise ModelFileError(
                f"{source / GOLDEN_FOLDER}: holds over {MOST_GOLDEN_BYTES // 2**20} MB, the most "
                "for a running model; export it with fewer frames, or restart the run"
            )
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    return folder / path.name


def _member_names(path: Path) -> list[str]:
    """Returns the names of the files to copy, relative to the folder of the model file."""
    names = [path.name]
    cells = cells_file(path)
    if cells is not None:
        names.append(cells.name)
    if os.path.lexists(path.parent / PARITY_FILE):
        names.append(PARITY_FILE)
    golden = package_member(path.parent, GOLDEN_FOLDER)
    if is_folder(golden):
        try:
            found = sorted(os.listdir(golden))  # noqa: PTH208 - `iterdir` lists later
        except OSError as error:
            raise ModelFileError(f"{golden}: cannot be read ({error.strerror})") from error
        names += [f"{GOLDEN_FOLDER}/{each}" for each in found if each.endswith(GOLDEN_SUFFIXES)]
    return names


def _file_state(folder: Path, name: str) -> tuple[str, int, int, int, int]:
    try:
        status = (folder / name).stat()
    except (OSError, ValueError):
        return name, 0, 0, 0, 0
    return name, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
