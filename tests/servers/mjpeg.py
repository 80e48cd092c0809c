"""An HTTP camera that sends JPEGs one after the other, and fails on request."""

import contextlib
import itertools
import os
import socket
import threading
import time
from typing import Literal, NamedTuple

from servers.numbered import numbered_jpeg
from spotlet.lifetime import Closing

Fault = Literal["refuse", "mute", "die", "stall", "garbage", "half"]

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n"
TICK_SECONDS = 0.005


class Sent(NamedTuple):
    """A complete picture that was sent.

    Attributes:
        connection: to which client, counted from 0.
        place: its number among the whole pictures of that connection.
        at: when, on `time.monotonic`.
        size_hw: height and width.
    """

    connection: int
    place: int
    at: float
    size_hw: tuple[int, int]


class MjpegServer(Closing):
    """The camera. Its attributes may be changed at any time, with immediate effect.

    Attributes:
        fps: pictures a second, to each client.
        size_hw: of the pictures.
        fault: `refuse`: nothing listens; `mute`: accepts and says nothing; `die`: hangs up in
            the middle of a picture; `stall`: sends no more pictures; `garbage`: sends noise
            instead of them; `half`: sends half of each. None: it is well.
        sent: the whole pictures that went out, by the number that they carry.
        connections: how many clients came.
    """

    def __init__(self, *, fps: float = 30.0, size_hw: tuple[int, int] = (96, 128)) -> None:
        self.fps = fps
        self.size_hw = size_hw
        self.sent: dict[int, Sent] = {}
        self.connections = 0
        self._fault: Fault | None = None
        self._closed = False
        self._numbers = itertools.count(1)
        self._clients: set[socket.socket] = set()
        self._port = 0
        self._listener = self._bind()
        self._port = self._listener.getsockname()[1]
        self._listen()

    @property
    def url(self) -> str:
        """Its URL, with credentials that must never be shown."""
        return f"http://admin:hunter2@127.0.0.1:{self._port}/door?token=hunter3"

    @property
    def fault(self) -> Fault | None:
        """See the class."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        before, self._fault = self._fault, fault
        if fault == "refuse":
            self._hang_up()
            self._listener = self._bind()  # the port stays ours, but nothing listens
        elif before == "refuse":
            self._listen()

    def close(self) -> None:
        """Closes all connections."""
        self._closed = True
        self._hang_up()
        self._listener.close()

    def _bind(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        return listener

    def _listen(self) -> None:
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                serve = threading.Thread(
                    target=self._serve, args=(client, self.connections), daemon=True
                )
                self.connections += 1
                serve.start()

    def _serve(self, client: socket.socket, connection: int) -> None:
        self._clients.add(client)
        with contextlib.suppress(OSError), client:
            client.recv(4096)
            while self._fault == "mute":
                self._rest(client)
            client.sendall(HEAD)
            last, place = 0.0, 0
            while self._fault != "die":
                if self._fault in ("mute", "stall") or time.monotonic() < last + 1 / self.fps:
                    self._rest(client)
                    continue
                # By the clock and not by naps, unless it lags: then it begins anew.
                last = max(last + 1 / self.fps, time.monotonic() - 1 / self.fps)
                place += self._send(client, connection, place)
            self._send(client, connection, place)
        self._clients.discard(client)

    def _rest(self, client: socket.socket) -> None:
        if self._closed or client.fileno() < 0:
            raise OSError
        time.sleep(TICK_SECONDS)

    def _send(self, client: socket.socket, connection: int, place: int) -> bool:
        """Sends a picture, damaged by the fault if any; returns whether it is complete."""
        number, size_hw = next(self._numbers), self.size_hw
        jpeg = numbered_jpeg(number, size_hw)
        if self._fault == "garbage":
            client.sendall(os.urandom(len(jpeg)))
            return False
        # Not in the header, which is no picture: in the middle of the pixels.
        half = jpeg[: len(jpeg) * 9 // 10]
        body = half if self._fault == "half" else jpeg
        part = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
        whole = self._fault not in ("half", "die")
        if whole:  # before it can be seen
            self.sent[number] = Sent(connection, place, time.monotonic(), size_hw)
        client.sendall(part + (half if self._fault == "die" else body) + b"\r\n")
        return whole
