"""One connection to a broker, from its beginning to its end, in one thread.

paho's own thread and queue are not used. Its queue of messages without confirmation is not
bounded where a broker accepts a connection and does not read; with confirmation it refuses the
newest instead of dropping the oldest, and sends them again after the retained ones of a new
connection, which would bring back old states. Here a few messages are on their way at a time, and
all others wait in an `Outbox`.
"""

import contextlib
import selectors
import socket
import ssl
import time
import uuid
from typing import Any

from paho.mqtt.client import Client, error_string
from paho.mqtt.enums import CallbackAPIVersion

from spotlet.errors import SpotletError
from spotlet.mqtt.address import BrokerAddress
from spotlet.mqtt.messages import OFFLINE, Message

MOST_ON_THEIR_WAY = 20
"""Messages that are not confirmed: more help only where an answer takes long."""

KEEPALIVE_SECONDS = 20
"""Silence after which the broker is asked whether it is still there; it answers within the same
time, or the connection is given up. The broker publishes the last will after one and a half."""

CONNECT_SECONDS = 5.0
"""For the connection itself, and again for the broker's answer."""

CREDENTIALS_REFUSED = (4, 5, 134, 135)
"""Reasons to refuse that are about who asks. Source: MQTT 3.1.1, 3.2.2.3; MQTT 5, 3.2.2.2."""


class LinkLostError(SpotletError):
    """The connection is over, or never was."""


class LinkRefusedError(LinkLostError):
    """The broker does not let this user in."""


class Link:
    """A connection, which is used once.

    Attributes:
        confirmed: messages that are not retained and have arrived, as far as one can know.
    """

    def __init__(
        self, address: BrokerAddress, status_topic: str, context: ssl.SSLContext | None
    ) -> None:
        """Prepares it; nothing is connected.

        Args:
            address: of the broker.
            status_topic: of the last will, `offline`.
            context: for TLS; None goes without.
        """
        self.confirmed = 0
        self._address = address
        self._on_their_way: dict[int, Message] = {}
        self._accepted = False
        self._refusal: LinkLostError | None = None
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"spotlet-{uuid.uuid4().hex[:12]}",  # one each: equal ones part each other
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_SECONDS
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if context is not None:
            client.tls_set_context(context)
        client.will_set(status_topic, OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_socket_open = _send_at_once
        # With it a message waits until `pump` writes it, when its number is known.
        client.on_socket_register_write = lambda *_: None
        self._client = client

    @property
    def has_room(self) -> bool:
        """Whether one more message may be sent."""
        return len(self._on_their_way) < MOST_ON_THEIR_WAY

    @property
    def is_idle(self) -> bool:
        """Whether every message has arrived."""
        return not self._on_their_way

    @property
    def accepted(self) -> bool:
        """Whether the broker has let this client in."""
        return self._accepted

    def connect(self) -> None:
        """Connects, and asks to be let in.

        Raises:
            OSError: the broker cannot be reached, or its certificate is not to be trusted.
        """
        self._client.connect(self._address.host, self._address.port, KEEPALIVE_SECONDS)

    def send(self, message: Message) -> None:
        """Hands over a message, which `pump` sends."""
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        self._on_their_way[info.mid] = message
        self._require(info.rc)

    def pump(self, wake: socket.socket, seconds: float) -> None:
        """Sends and receives what there is, after waiting for it.

        Args:
            wake: ends the wait when it can be read; emptied.
            seconds: the longest wait.

        Raises:
            LinkRefusedError: the user or the password is not taken.
            LinkLostError: the connection is over.
        """
        connection = self._client.socket()
        if connection is None:
            raise self._refusal or LinkLostError("the connection broke off")
        with selectors.DefaultSelector() as selector:
            wanted = selectors.EVENT_READ
            wanted |= selectors.EVENT_WRITE if self._client.want_write() else 0
            selector.register(connection, wanted)
            selector.register(wake, selectors.EVENT_READ)
            unread = isinstance(connection, ssl.SSLSocket) and connection.pending()
            ready = {key.fileobj: can for key, can in selector.select(0 if unread else seconds)}
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        can = ready.get(connection, 0)
        if can & selectors.EVENT_READ or unread:
            self._require(self._client.loop_read())
        if can & selectors.EVENT_WRITE:
            self._require(self._client.loop_write())
        self._require(self._client.loop_misc())

    def part(self) -> None:
        """Says goodbye, so that the last will is not published."""
        self._client.disconnect()
        deadline = time.monotonic() + 0.1
        while self._client.want_write() and time.monotonic() < deadline:
            self._client.loop_write()
            time.sleep(0.001)

    def close(self) -> list[Message]:
        """Ends the connection, and returns what may not have arrived, in its order."""
        connection = self._client.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
        return list(self._on_their_way.values())

    def _require(self, code: int) -> None:
        if code:
            raise self._refusal or LinkLostError(error_string(code).rstrip("."))

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if not reason.is_failure:
            self._accepted = True
        elif reason.value in CREDENTIALS_REFUSED:
            self._refusal = LinkRefusedError(str(reason))
        else:
            self._refusal = LinkLostError(str(reason))

    def _on_publish(self, _client: Any, _data: Any, number: int, *_more: Any) -> None:
        message = self._on_their_way.pop(number, None)
        if message is not None and not message.retain:
            self.confirmed += 1


def _send_at_once(_client: Any, _data: Any, connection: Any) -> None:
    """Small messages must not wait for each other's confirmation."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
