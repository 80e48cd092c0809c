"""What waits for the broker: never more than a stated amount."""

import threading
from collections import deque
from collections.abc import Iterable

from spotlet.mqtt.messages import Message


class Outbox:
    """Messages in their order, and the newest of each retained topic; for several threads.

    Of messages the oldest are dropped when there are too many. A retained one replaces the one
    before of its topic, so their number is that of the topics, and none is dropped.
    """

    def __init__(self, *, most_messages: int, most_bytes: int) -> None:
        """Begins empty.

        Args:
            most_messages: that wait, from 1.
            most_bytes: that their payloads take together.
        """
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._retained: dict[str, Message] = {}
        self._fresh: dict[str, None] = {}  # topics whose message must be sent, in order
        self._dropped = 0
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """How many messages were dropped so far."""
        return self._dropped

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return not self._waiting and not self._fresh

    def put(self, message: Message) -> None:
        """Adds one at the end; the oldest go where there are too many."""
        with self._lock:
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._drop_oldest()

    def put_back(self, messages: Iterable[Message]) -> None:
        """Adds some that were taken, and not confirmed, in front again.

        Retained ones are left out: see `renew`.
        """
        with self._lock:
            for message in reversed([each for each in messages if not each.retain]):
                self._waiting.appendleft(message)
                self._bytes += len(message.payload)
            self._drop_oldest()

    def keep(self, message: Message) -> None:
        """Takes a retained message in the place of the one before of its topic.

        The same again does nothing.
        """
        with self._lock:
            if self._retained.get(message.topic) != message:
                self._retained[message.topic] = message
                self._fresh[message.topic] = None

    def renew(self) -> None:
        """Has every retained message sent: after a new connection the broker may know none."""
        with self._lock:
            self._fresh = dict.fromkeys(self._retained)

    def take(self) -> Message | None:
        """Takes out what is sent next, retained ones first; None where nothing waits."""
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
        """Drops what waits."""
        with self._lock:
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._fresh.clear()
            self._bytes = 0

    def _drop_oldest(self) -> None:
        while len(self._waiting) > self._most_messages or self._bytes > self._most_bytes:
            self._bytes -= len(self._waiting.popleft().payload)
            self._dropped += 1
