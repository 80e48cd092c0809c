"""The messages of a run and their topics."""

from collections import Counter
from dataclasses import dataclass

from spotlet.detections import Detections
from spotlet.events import SCHEMA, Event, identity_json
from spotlet.sinks.file_names import unique_names
from spotlet.streams import Frame

ONLINE, OFFLINE = b"online", b"offline"
"""Payloads of the topic `status`; Home Assistant's defaults."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        topic: as published.
        payload: as published.
        qos: 0: sent once; 1: sent until the broker confirms it.
        retain: whether the broker keeps it for later subscribers.
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
        self.model = f"{prefix}/model"
        self._slugs: dict[str, str] = {}

    def slug(self, source: str) -> str:
        """Returns a source's level: if two would be equal, the later one gets a number."""
        if source not in self._slugs:
            # These are taken: a source with such a name gets a number.
            names = unique_names(["status", "model", *self._slugs, source])
            self._slugs[source] = names[-1]
        return self._slugs[source]

    def of(self, source: str, what: str) -> str:
        """Returns a topic of a source."""
        return f"{self.prefix}/{self.slug(source)}/{what}"


def counts_event(frame: Frame, detections: Detections) -> Event:
    """Returns the numbers of objects, small enough for a sensor.

    Keys: `schema`, `source`, `total`, `objects` by class name, without zeros; `lines` and `zones`
    as in the event of a frame, if there are any; `model` and `digest` as there.
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
    return event | identity_json(detections)


def present_objects(detections: Detections) -> Counter[tuple[int, int | None]]:
    """Returns how often each class and track is present, to notice a change."""
    return Counter((found.class_id, found.track_id) for found in detections)
