"""The output folder of a training, locked by one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from spotlet.errors import OutputError, UsageError

LOCK = ".lock"
"""A file that stays in the folder; the system releases its lock when the process ends."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Locks a folder against other trainings; creates it if missing.

    Also removes temporary files left by a killed process.

    Raises:
        UsageError: a training is writing to the folder.
        OutputError: the folder cannot be created or written.
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
            # The names that `atomic_file` uses.
            for torn in folder.glob(f".*-????????.{kind}"):
                torn.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
