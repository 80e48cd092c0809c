"""`spotlet run`: detect in images, videos, cameras or URLs, in one or in several at once."""

import _thread
import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from spotlet import running
from spotlet.commands.config import apply_config
from spotlet.commands.options import print_provider
from spotlet.commands.run_arguments import add_arguments, in_flags, run_settings
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import SettingError, SourceError
from spotlet.running import RunCallbacks, RunSettings, RunSummary
from spotlet.running.run import is_service
from spotlet.streams import Frame, StatusEvent, Stream
from spotlet.text.terminal import PLAIN_SECONDS, Progress, write_notice

__all__ = ["add_arguments", "run"]

GONE_SECONDS = 30
"""How long after SIGHUP a terminal may go, if a shell has sent it that ends."""


def run(args: argparse.Namespace) -> int:
    """Detects in every frame, writes the results, prints a summary.

    Raises:
        SourceError: a source ended before it should have; the frames before are written.
        SpotletError: an argument, the model, a source or an output cannot be used.
    """
    apply_config(args, add_arguments)
    try:
        summary = _run(run_settings(args), debug=getattr(args, "debug", False))
    except SettingError as error:
        raise in_flags(error) from error
    if summary.failures:
        failures = "; ".join(f"{name}: {why}" for name, why in summary.failures.items())
        raise SourceError(f"{failures}; the frames before are kept")
    return 0


def _run(settings: RunSettings, *, debug: bool) -> RunSummary:
    terminal = _Terminal(settings, debug=debug)
    callbacks = RunCallbacks(
        on_model=terminal.show_model,
        on_status=terminal.show_status,
        on_notice=terminal.show_notice,
        on_open=terminal.begin,
        on_frame=terminal.show_frame,
        on_end=terminal.end,
    )
    service = False
    with contextlib.suppress(SourceError):  # the run reports it, after what comes first
        service = is_service(settings)
    with _reloading(service) as reload:
        return running.run(settings, callbacks, reload=reload)


@contextlib.contextmanager
def _reloading(service: bool) -> Iterator[threading.Event | None]:
    """Turns SIGHUP into an event in the block; it still ends other runs than services, as before.

    It also ends a run whose terminal has been closed: nobody would see it go on.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGHUP) if main and hasattr(signal, "SIGHUP") else None
    if not callable(before):  # `nohup` ignores it, and so it stays
        yield None
        return
    reload, over, had_terminal = threading.Event(), threading.Event(), _has_terminal()

    def hang_up(number: int, frame: FrameType | None) -> None:
        if service and _has_terminal() == had_terminal:
            # In a handler `reload.set()` could wait for a lock that the code below it holds.
            _thread.start_new_thread(look, ())
        else:
            before(number, frame)

    def look() -> None:
        reload.set()
        # A shell that ends sends the signal to its jobs while its terminal is still there.
        for _ in range(GONE_SECONDS * had_terminal):
            if over.wait(1):
                return
            if not _has_terminal():
                os.kill(os.getpid(), signal.SIGHUP)
                return

    signal.signal(signal.SIGHUP, hang_up)
    try:
        yield reload
    finally:
        over.set()
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    """Returns whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class _Terminal:
    """Shows a run: its states, its frames or its progress, its summary."""

    def __init__(self, settings: RunSettings, *, debug: bool) -> None:
        self._settings = settings
        self._debug = debug
        self._progress: Progress | None = None

    def show_model(self, detector: Detector) -> None:
        print_provider(detector, debug=self._debug)

    def show_status(self, event: StatusEvent) -> None:
        self.show_notice(str(event), event.at)

    def show_notice(self, line: str, at: float | None = None) -> None:
        """Prints a line with its UTC time on standard error, unless that is gone."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        write_notice(f"{stamp} {line}\n")  # in one call: other threads print too

    def begin(self, streams: Sequence[Stream]) -> None:
        if not self._settings.has_outputs:
            return
        limits = [] if self._settings.max_frames is None else [self._settings.max_frames]
        counts = [stream.frame_count for stream in streams]
        if None not in counts:
            limits.append(sum(count or 0 for count in counts))
        # A service's log is for events, not for progress.
        unending = any(stream.mode == "live" for stream in streams)
        self._progress = Progress(
            "run",
            total=min(limits, default=None),
            unit="frames",
            plain_seconds=float("inf") if unending else PLAIN_SECONDS,
        )

    def show_frame(self, frame: Frame, detections: Detections) -> None:
        if self._progress is not None:
            self._progress.advance()
        else:
            several = len(self._settings.sources) > 1
            print(_frame_line(frame, detections, several), flush=True)

    def end(self, summary: RunSummary) -> None:
        if self._progress is not None:
            self._progress.close()
        if summary.frames:
            print(summary, file=sys.stderr if self._settings.ndjson == "-" else sys.stdout)


def _frame_line(frame: Frame, detections: Detections, several: bool) -> str:
    where = frame.source
    if frame.pts_seconds is not None:
        where = f"{f'{where}: ' if several else ''}frame {frame.index} at {frame.pts_seconds:.2f} s"
    found = ", ".join(
        f"{each.name}{f' #{each.track_id}' * bool(each.track_id)} {each.score:.2f} at "
        f"{tuple(round(side) for side in each.box_xyxy)}"
        for each in detections
    )
    return f"{where}: {found or ('nothing' if detections.held is None else 'still')}"
