"""A run that is served: the sink between detection and the server."""

from collections.abc import Sequence

from spotlet.detections import Detections
from spotlet.events import frame_event, status_event
from spotlet.serve.address import Listener
from spotlet.serve.board import Board, Watched
from spotlet.serve.server import Server
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Frame, StatusEvent

STALE_SECONDS = 20.0
"""Twice the time after which a live source without frames is opened anew."""


class ServeSink:
    """Lets people watch, and costs detection nothing: it hands over the newest frame, uncopied.

    Events are made where somebody watches them; pictures are drawn and encoded in a thread of
    their own. What fails there is told, and detection goes on.
    """

    def __init__(
        self,
        listener: Listener,
        streams: Sequence[Watched],
        on_failure: OnFailure,
        *,
        title: str = "spotlet",
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        """Begins to serve.

        Args:
            listener: where; taken over.
            streams: what is read.
            on_failure: told in a line, in any thread, of what fails.
            title: what is run, for people.
            stale_seconds: see `Board`.
        """
        self._board = Board(streams, stale_seconds=stale_seconds)
        self._server = Server(listener, self._board, title, on_failure)
        self._closed = False

    @property
    def written(self) -> str | None:
        """None: it leaves nothing behind."""
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Shows a frame and what was found in it."""
        self._board.add(frame, detections)
        if self._server.viewers is not None:
            self._server.viewers.tell(frame.source, lambda: frame_event(frame, detections))

    def write_status(self, event: StatusEvent) -> None:
        """Shows a change of a source's state; after `close` it does nothing."""
        if self._closed:
            return
        self._board.note(event)
        if self._server.viewers is not None:
            self._server.viewers.tell(event.source, lambda: status_event(event))

    def finish(self, *, hurry: bool = False) -> None:
        """Begins to end the serving, and returns at once.

        Args:
            hurry: changes nothing, it is always quick.
        """
        self._server.end()

    def close(self) -> None:
        """Ends the serving, with whoever watches. A second call does nothing."""
        self._closed = True
        self._server.close()
