"""The output folder of a training, which belongs to one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from spotlet.errors import OutputError, UsageError

LOCK = ".lock"
"""A file in the folder that stays; the system gives its lock back whenever the process ends."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of a folder, which is made where there is none.

    Also removes what a killed process was writing when it died.

    Raises:
        UsageError: a training is writing to the folder.
        OutputError: the folder cannot be made or written.
    """
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"{folder}: another training is writing here; wait for it, or give another --out"
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        for kind in ("safetensors", "csv"):
            # As `atomic_file` names them.
            for torn in folder.glob(f".*-????????.{kind}"):
                torn.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
