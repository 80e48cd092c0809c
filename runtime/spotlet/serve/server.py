"""The thread in which a run is served."""

import asyncio
import contextlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from spotlet.cores import usable_cores
from spotlet.lifetime import WAKE_SECONDS
from spotlet.serve.address import Listener
from spotlet.serve.app import make_app
from spotlet.serve.board import Board
from spotlet.serve.guard import Guard
from spotlet.serve.pictures import Pictures
from spotlet.serve.viewers import Viewers
from spotlet.sinks.sink import OnFailure

MOST_CONNECTIONS = 256
"""A browser opens six at most; connections beyond these are closed."""

HEAD_SECONDS = 10.0
"""The time within which all headers of a request must arrive."""

STUCK_SECONDS = 30.0
"""A viewer that reads nothing for this long is disconnected."""

MOST_HEAD_BYTES = 16 * 1024

DRAIN_SECONDS = 0.2
"""Time for the responses in progress when the server ends; then all connections are closed."""

END_SECONDS = 0.7
"""Time to end the server, out of the two seconds in which a run must end."""


class _Connection(H11Protocol):
    """A connection that closes if the client sends nothing, or reads nothing, for too long."""

    _timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._start_timeout(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.flow.write_paused:
            return
        if self.conn.their_state is not h11.IDLE:
            self._cancel_timeout()
        elif self._timeout is None:
            self._start_timeout(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cancel_timeout()
        self._start_timeout(STUCK_SECONDS)

    def resume_writing(self) -> None:
        self._cancel_timeout()
        super().resume_writing()

    def _start_timeout(self, seconds: float) -> None:
        self._timeout = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


class Server:
    """Serves a run in its own thread with its own loop, until it is ended.

    Errors are reported, never raised: detection continues.

    Attributes:
        viewers: takes the events; None until the server has started, and if it cannot.
        pictures: as `viewers`; used in the server's loop alone.
    """

    def __init__(self, listener: Listener, board: Board, title: str, on_failure: OnFailure) -> None:
        """Starts the thread.

        Args:
            listener: taken over.
            board: the records that are served.
            title: of the run, for display.
            on_failure: called with a line for each error.
        """
        self.viewers: Viewers | None = None
        self.pictures: Pictures | None = None
        self._listener = listener
        self._board = board
        self._title = title
        self._on_failure = on_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._has_reported = False
        self._end_by = float("inf")
        self._begun = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="spotlet-serve", daemon=True).start()
        self._begun.wait()

    def end(self) -> None:
        """Starts to end, and returns at once. A second call does nothing."""
        self._end_by = min(self._end_by, time.monotonic() + END_SECONDS)
        if self._loop is not None and not self._ended.is_set():
            with contextlib.suppress(RuntimeError):  # it ended just now
                self._loop.call_soon_threadsafe(self._drain)

    def close(self) -> None:
        """Ends, and waits for the thread, but no longer than `END_SECONDS`."""
        self.end()
        while (left := self._end_by - time.monotonic()) > 0:
            if self._ended.wait(min(left, WAKE_SECONDS)):
                break

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except (Exception, SystemExit) as error:  # uvicorn exits if it cannot start
            self._on_failure(
                f"serving at {self._listener.url} has ended: {type(error).__name__}: {error}; "
                "detection continues"
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
        pictures = Pictures(self._board, executor, cores=usable_cores())
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

    def _drain(self) -> None:
        assert self._loop is not None
        assert self._server is not None
        assert self.viewers is not None
        self.viewers.end()
        self._server.should_exit = True
        self._loop.call_later(DRAIN_SECONDS, self._abort_connections, self._server)

    def _abort_connections(self, server: uvicorn.Server) -> None:
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    def _note_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # Errors of connections that break off are expected.
        if error is not None and not isinstance(error, OSError) and not self._has_reported:
            self._has_reported = True
            self._on_failure(f"serving: {type(error).__name__}: {error}; detection continues")
