"""A new package for a running model: noticed, proven, and swapped in between two frames."""

import contextlib
import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from spotlet.errors import SpotletError
from spotlet.identity import ModelEvent, ModelIdentity
from spotlet.lifetime import WAKE_SECONDS
from spotlet.running.model import RunModel
from spotlet.running.package_files import PackageState, copy_package, package_state
from spotlet.running.proof import QuietThread, prove
from spotlet.running.settings import RunSettings
from spotlet.text.plain import plain_line

POLL_SECONDS = 2.0
"""The time between two looks at the package."""

SETTLE_SECONDS = 2.0
"""A package is read once it has not changed for this long: a copy in progress changes."""

MOST_REASON_CHARACTERS = 500

OnModel = Callable[[ModelEvent], None]


class ModelSwap:
    """Watches a run's package in its own thread, and swaps in a new one that is proven.

    What is proven is what runs: the package is copied to a private folder first, and everything
    after reads the copy.
    """

    def __init__(
        self,
        model: RunModel,
        settings: RunSettings,
        loaded: PackageState,
        *,
        watch: bool,
        reload: threading.Event | None,
        report: OnModel,
        notify: Callable[[str], None],
    ) -> None:
        """Does not start yet.

        Args:
            model: of the run.
            settings: of the run.
            loaded: the state of the package before `model` was loaded.
            watch: whether changes of the files count; else only `reload` does.
            reload: set it to look at the package now; cleared when that begins.
            report: called in this object's thread for each package that is loaded or refused.
            notify: called there with a line if there was nothing to do.
        """
        self._model = model
        self._settings = settings
        self._watch = watch
        self._reload = reload
        self._report = report
        self._notify = notify
        self._handled = self._seen = loaded
        self._changed_at = self._looked_at = time.monotonic()
        self._asked = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spotlet-swap", daemon=True)
        self._quiet = QuietThread()
        self._copy: Path | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watches during the block; what is in progress at its end comes to nothing."""
        if self._watch or self._reload is not None:
            self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._quiet.close()
            if self._thread.is_alive():
                self._thread.join(WAKE_SECONDS)
            if self._copy is not None:  # the process may end before the thread
                shutil.rmtree(self._copy, ignore_errors=True)

    def _run(self) -> None:
        while not self._over.wait(WAKE_SECONDS):
            if self._reload is not None and self._reload.is_set():
                self._reload.clear()
                self._asked = True
                self._changed_at, self._seen = float("-inf"), self._state()
            elif (
                self._watch or self._asked
            ) and time.monotonic() - self._looked_at >= POLL_SECONDS:
                self._look()
            else:
                continue
            is_new = self._asked or (self._watch and self._seen != self._handled)
            if is_new and time.monotonic() - self._changed_at >= SETTLE_SECONDS:
                self._swap()

    def _look(self) -> None:
        self._looked_at, state = time.monotonic(), self._state()
        if state != self._seen:
            self._seen, self._changed_at = state, time.monotonic()

    def _state(self) -> PackageState:
        return package_state(self._settings.model, self._settings.variant)

    def _swap(self) -> None:
        """Swaps, or reports why not; while the package is still changing it does nothing."""
        state, identity = self._seen, self._model.detector.identity
        sha256, detector, reason, changed = None, None, None, False
        try:
            with tempfile.TemporaryDirectory(prefix="spotlet-swap-") as name:
                self._copy = Path(name)
                try:
                    path = copy_package(self._settings.model, self._settings.variant, self._copy)
                finally:
                    changed = self._state() != state
                if not changed:
                    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                    if sha256 != identity.sha256:
                        detector = prove(self._model, path, self._quiet)
        except Exception as error:  # whatever is wrong with a package, the run continues
            reason = self._reason(error)  # the error itself would keep what was loaded
        if self._over.is_set():
            return
        if changed:
            self._look()
            return
        self._handled, self._asked = state, False
        if detector is None and reason is None:
            self._notify(f"model {identity}: the package has the same model file, nothing to load")
            return
        before = None
        if detector is not None:
            before = self._model.take(detector)
        self._tell("loaded" if reason is None else "refused", sha256, reason)
        self._model.free(before)

    def _tell(
        self, state: Literal["loaded", "refused"], sha256: str | None, reason: str | None = None
    ) -> None:
        self._report(
            ModelEvent(
                state=state,
                model=self._model.name,
                digest=None if sha256 is None else ModelIdentity(self._model.name, sha256).digest,
                running=self._model.detector.identity.digest,
                at=time.time(),
                reason=reason,
            )
        )

    def _reason(self, fault: Exception) -> str:
        """Returns a fault in one line, without the folders, which are private or temporary."""
        text = str(fault) if isinstance(fault, SpotletError) else f"{type(fault).__name__}: {fault}"
        given = Path(self._settings.model)
        for folder in (self._copy, given.resolve(), given.resolve().parent, given.parent):
            if folder is not None and str(folder) not in (".", "/"):
                text = text.replace(f"{folder}/", "").replace(str(folder), self._model.name)
        return plain_line(text, MOST_REASON_CHARACTERS)
