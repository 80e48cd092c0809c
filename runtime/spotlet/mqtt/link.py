"""One connection to a broker, from start to end, in one thread.

paho's own thread and queue are not used. With quality of service 0 its queue is unbounded if a
broker accepts a connection and does not read; with 1 it refuses the newest message instead of
dropping the oldest, and sends them again after the retained ones of a new connection, which would
restore old states. Here only a few messages are in flight, and all others wait in an `Outbox`.
"""

import contextlib
import selectors
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, error_string
from paho.mqtt.enums import CallbackAPIVersion

from spotlet.errors import SpotletError
from spotlet.mqtt.address import BrokerAddress
from spotlet.mqtt.messages import OFFLINE, Message

MOST_IN_FLIGHT = 20
"""Messages sent but not confirmed: more would only help over slow networks."""

KEEPALIVE_SECONDS = 20
"""Silence after which the broker is pinged; without an answer within the same time the connection
is given up. The broker publishes the last will after one and a half times as long."""

CONNECT_SECONDS = 5.0
"""The longest wait for the connection, and again for the broker's answer."""

CREDENTIALS_REFUSED = (4, 5, 134, 135)
"""Refusals because of user or password. Source: MQTT 3.1.1, 3.2.2.3; MQTT 5, 3.2.2.2."""


class LinkLostError(SpotletError):
    """The connection is over, or could not be made."""


class LinkRefusedError(LinkLostError):
    """The broker refuses this user or password."""


class Link:
    """A connection, used once.

    Attributes:
        accepted: whether the broker has accepted this client.
        in_flight: messages sent but not confirmed, by number, in order.
    """

    def __init__(
        self,
        address: BrokerAddress,
        status_topic: str,
        context: ssl.SSLContext | None,
        on_confirmed: Callable[[Message], None],
    ) -> None:
        """Prepares the client without connecting.

        Args:
            address: of the broker.
            status_topic: of the last will, `offline`.
            context: for TLS; None connects without.
            on_confirmed: called with each message that has arrived, as far as can be known.
        """
        self.accepted = False
        self._address = address
        self._on_confirmed = on_confirmed
        self.in_flight: dict[int, Message] = {}
        self._refusal: LinkLostError | None = None
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"spotlet-{uuid.uuid4().hex[:12]}",  # equal ids disconnect each other
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
        # So a message waits until `pump` writes it, when its number is known.
        client.on_socket_register_write = lambda *_: None
        self._client = client

    @property
    def has_room(self) -> bool:
        """Whether one more message may be sent."""
        return len(self.in_flight) < MOST_IN_FLIGHT

    def connect(self) -> None:
        """Connects, and logs in.

        Raises:
            OSError: the broker cannot be reached, or its certificate is not trusted.
        """
        self._client.connect(self._address.host, self._address.port, KEEPALIVE_SECONDS)

    def send(self, message: Message) -> None:
        """Queues a message, which `pump` sends."""
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        self.in_flight[info.mid] = message
        self._require(info.rc)

    def pump(self, wake: socket.socket, seconds: float) -> None:
        """Waits until there is something to send or receive, and does so.

        Args:
            wake: ends the wait when it is readable; emptied.
            seconds: the longest wait.

        Raises:
            LinkRefusedError: the user or the password is refused.
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

    def disconnect(self) -> None:
        """Disconnects properly, so that the last will is not published."""
        self._client.disconnect()
        deadline = time.monotonic() + 0.1
        while self._client.want_write() and time.monotonic() < deadline:
            self._client.loop_write()
            time.sleep(0.001)

    def close(self) -> list[Message]:
        """Closes the connection, and returns what might not have arrived, in order."""
        connection = self._client.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
        return list(self.in_flight.values())

    def _require(self, code: int) -> None:
        if code:
            raise self._refusal or LinkLostError(error_string(code).rstrip("."))

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if not reason.is_failure:
            self.accepted = True
        elif reason.value in CREDENTIALS_REFUSED:
            self._refusal = LinkRefusedError(str(reason))
        else:
            self._refusal = LinkLostError(str(reason))

    def _on_publish(self, _client: Any, _data: Any, number: int, *_more: Any) -> None:
        message = self.in_flight.pop(number, None)
        if message is not None:
            self._on_confirmed(message)


def _send_at_once(_client: Any, _data: Any, connection: Any) -> None:
    """Turns off Nagle's algorithm: small messages must not wait for each other."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
