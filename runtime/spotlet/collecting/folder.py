"""What is in the folder of a collected set: names of its files, and what a killed run left."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

from spotlet.coco_labels import LABEL_FILE, PICTURE_FOLDER
from spotlet.errors import UsageError
from spotlet.sinks.file_names import source_name
from spotlet.streams import Frame

LEFT_SECONDS = 60.0
"""An unfinished file of this age was left by a killed run."""

_STAMP = r"\d{8}T\d{6}\.\d{3}Z-"
STAMP_LENGTH = len("20260131T235959.123Z-")
"""Names of our pictures sort by time up to here."""

_OURS = re.compile(rf"{_STAMP}[^-]+(-\d+)?\.jpg")
_UNFINISHED = re.compile(rf"\.({_STAMP}|instances_default-).+\.(jpg|json)")


def require_own(folder: Path) -> None:
    """Raises if a folder holds anything but a collected set.

    Raises:
        UsageError: it does, or it is a file.
    """
    if (folder / LABEL_FILE).is_file() or not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder; give one to collect frames in")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    if (first := next(files, None)) is not None:
        raise UsageError(
            f"{folder}: holds other files ({first.relative_to(folder)}); collect into a new folder"
        )


def new_path(folder: Path, frame: Frame) -> Path:
    """Returns an unused path for a frame, named after its time of capture (UTC) and its source."""
    at = datetime.fromtimestamp(frame.captured_at, UTC)
    stem = f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z-{source_name(frame.source)}"
    path, number = folder / PICTURE_FOLDER / f"{stem}.jpg", 1
    while path.exists():
        number += 1
        path = path.with_name(f"{stem}-{number}.jpg")
    return path


def delete_unfinished(folder: Path) -> None:
    """Deletes what a killed run left half written."""
    long_ago = time.time() - LEFT_SECONDS
    for path in [*(folder / PICTURE_FOLDER).iterdir(), *(folder / LABEL_FILE).parent.iterdir()]:
        if _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < long_ago:
            path.unlink(missing_ok=True)


def own_name(text: str) -> str:
    """Returns the name that `new_path` made, whatever a tool put before it; empty without one."""
    found = _OURS.search(text)
    return found[0] if found else ""


def pictures_of_earlier_runs(folder: Path) -> list[Path]:
    """Returns the pictures whose names `new_path` made, the oldest first."""
    pictures = (folder / PICTURE_FOLDER).iterdir()
    return sorted(path for path in pictures if _OURS.fullmatch(path.name) and path.is_file())


def bytes_in(folder: Path) -> int:
    """Returns the size of all pictures."""
    return sum(
        path.stat().st_size for path in (folder / PICTURE_FOLDER).iterdir() if path.is_file()
    )
