"""The bounded queue of messages to the broker."""

import threading
from collections import deque
from collections.abc import Iterable

from spotlet.mqtt.messages import Message


class Outbox:
    """Messages in order, and the newest of each retained topic; for several threads.

    If there are too many messages, the oldest are dropped. A retained message replaces the previous
    one of its topic, so there is one per topic, and none is dropped.

    Attributes:
        dropped: how many messages were dropped so far.
    """

    def __init__(self, *, most_messages: int, most_bytes: int) -> None:
        """Starts empty.

        Args:
            most_messages: the most that wait, from 1.
            most_bytes: the most that their payloads take together.
        """
        self.dropped = 0
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._retained: dict[str, Message] = {}
        self._fresh: dict[str, None] = {}  # topics whose message is not sent yet, in order
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no message waits."""
        with self._lock:
            return not self._waiting and not self._fresh

    def put(self, message: Message) -> None:
        """Adds one at the end; drops the oldest if there are too many."""
        with self._lock:
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._drop_oldest()

    def put_back(self, messages: Iterable[Message]) -> None:
        """Puts messages that were taken but not confirmed back in front.

        Retained ones are skipped: see `renew`.
        """
        with self._lock:
            for message in reversed([each for each in messages if not each.retain]):
                self._waiting.appendleft(message)
                self._bytes += len(message.payload)
            self._drop_oldest()

    def keep(self, message: Message) -> None:
        """Replaces the retained message of a topic; an equal one changes nothing."""
        with self._lock:
            if self._retained.get(message.topic) != message:
                self._retained[message.topic] = message
                self._fresh[message.topic] = None

    def renew(self) -> None:
        """Queues every retained message: after a reconnection the broker may have none."""
        with self._lock:
            self._fresh = dict.fromkeys(self._retained)

    def take(self) -> Message | None:
        """Removes and returns what to send next, retained ones first; None if nothing waits."""
        with self._lock:
            if self._fresh:
                topic = next(iter(self._fresh))
                del self._fresh[topic]
                return self._retained[topic]
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._bytes -= len(message.payload)
            return message

    def give_up(self) -> None:
        """Drops all queued messages."""
        with self._lock:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._fresh.clear()
            self._bytes = 0

    def _drop_oldest(self) -> None:
        while len(self._waiting) > self._most_messages or self._bytes > self._most_bytes:
            self._bytes -= len(self._waiting.popleft().payload)
            self.dropped += 1
