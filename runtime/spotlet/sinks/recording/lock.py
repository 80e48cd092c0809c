"""Only one program at a time writes to a target."""

import contextlib
import errno
import os
from pathlib import Path

from spotlet.errors import OutputError
from spotlet.sinks.sink import writing

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be replaced anyway
    fcntl = None  # type: ignore[assignment]

_IN_USE = (errno.EWOULDBLOCK, errno.EACCES)


class TargetLock:
    """Keeps other programs from writing to a target; after a kill, the system releases it.

    It is an empty hidden file beside the target, which `release` deletes. One that a killed
    program left is taken over.
    """

    def __init__(self, target: Path) -> None:
        """Takes the lock, or fails at once.

        Raises:
            OutputError: another program holds it, or the folder cannot be written.
        """
        self._target = target
        self._path = target.with_name(f".{target.name}.lock")
        self._handle: int | None = None
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            while self._handle is None:
                self._handle = self._try()

    def release(self) -> None:
        """Lets other programs write. A second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(handle)

    def _try(self) -> int | None:
        """Returns the locked file; None if it was removed before it was locked."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(handle)
            if self._path.exists() and os.path.samestat(os.fstat(handle), self._path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def _lock(self, handle: int) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _IN_USE:
                raise OutputError(
                    f"{self._target}: another program is writing to it; save elsewhere"
                ) from error
            # Some network file systems have no locks: there the user must prevent it.
