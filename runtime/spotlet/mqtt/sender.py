"""The thread that brings an outbox to a broker, however often that is away."""

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
"""Until a broker that refused the password is asked again: some lock out who asks often."""

END_SECONDS = 5.0
"""For what waits at the end of a run, where the broker is not known to be away."""

HURRY_SECONDS = 0.6
"""The same after Ctrl-C. With the next a run keeps to the time that its outputs have."""

PART_SECONDS = 0.3
"""For saying `offline`, after that."""


class Sender:
    """Connects, sends, and connects again; who fills the outbox waits for nothing."""

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
            status_topic: where `offline` is said at the end, or by the broker as a last will.
            context: for TLS, or None.
            on_failure: told when the broker is away, and when it is back.
            reconnection: its waits.
        """
        self._address = address
        self._outbox = outbox
        self._status_topic = status_topic
        self._context = context
        self._tell = on_failure
        self._reconnection = reconnection
        self._confirmed = 0
        self._told_away = ""  # why, as it was told
        self._told_dropped = 0
        self._is_dropping = False
        self._finishing = threading.Event()
        self._ended = threading.Event()
        self._deadline = float("inf")
        self._stirred = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        threading.Thread(target=self._run, name="spotlet-mqtt", daemon=True).start()

    @property
    def confirmed(self) -> int:
        """How many messages, retained ones aside, the broker has taken."""
        return self._confirmed

    def stir(self) -> None:
        """Says that there is something in the outbox; returns at once."""
        self._stirred.set()
        try:
            self._waker.send(b"\0")
        except OSError:  # it is full of such bytes, or the thread has ended
            return

    def finish(self, *, hurry: bool = False) -> None:
        """Begins to end: what waits is sent for a while, if the broker is there."""
        # What is away is not waited for, but for a try that is just being made.
        seconds = HURRY_SECONDS if hurry or self._told_away else END_SECONDS
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._finishing.set()
        self.stir()

    def wait(self) -> None:
        """Waits until it has ended, at most as long as `finish` gave; the rest is dropped."""
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
                link = Link(self._address, self._status_topic, self._context)
                accepted_at = float("inf")
                refused = False
                before = self._confirmed
                try:
                    link.connect()
                    self._wait_for_answer(link)
                    accepted_at = time.monotonic()
                    self._serve(link, before)
                    return
                except Exception as error:  # a mad broker makes the library raise anything
                    refused = isinstance(error, LinkRefusedError)
                    self._tell_away(error, link)
                finally:
                    self._confirmed = before + link.confirmed
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

    def _wait_for_answer(self, link: Link) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        while not link.accepted:
            left = min(deadline, self._deadline) - time.monotonic()
            if left <= 0:
                raise LinkLostError(f"it did not answer within {CONNECT_SECONDS:g} s")
            link.pump(self._wake, left)
            self._tell_dropped()

    def _serve(self, link: Link, before: int) -> None:
        """Sends what comes, and returns when the run has ended and `offline` is said."""
        self._outbox.renew()
        self._tell_back()
        while True:
            while link.has_room and (message := self._outbox.take()) is not None:
                link.send(message)
            self._tell_dropped()
            left = self._deadline - time.monotonic()
            if left <= 0 or (self._finishing.is_set() and self._all_sent(link)):
                break
            link.pump(self._wake, min(left, 1.0))
            self._confirmed = before + link.confirmed
        link.send(Message(self._status_topic, OFFLINE, retain=True))
        until = time.monotonic() + PART_SECONDS
        while not link.is_idle and (left := until - time.monotonic()) > 0:
            link.pump(self._wake, left)
        if link.is_idle:  # else the broker says it, because nobody said goodbye
            link.part()

    def _all_sent(self, link: Link) -> bool:
        return link.is_idle and self._outbox.is_empty

    def _pause(self, seconds: float) -> bool:
        """Waits, and returns whether to try again: not at the end of the run."""
        until = time.monotonic() + seconds
        while not self._finishing.is_set() and (left := until - time.monotonic()) > 0:
            self._stirred.clear()
            self._tell_dropped()
            self._stirred.wait(left)
        return not self._finishing.is_set()

    def _tell_away(self, error: Exception, link: Link) -> None:
        why = _reason(error)
        if isinstance(error, LinkRefusedError):
            line = f"refused: {why}; check user and password; asked again every "
            line += f"{REFUSED_SECONDS:g} s"
        elif link.accepted:
            line = f"lost: {why}; messages wait for it, and detection goes on"
        else:
            line = f"cannot be reached: {why}; tried again until it can, and detection goes on"
        kind = line.partition(":")[0]
        # A broker that is lost is then not reached for a while: that is the same story.
        if not self._told_away or (kind == "refused" and self._told_away != kind):
            self._told_away = kind
            self._tell(f"{self._address.name}: {line}")

    def _tell_back(self) -> None:
        if self._told_away:
            self._told_away = ""
            self._tell(f"{self._address.name}: connected")

    def _tell_dropped(self) -> None:
        """Tells when messages begin to be dropped, and, when all are sent again, how many were."""
        dropped = self._outbox.dropped
        if dropped > self._told_dropped and not self._is_dropping:
            self._is_dropping = True
            self._tell(f"{self._address.name}: too many messages wait; the oldest are dropped")
        elif self._is_dropping and self._outbox.is_empty:
            count, self._told_dropped = dropped - self._told_dropped, dropped
            self._is_dropping = False
            self._tell(f"{self._address.name}: all that waited is sent; {count} were dropped")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message})"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
