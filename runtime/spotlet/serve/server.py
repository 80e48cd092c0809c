"""The thread in which a run is served."""

import asyncio
import contextlib
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from spotlet.lifetime import WAKE_SECONDS
from spotlet.serve.address import Listener
from spotlet.serve.app import make_app
from spotlet.serve.board import Board
from spotlet.serve.guard import Guard
from spotlet.serve.pictures import Pictures
from spotlet.serve.viewers import Viewers
from spotlet.sinks.sink import OnFailure

MOST_CONNECTIONS = 256
"""A browser opens six at most; who comes beyond them is hung up on."""

HEAD_SECONDS = 10.0
"""For the whole head of a request."""

STUCK_SECONDS = 30.0
"""After which a viewer that reads nothing at all is hung up on."""

MOST_HEAD_BYTES = 16 * 1024

GOODBYE_SECONDS = 0.2
"""For who is being answered when the server ends; then all are hung up on."""

END_SECONDS = 0.7
"""For the whole end, of the two seconds in which a run must."""


class _Connection(H11Protocol):
    """A connection that cannot be held open by saying nothing, or by reading nothing."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._expect(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.flow.write_paused:
            return
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._patience is None:
            self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._rest()
        self._expect(STUCK_SECONDS)

    def resume_writing(self) -> None:
        self._rest()
        super().resume_writing()

    def _expect(self, seconds: float) -> None:
        self._patience = self.loop.call_later(seconds, self.transport.abort)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Server:
    """Serves a run in a thread with a loop of its own, until it is ended.

    What fails in it is told, and never raised: detection goes on.

    Attributes:
        viewers: takes the events; None until the server has begun, and where it could not.
        pictures: likewise; it belongs to the server's loop.
    """

    def __init__(self, listener: Listener, board: Board, title: str, on_failure: OnFailure) -> None:
        """Starts the thread.

        Args:
            listener: taken over.
            board: what is served.
            title: what is run, for people.
            on_failure: told in a line of what fails.
        """
        self.viewers: Viewers | None = None
        self.pictures: Pictures | None = None
        self._listener = listener
        self._board = board
        self._title = title
        self._on_failure = on_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._told = False
        self._end_by = float("inf")
        self._begun = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="spotlet-serve", daemon=True).start()
        self._begun.wait()

    def end(self) -> None:
        """Begins to end, and returns at once. A second call does nothing."""
        self._end_by = min(self._end_by, time.monotonic() + END_SECONDS)
        if self._loop is not None and not self._ended.is_set():
            with contextlib.suppress(RuntimeError):  # it ended just now
                self._loop.call_soon_threadsafe(self._say_goodbye)

    def close(self) -> None:
        """Ends, and waits for it, but not for ever: the thread is then left to itself."""
        self.end()
        while (left := self._end_by - time.monotonic()) > 0:
            if self._ended.wait(min(left, WAKE_SECONDS)):
                break

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except (Exception, SystemExit) as error:  # uvicorn exits where it cannot start
            self._on_failure(
                f"serving at {self._listener.url} has ended: {type(error).__name__}: {error}; "
                "detection goes on"
            )
        finally:
            self._listener.close()
            self._ended.set()
            self._begun.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_exception)
        viewers = Viewers(self._board, loop)
        executor = ThreadPoolExecutor(1, thread_name_prefix="spotlet-pictures")
        pictures = Pictures(self._board, executor, cores=os.cpu_count() or 1)
        app = make_app(self._board, viewers, pictures, self._title)
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(app, self._listener, self._on_failure),
                http=_Connection,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                log_level=logging.CRITICAL,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=MOST_HEAD_BYTES,
                timeout_graceful_shutdown=1,
            )
        )
        self._loop, self.viewers, self.pictures = loop, viewers, pictures
        self._begun.set()
        try:
            await self._server.serve(sockets=[self._listener.socket])
        finally:
            viewers.end()
            executor.shutdown(wait=False, cancel_futures=True)

    def _say_goodbye(self) -> None:
        assert self._loop is not None
        assert self._server is not None
        assert self.viewers is not None
        self.viewers.end()
        self._server.should_exit = True
        self._loop.call_later(GOODBYE_SECONDS, self._hang_up, self._server)

    def _hang_up(self, server: uvicorn.Server) -> None:
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    def _note_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # What a connection that breaks off leaves behind is none of ours.
        if error is not None and not isinstance(error, OSError) and not self._told:
            self._told = True
            self._on_failure(f"serving: {type(error).__name__}: {error}; detection goes on")
