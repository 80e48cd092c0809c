"""A new package for a running model: noticed, proven, and swapped in between two frames."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from spotlet.detections import ModelIdentity
from spotlet.errors import ModelFileError, SpotletError
from spotlet.events import ModelEvent
from spotlet.lifetime import WAKE_SECONDS
from spotlet.running.model import RunModel
from spotlet.running.package_copies import PackageCopies, remove_abandoned
from spotlet.running.package_files import PackageState, package_state
from spotlet.running.proof import QuietThread, compare_ms, prove
from spotlet.running.settings import RunSettings
from spotlet.text.plain import plain_line

POLL_SECONDS = 2.0
"""The time between two looks at the package."""

SETTLE_SECONDS = 2.0
"""A package is read once it has not changed for this long: a copy in progress changes."""

RETRY_SECONDS = 30.0
"""The time until a package is tried again that something else kept from being checked."""

SLOW_SECONDS = 10.0
"""A check that takes longer is a notice."""

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
            watch: whether changes of the files count, unless the model is a bundled name; else only
                `reload` does.
            reload: set it to look at the package now; cleared when that begins.
            report: called in this object's thread for each package that is loaded or refused.
            notify: called there with a line if there was nothing to do.
        """
        self._model = model
        is_path = os.path.exists(settings.model)  # noqa: PTH110 - never raises
        # Absolute, because the folder in which the run was started may be deleted.
        self._given = Path(settings.model).absolute() if is_path else settings.model
        self._variant = settings.variant
        self._watch = watch and is_path
        self._reload = reload
        self._report = report
        self._notify = notify
        self._handled = self._seen = loaded
        self._changed_at = self._looked_at = time.monotonic()
        self._asked = self._retries = False
        self._refusal: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spotlet-swap", daemon=True)
        self._quiet = QuietThread()
        self._copies = PackageCopies()

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
            self._copies.close()

    def _run(self) -> None:
        remove_abandoned()
        while not self._over.wait(WAKE_SECONDS):
            try:
                self._step()
            except Exception as error:  # nothing may end the watch
                self._handled, self._asked = self._seen, False
                self._refuse(None, self._reason(error))

    def _step(self) -> None:
        if self._reload is not None and self._reload.is_set():
            self._reload.clear()
            self._asked, self._retries = True, False
            self._changed_at, self._seen = float("-inf"), self._state()
        elif (self._watch or self._asked) and time.monotonic() - self._looked_at >= POLL_SECONDS:
            self._look()
        else:
            return
        is_new = self._asked or self._seen != self._handled
        if is_new and time.monotonic() - self._changed_at >= SETTLE_SECONDS:
            self._swap()

    def _look(self) -> None:
        self._looked_at, state = time.monotonic(), self._state()
        if state != self._seen:
            self._seen, self._changed_at = state, time.monotonic()

    def _state(self) -> PackageState:
        return package_state(self._given, self._variant)

    def _swap(self) -> None:
        """Swaps, or reports why not; if the package changes meanwhile it does nothing."""
        state, identity = self._seen, self._model.detector.identity
        sha256, detector, reason, passing = None, None, None, False
        try:
            with self._copies.copy(self._given, self._variant) as path:
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                if sha256 != identity.sha256 and self._state() == state:
                    with self._saying_slow(ModelIdentity(identity.name, sha256)):
                        detector = prove(self._model, path, self._quiet)
        except Exception as error:  # whatever is wrong with a package, the run continues
            reason = self._reason(error)  # the error itself would keep what was loaded
            passing = not isinstance(error, ModelFileError)
        if self._over.is_set():
            return
        if self._state() != state:  # so the copy may be a mixture, or there is a newer package
            self._look()
            return
        is_repeated = self._retries and reason == self._refusal
        self._handled, self._asked, self._retries = state, passing, passing
        before = None
        if detector is not None:
            ms = compare_ms(self._model.detector, detector)
            before = self._model.take(detector)
            self._refusal = None
            self._tell("loaded", sha256, ms=ms)
        elif reason is not None:
            self._changed_at = time.monotonic() + RETRY_SECONDS  # counts only if `passing`
            if not is_repeated:
                self._refuse(sha256, reason)
        elif self._refusal is not None:
            self._refusal = None
            self._tell("loaded", sha256)
        else:
            self._notify(f"model {identity}: the package has the same model file, nothing to load")
        self._model.free(before)

    @contextlib.contextmanager
    def _saying_slow(self, new: ModelIdentity) -> Iterator[None]:
        """Notifies once if the block takes long."""
        line = f"model {new}: still being checked, {self._model.detector.identity.digest} runs on"

        def notify() -> None:
            if not self._over.is_set():
                self._notify(line)

        timer = threading.Timer(SLOW_SECONDS, notify)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _refuse(self, sha256: str | None, reason: str) -> None:
        self._refusal = reason
        self._tell("refused", sha256, reason)

    def _tell(
        self,
        state: Literal["loaded", "refused"],
        sha256: str | None,
        reason: str | None = None,
        ms: tuple[float, float] | None = None,
    ) -> None:
        self._report(
            ModelEvent(
                state=state,
                model=self._model.name,
                digest=None if sha256 is None else ModelIdentity(self._model.name, sha256).digest,
                running=self._model.detector.identity.digest,
                at=time.time(),
                reason=reason,
                ms=ms,
            )
        )

    def _reason(self, fault: Exception) -> str:
        """Returns a fault in one line, without the folders, which are private or temporary."""
        text = str(fault) if isinstance(fault, SpotletError) else f"{type(fault).__name__}: {fault}"
        packages = [] if self._copies.folder is None else [self._copies.folder]
        if isinstance(self._given, Path):
            packages += [Path(os.path.realpath(self._given)), self._given]
        for folder in packages:
            text = text.replace(f"{folder}/", "").replace(str(folder), self._model.name)
        for folder in packages:
            text = text.replace(f"{folder.parent}/", "")
        return plain_line(text, MOST_REASON_CHARACTERS)
