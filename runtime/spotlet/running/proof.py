"""The proof that a new package may take the place of a running one."""

import contextlib
import os
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from spotlet.check import CheckReport, check_model
from spotlet.detector import Detector
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet.lifetime import Closing
from spotlet.manifest import Manifest
from spotlet.model.package import PARITY_FILE, read_parity
from spotlet.model.providers import CPU_PROVIDER
from spotlet.running.model import RunModel
from spotlet.session import SessionSettings

NICENESS = 10
"""Of the thread that checks: about a tenth of a core's time if the frames need all of it."""

INPUT_FIELDS = ("size_hw", "colour_order", "resize", "interpolation", "pad_value")
"""Of the manifest's `input`, what a new package must share."""

TIMED_CALLS, TIMED_SECONDS = 8, 2.0
"""How often the old and the new model are timed, and when that ends early."""


class QuietThread(Closing):
    """A thread of low priority (on Linux) that checks models, one after the other.

    It is one thread for all of them, because each thread has its own part of the heap, of which
    pieces stay. The threads that onnxruntime starts inherit the priority, so the detector of the
    run must be loaded elsewhere.
    """

    def __init__(self) -> None:
        """Starts no thread yet."""
        self._calls: SimpleQueue[tuple[Future[CheckReport], Path, SessionSettings] | None]
        self._calls = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spotlet-check", daemon=True)

    def check(self, path: Path, settings: SessionSettings) -> CheckReport:
        """Returns what `check_model` returns, or raises what it raises."""
        if not self._thread.is_alive():
            self._thread.start()
        report: Future[CheckReport] = Future()
        self._calls.put((report, path, settings))
        return report.result()

    def close(self) -> None:
        """Ends the thread after the check in progress, without waiting for it."""
        self._calls.put(None)

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere it would be the whole process's
            with contextlib.suppress(OSError):  # a service may forbid it
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while (call := self._calls.get()) is not None:
            report, path, settings = call
            try:
                report.set_result(check_model(path, settings))
            except Exception as error:
                report.set_exception(error)
            del call, report  # an error would keep what was loaded


def prove(model: RunModel, path: Path, quiet: QuietThread) -> Detector:
    """Returns the detector of a model file, warm, once it is proven that it may replace another.

    Args:
        model: of the run.
        path: of the file, with its package's record beside it. Nobody else may change them.
        quiet: where to check it.

    Raises:
        SpotletError: it must not; the message says why.
    """
    if read_parity(path) is None:
        raise ModelFileError(
            f"has no {PARITY_FILE} to check it with; export or adopt it as a package, or restart "
            "the run"
        )
    settings = model.pinned()
    _require_proven(quiet.check(path, _checking(settings)))
    model.free()  # what the check needed, so that no third model is in memory
    detector = model.load(path, settings)
    _require_same(model.detector.manifest, detector.manifest)
    detector(_blank(detector))  # the first call may compile
    return detector


def compare_ms(old: Detector, new: Detector) -> tuple[float, float]:
    """Returns the milliseconds that a frame takes in each: the fastest of `TIMED_CALLS` in turn.

    Fewer if they are slow. The frame has the size of the network's input, and no objects.
    """
    least, start = [float("inf")] * 2, time.perf_counter()
    for _ in range(TIMED_CALLS):
        for index, detector in enumerate((old, new)):
            before = time.perf_counter()
            detector(_blank(detector))
            least[index] = min(least[index], (time.perf_counter() - before) * 1000)
        if time.perf_counter() - start > TIMED_SECONDS:
            break
    return least[0], least[1]


def _blank(detector: Detector) -> ImageArray:
    return np.zeros((*detector.manifest.input.size_hw, 3), np.uint8)


def _checking(settings: SessionSettings) -> SessionSettings:
    return replace(settings, threads=1) if settings.provider == CPU_PROVIDER else settings


def _require_proven(report: CheckReport) -> None:
    if not report.passed:
        raise ModelFileError("; ".join(f"{row.rule}: {row.measured}" for row in report.failures))
    for row in report.rows:
        if row.unproven:
            raise ModelFileError(f"{row.rule}: {row.measured}")


def _require_same(old: Manifest, new: Manifest) -> None:
    if new.classes != old.classes:
        raise ModelFileError(
            f"its classes are {', '.join(new.classes)}, the run's are {', '.join(old.classes)}; "
            "restart the run to change them"
        )
    for name in INPUT_FIELDS:
        wanted, got = getattr(old.input, name), getattr(new.input, name)
        if got != wanted:
            raise ModelFileError(
                f"its input's {name} is {got}, the run's is {wanted}; restart the run to change it"
            )
