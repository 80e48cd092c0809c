"""What every sink has in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.streams import Frame, StatusEvent

OnFailure = Callable[[str], None]
"""Called with one line, in any thread, when a sink fails and when it works again."""


class Sink(Protocol):
    """Takes the frames of one run and what was found in them.

    A sink checks at construction that it can write, so that no work is lost later, and leaves
    whole files behind whenever it is closed.
    Those of this package are closed at the end of a `with` block.
    """

    @property
    def written(self) -> str | None:
        """What lies where after `close`, for people; None where nothing was written."""

    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes a frame.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:
        """Finishes what is being written. A second call does nothing."""


@runtime_checkable
class EventSink(Sink, Protocol):
    """A sink that tells events, those of changes of state too; see `spotlet.events`."""

    def write_status(self, event: StatusEvent) -> None:
        """Takes a change of a source's state; after `close` it does nothing.

        Raises:
            OutputError: it cannot be written.
        """


@runtime_checkable
class BackgroundSink(Sink, Protocol):
    """A sink with a thread of its own, so that several can finish at the same time."""

    def finish(self, *, hurry: bool = False) -> None:
        """Begins to finish, and returns at once; `close` then waits for it.

        Args:
            hurry: drop what cannot be written soon. A call with it may follow one without.
        """


def refuse_source(target: Path, sources: frozenset[Path]) -> None:
    """Does nothing where `target` is none of the files that are read, under no name of theirs.

    Args:
        target: what is about to be written.
        sources: resolved paths.

    Raises:
        UsageError: it is one of them.
    """
    same = target.resolve() in sources
    if not same and target.is_file() and target.stat().st_nlink > 1:
        same = any(target.samefile(source) for source in sources)
    if same:
        raise UsageError(f"{target}: would replace the source; save to another place")
