"""The detector of a run: how it is prepared, and how another takes its place."""

import contextlib
import ctypes
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spotlet.detections import ModelIdentity, model_name
from spotlet.detector import Detector
from spotlet.lifetime import WAKE_SECONDS
from spotlet.running.settings import RunSettings
from spotlet.session import ModelSession, SessionSettings

FREED_SECONDS = 30.0
"""The longest wait for the frames that the model before is still working on."""


class RunModel:
    """The detector that a run uses, in any thread.

    Attributes:
        name: of the model, see `model_name`.
        detector: the one for the next call of the network; each call uses one from start to end.
    """

    def __init__(
        self,
        settings: RunSettings,
        path: Path,
        session: SessionSettings,
        prepare: Callable[[Detector], None],
    ) -> None:
        """Loads the first.

        Args:
            settings: of the run.
            path: of the model's file.
            session: how to run this model, and those that replace it.
            prepare: called once with each detector before it is used; may replace its `rule`.

        Raises:
            ModelFileError: see `Detector`.
            UsageError: see `Detector`.
        """
        self.name = model_name(settings.model)
        self._settings = settings
        self._prepare = prepare
        self.session = session
        self.detector = self.load(path, session)

    def load(self, path: Path, session: SessionSettings) -> Detector:
        """Returns a detector that is ready for this run; raises what `Detector` raises."""
        detector = Detector(
            path,
            score_threshold=self._settings.score_threshold,
            iou_threshold=self._settings.iou_threshold,
            tiles=self._settings.tiles,
            session=session,
        )
        detector.identity = ModelIdentity(self.name, detector.session.sha256)
        self._prepare(detector)
        return detector

    def pinned(self) -> SessionSettings:
        """Returns settings with which a model runs where this one does, or not at all."""
        return replace(self.session, provider=self.detector.session.provider, strict_provider=True)

    def take(self, detector: Detector) -> "weakref.ref[ModelSession]":
        """Makes a detector the next to be used; returns what `free` needs."""
        before = weakref.ref(self.detector.session)
        self.detector = detector
        return before

    def free(self, before: "weakref.ref[ModelSession] | None" = None) -> None:
        """Returns memory that no model needs any more to the system.

        Args:
            before: waits until no frame uses this one.
        """
        deadline = time.monotonic() + FREED_SECONDS
        while before is not None and before() is not None and time.monotonic() < deadline:
            time.sleep(WAKE_SECONDS)
        self.detector.session.release_memory()
        if sys.platform == "linux":
            with contextlib.suppress(AttributeError):  # musl has none
                ctypes.CDLL(None).malloc_trim(0)
