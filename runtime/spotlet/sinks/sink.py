"""The protocols of sinks, and what all of them share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.events import ModelEvent
from spotlet.lifetime import Closing
from spotlet.streams import Frame, StatusEvent

OnFailure = Callable[[str], None]
"""Called with one line, in any thread, when a sink fails and when it works again."""


class Sink(Protocol):
    """Takes the frames of one run, with their detections.

    The constructor checks that the sink can write, so that no work is lost later. Whenever a sink
    is closed, it leaves complete files behind. The sinks of this package can be used in `with`.
    """

    @property
    def written(self) -> str | None:
        """The results and their place as text, final after `close`; None if there are none."""

    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes a frame.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:
        """Finishes what is being written. A second call does nothing."""


@runtime_checkable
class EventSink(Sink, Protocol):
    """A sink that also takes changes of state; see `spotlet.events`."""

    def write_status(self, event: StatusEvent) -> None:
        """Takes a change of a source's state; ignored after `close`.

        Raises:
            OutputError: it cannot be written.
        """


@runtime_checkable
class ModelSink(Sink, Protocol):
    """A sink that also takes what became of a new package."""

    def write_model(self, event: ModelEvent) -> None:
        """Takes a loaded or refused package; ignored after `close`.

        Raises:
            OutputError: it cannot be written.
        """


@runtime_checkable
class BackgroundSink(Sink, Protocol):
    """A sink with its own thread, so that several can finish at the same time."""

    def finish(self, *, hurry: bool = False) -> None:
        """Starts to finish, and returns at once; `close` then waits for it.

        Args:
            hurry: drop what cannot be written soon. It may also be set by a second call.
        """


class DroppingSink(Closing):
    """Passes frames on to another sink, and counts those that it drops instead."""

    def __init__(self, sink: Sink) -> None:
        """Takes over a sink."""
        self._sink = sink
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many frames were not written, because writing failed or was too slow."""
        return self._dropped

    @property
    def written(self) -> str | None:
        """What the other sink wrote, and how many frames were dropped."""
        written = self._sink.written
        if not self._dropped:
            return written
        return f"{written or 'nothing'}; {self._dropped} frames dropped, {self._drop_reason()}"

    def _drop_reason(self) -> str:
        return "writing failed"


@contextmanager
def writing(target: str | Path) -> Iterator[None]:
    """Raises an `OSError` of the block as an `OutputError` that names the target.

    Raises:
        BrokenPipeError: the reader of a pipe has gone.
        OutputError: any other `OSError`.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from error


def require_kept(keep: int) -> None:
    """Raises `UsageError` if fewer than one file would be kept."""
    if keep < 1:
        raise UsageError(f"keep {keep}: must be at least 1")


def refuse_source(target: Path, sources: frozenset[Path]) -> None:
    """Raises if `target` is one of the files being read, even under another name.

    Args:
        target: the file about to be written.
        sources: resolved paths.

    Raises:
        UsageError: it is one of them.
    """
    same = target.resolve() in sources
    if not same and target.is_file() and target.stat().st_nlink > 1:
        same = any(target.samefile(source) for source in sources)
    if same:
        raise UsageError(f"{target}: would replace the source; save elsewhere")
