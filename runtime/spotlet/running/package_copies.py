"""Private copies of packages, which end with the process that made them, or with the next run."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spotlet.errors import OutputError
from spotlet.lifetime import Closing
from spotlet.running.package_files import copy_package, package_state
from spotlet.sinks.recording.lock import TargetLock

PREFIX = "spotlet-swap-"

LOCKED = "copy"
"""In each folder: the target of a lock that the system releases with the process."""


class PackageCopies(Closing):
    """The copies of a run, one at a time, each in a new temporary folder.

    Attributes:
        folder: of the newest, also once it has been removed; None before the first.
    """

    def __init__(self) -> None:
        """Makes no copy yet."""
        self.folder: Path | None = None

    @contextlib.contextmanager
    def copy(self, model: str | Path, variant: str | None) -> Iterator[Path]:
        """Copies a package for the block; yields the path of the copy's model file.

        Args:
            model: as for `copy_package`.
            variant: as for `copy_package`.

        Raises:
            ModelFileError: see `copy_package`.
            UsageError: see `locate_model`.
            OutputError: the temporary folder cannot hold it.
        """
        with contextlib.ExitStack() as stack:
            try:
                made = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
                self.folder = Path(stack.enter_context(made))
                stack.callback(TargetLock(self.folder / LOCKED).release)
                path = copy_package(model, variant, self.folder)
            except (OSError, OutputError) as error:
                size = sum(each[-1] for each in package_state(model, variant))
                why = getattr(error.__cause__ or error, "strerror", None) or error
                raise OutputError(
                    f"TMPDIR {tempfile.tempdir or '(none)'}: cannot hold the copy of "
                    f"{-(-size // 10**6)} MB ({why}); free some or set TMPDIR"
                ) from error
            yield path

    def close(self) -> None:
        """Removes the copy in use: the process may end before the thread that uses it."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Removes the copies of this user's processes that were killed; never raises."""
    if os.name != "posix":  # no locks
        return
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError, OutputError):
                if folder.lstat().st_uid == os.geteuid():
                    lock = TargetLock(folder / LOCKED)  # fails if its process lives
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.release()
