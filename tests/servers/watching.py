"""Clients of a served run: plain sockets, as any program would use them."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from patience import PATIENCE_SECONDS


class Answer(NamedTuple):
    """A server's response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


def ask(url: str, path: str = "/", *, method: str = "GET", **headers: str) -> Answer:
    """Returns the response to a request; in header names `_` stands for `-`."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        str(place.hostname), place.port, timeout=PATIENCE_SECONDS
    )
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, told, answer.read())
    finally:
        connection.close()


def call(url: str, path: str, receive_bytes: int | None = None) -> socket.socket:
    """Returns a connection on which a path was requested and nothing was read."""
    place = urlsplit(url)
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(PATIENCE_SECONDS)
    client.connect((str(place.hostname), int(place.port or 0)))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return client


@contextlib.contextmanager
def event_stream(url: str, path: str = "/events") -> Iterator[Iterator[str]]:
    """Yields the lines of an event stream, from its head on."""
    with call(url, path) as client, client.makefile("rb") as file:
        head = file.readline().decode()
        assert " 200 " in head, head
        yield (line.decode("utf-8").rstrip() for line in file)


@contextlib.contextmanager
def watch(url: str, path: str = "/events") -> Iterator[Iterator[dict[str, Any]]]:
    """Yields the events of a run as they arrive."""
    with event_stream(url, path) as lines:
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line[:5] == "data:")
