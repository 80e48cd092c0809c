"""The thread that delivers an outbox to a broker, over as many connections as it takes."""

import socket
import ssl
import threading
import time

from spotlet.lifetime import WAKE_SECONDS
from spotlet.mqtt.address import BrokerAddress
from spotlet.mqtt.link import CONNECT_SECONDS, Link, LinkLostError, LinkRefusedError
from spotlet.mqtt.messages import OFFLINE, Message
from spotlet.mqtt.outbox import Outbox
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Reconnection

REFUSED_SECONDS = 60.0
"""The least wait after a refused password: some brokers lock out clients that retry often."""

END_SECONDS = 5.0
"""Time to send the queue at the end of a run, if the broker is not known to be unavailable."""

HURRY_SECONDS = 0.6
"""The same after Ctrl-C. With `PART_SECONDS` a run keeps within the time that its outputs have."""

PART_SECONDS = 0.3
"""Time to publish `offline` after that."""


class Sender:
    """Connects, sends, and reconnects with back-off; filling the outbox never waits for it.

    Attributes:
        confirmed: how many messages, without retained ones, the broker has confirmed.
    """

    def __init__(
        self,
        address: BrokerAddress,
        outbox: Outbox,
        status_topic: str,
        context: ssl.SSLContext | None,
        on_failure: OnFailure,
        *,
        reconnection: Reconnection,
    ) -> None:
        """Starts the thread.

        Args:
            address: of the broker.
            outbox: what is sent; its retained messages again with each connection.
            status_topic: where `offline` is published at the end, or by the broker as last will.
            context: for TLS, or None.
            on_failure: called with a line when the broker is lost, and when it is back.
            reconnection: its waits.
        """
        self.confirmed = 0
        self._address = address
        self._outbox = outbox
        self._status_topic = status_topic
        self._context = context
        self._on_failure = on_failure
        self._reconnection = reconnection
        self._reported_away = ""  # the kind of failure that was reported
        self._reported_dropped = 0
        self._is_dropping = False
        self._finishing = threading.Event()
        self._ended = threading.Event()
        self._deadline = float("inf")
        self._woken = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        threading.Thread(target=self._run, name="spotlet-mqtt", daemon=True).start()

    def wake(self) -> None:
        """Signals that there is something in the outbox; returns at once."""
        self._woken.set()
        try:
            self._waker.send(b"\0")
        except OSError:  # it is full of such bytes, or the thread has ended
            return

    def finish(self, *, hurry: bool = False) -> None:
        """Starts to end: sends the queue for a while, if the broker is available."""
        # An unavailable broker is not waited for, except for a connection being tried now.
        seconds = HURRY_SECONDS if hurry or self._reported_away else END_SECONDS
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._finishing.set()
        self.wake()

    def wait(self) -> None:
        """Waits until it has ended, at most as long as `finish` allowed; drops the rest."""
        while not self._ended.is_set():
            left = self._deadline + PART_SECONDS - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, WAKE_SECONDS))
        self._outbox.give_up()

    def _run(self) -> None:
        failures = 0
        try:
            while True:
                link = Link(self._address, self._status_topic, self._context, self._confirm)
                accepted_at = float("inf")
                refused = False
                try:
                    link.connect()
                    self._wait_for_answer(link)
                    accepted_at = time.monotonic()
                    self._serve(link)
                    return
                except Exception as error:  # a faulty broker makes the library raise anything
                    refused = isinstance(error, LinkRefusedError)
                    self._report_away(error, link)
                finally:
                    self._outbox.put_back(link.close())
                held = time.monotonic() - accepted_at
                failures = 1 if held >= self._reconnection.stable_seconds else failures + 1
                seconds = self._reconnection.wait_seconds(failures)
                if not self._pause(max(seconds, REFUSED_SECONDS) if refused else seconds):
                    return
        finally:
            self._ended.set()
            self._wake.close()
            self._waker.close()

    def _confirm(self, message: Message) -> None:
        self.confirmed += not message.retain

    def _wait_for_answer(self, link: Link) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        while not link.accepted:
            left = min(deadline, self._deadline) - time.monotonic()
            if left <= 0:
                raise LinkLostError(f"no answer within {CONNECT_SECONDS:g} s")
            link.pump(self._wake, left)
            self._report_dropped()

    def _serve(self, link: Link) -> None:
        """Sends messages until the run has ended and `offline` is published."""
        self._outbox.renew()
        if self._reported_away:
            self._reported_away = ""
            self._report("connected")
        while True:
            while link.has_room and (message := self._outbox.take()) is not None:
                link.send(message)
            self._report_dropped()
            left = self._deadline - time.monotonic()
            all_sent = not link.in_flight and self._outbox.is_empty
            if left <= 0 or (self._finishing.is_set() and all_sent):
                break
            link.pump(self._wake, min(left, 1.0))
        link.send(Message(self._status_topic, OFFLINE, retain=True))
        until = time.monotonic() + PART_SECONDS
        while link.in_flight and (left := until - time.monotonic()) > 0:
            link.pump(self._wake, left)
        if not link.in_flight:  # else the broker publishes it, as the last will
            link.disconnect()

    def _pause(self, seconds: float) -> bool:
        """Waits, and returns whether to try again: not at the end of the run."""
        until = time.monotonic() + seconds
        while not self._finishing.is_set() and (left := until - time.monotonic()) > 0:
            self._woken.clear()
            self._report_dropped()
            self._woken.wait(left)
        return not self._finishing.is_set()

    def _report(self, line: str) -> None:
        self._on_failure(f"{self._address.name}: {line}")

    def _report_away(self, error: Exception, link: Link) -> None:
        kind, then = "cannot be reached", "reconnecting with back-off, detection continues"
        if isinstance(error, LinkRefusedError):
            kind, then = "refused", f"check user and password; retrying every {REFUSED_SECONDS:g} s"
        elif link.accepted:
            kind, then = "lost", "messages are queued, detection continues"
        # A broker that was lost cannot be reached for a while: that is the same failure.
        if not self._reported_away or (kind == "refused" and self._reported_away != kind):
            self._reported_away = kind
            self._report(f"{kind}: {_reason(error)}; {then}")

    def _report_dropped(self) -> None:
        """Reports when dropping starts, and how many were dropped once the queue is sent."""
        dropped = self._outbox.dropped
        if dropped > self._reported_dropped and not self._is_dropping:
            self._is_dropping = True
            self._report("the queue is full; the oldest messages are dropped")
        elif self._is_dropping and self._outbox.is_empty:
            count, self._reported_dropped = dropped - self._reported_dropped, dropped
            self._is_dropping = False
            self._report(f"the queue is sent; {count} messages were dropped")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
