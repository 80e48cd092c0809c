"""The sink that passes a run on to its server."""

from collections.abc import Sequence

from spotlet.detections import Detections
from spotlet.events import ModelEvent, frame_event, model_event, status_event
from spotlet.serve.address import Listener
from spotlet.serve.board import Board, Watched
from spotlet.serve.server import Server
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Frame, StatusEvent

STALE_SECONDS = 20.0
"""Twice the time after which a live source without frames is reconnected."""


class ServeSink:
    """Shows a run to viewers without slowing detection: it passes on the newest frame, uncopied.

    Events are only made if someone watches them; pictures are drawn and encoded in their own
    thread. Errors there are reported, and detection continues.
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
        """Starts to serve.

        Args:
            listener: the socket; taken over.
            streams: the sources of the run.
            on_failure: called with a line for each error, in any thread.
            title: of the run, for display.
            stale_seconds: see `Board`.
        """
        self._board = Board(streams, stale_seconds=stale_seconds)
        self._server = Server(listener, self._board, title, on_failure)
        self._closed = False

    @property
    def written(self) -> str | None:
        """None: it writes nothing."""
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Shows a frame and its detections."""
        self._board.add(frame, detections)
        if self._server.viewers is not None:
            self._server.viewers.send(frame.source, lambda: frame_event(frame, detections))

    def write_status(self, event: StatusEvent) -> None:
        """Shows a change of a source's state; after `close` it does nothing."""
        if self._closed:
            return
        self._board.note(event)
        if self._server.viewers is not None:
            self._server.viewers.send(event.source, lambda: status_event(event))

    def write_model(self, event: ModelEvent) -> None:
        """Shows a loaded or refused package; after `close` it does nothing."""
        if self._closed:
            return
        self._board.note_model(event)
        if self._server.viewers is not None:
            self._server.viewers.send(None, lambda: model_event(event))

    def finish(self, *, hurry: bool = False) -> None:
        """Starts to end the server, and returns at once.

        Args:
            hurry: has no effect; it is always quick.
        """
        self._server.end()

    def close(self) -> None:
        """Ends the server, and its viewers with it. A second call does nothing."""
        self._closed = True
        self._server.close()
