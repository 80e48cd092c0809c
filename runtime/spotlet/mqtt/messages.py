"""What is published where."""

import json
from collections import Counter
from dataclasses import dataclass

from spotlet.detections import Detections
from spotlet.events import SCHEMA, Event
from spotlet.sinks.file_names import unique_names
from spotlet.streams import Frame

ONLINE, OFFLINE = b"online", b"offline"
"""Payloads of the topic `status`, which Home Assistant takes for granted."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a broker is given.

    Attributes:
        topic: where.
        payload: what.
        qos: 0: sent once and forgotten; 1: sent until the broker confirms it.
        retain: whether the broker keeps it for those who come later.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Topics:
    """The topics of a run, which all begin with its prefix.

    Example:
        >>> Topics("spotlet/pi").of("rtsp://me:secret@10.0.0.7/door", "state")
        'spotlet/pi/10.0.0.7_door/state'
    """

    def __init__(self, prefix: str) -> None:
        """Takes the prefix, without a slash at either end."""
        self.prefix = prefix
        self.status = f"{prefix}/status"
        self._slugs: dict[str, str] = {}

    def slug(self, source: str) -> str:
        """Returns a source's level: of two that would be alike the later one gets a number."""
        if source not in self._slugs:
            # `status` is taken, and a source that is called so must not look like it.
            names = unique_names(["status", *self._slugs, source])
            self._slugs[source] = names[-1]
        return self._slugs[source]

    def of(self, source: str, what: str) -> str:
        """Returns the topic of something of a source."""
        return f"{self.prefix}/{self.slug(source)}/{what}"


def counts_event(frame: Frame, detections: Detections) -> Event:
    """Returns how many objects there are, small enough for a sensor.

    Keys: `schema`, `source`, `total`, `objects` by class name, only those that there are; `lines`
    and `zones` as in the event of a frame, where they count.
    """
    objects = Counter(found.name for found in detections)
    event: Event = {
        "schema": SCHEMA,
        "source": frame.source,
        "total": len(detections),
        "objects": dict(sorted(objects.items())),
    }
    if detections.counts is not None:
        event |= detections.counts.to_json()
    return event


def who_is_there(detections: Detections) -> Counter[tuple[int, int | None]]:
    """Returns how often each class and track is there: what has changed when this has."""
    return Counter((found.class_id, found.track_id) for found in detections)


def encode(content: object) -> bytes:
    """Returns it as JSON in ASCII, without spaces."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")
