"""The sink that publishes events to an MQTT broker."""

import logging
import ssl
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spotlet.detections import Detections, ModelIdentity
from spotlet.errors import InputError, UsageError
from spotlet.events import ModelEvent, encode_event, frame_event, model_event, status_event
from spotlet.lifetime import Closing
from spotlet.mqtt.address import BrokerAddress, locate_broker
from spotlet.mqtt.discovery import run_config, source_config
from spotlet.mqtt.messages import ONLINE, Message, Topics, counts_event, present_objects
from spotlet.mqtt.outbox import Outbox
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Frame, Reconnection, StatusEvent

logger = logging.getLogger("spotlet.mqtt")

RECONNECTION = Reconnection(most_seconds=10)
"""Shorter waits than for a camera: a broker answers at once, so trying costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """What is published, and how.

    Attributes:
        qos: of detections: 0 sends each once; 1 until the broker confirms it, so one may arrive
            twice. Retained messages always have 1.
        on: `frame`: each frame with detections, and the first without; `change`: only when the
            classes or tracks differ from those of the previous message.
        discovery: whether sensors are announced to Home Assistant.
        classes: those with a sensor; None for all of the model's.
        waiting_messages: the most messages that wait for the broker; the oldest are dropped.
        waiting_bytes: the same for the bytes of their payloads.
        reconnection: the waits between connections; `retries` is not used.

    Raises:
        UsageError: a value breaks its rule.
    """

    qos: int = 1
    on: Literal["frame", "change"] = "frame"
    discovery: bool = False
    classes: tuple[str, ...] | None = None
    waiting_messages: int = 1000
    waiting_bytes: int = 8_000_000
    reconnection: Reconnection = RECONNECTION

    def __post_init__(self) -> None:
        if self.qos not in (0, 1):
            raise UsageError(f"MQTT quality of service {self.qos}: must be 0 or 1")
        if self.on not in ("frame", "change"):
            raise UsageError(f"MQTT messages on {self.on!r}: must be frame or change")
        if self.waiting_messages < 1 or self.waiting_bytes < 1:
            raise UsageError("MQTT waiting messages and bytes: must be at least 1")


class MqttSink(Closing):
    """Publishes events in its own thread; no call waits for the broker.

    An unavailable broker is not an error: it is reported and reconnected with back-off, and the
    newest messages wait until then. See `docs/mqtt.md` for the topics.

    Example:
        >>> with MqttSink("mqtt://broker.local/yard") as sink:  # doctest: +SKIP
        ...     with open_streams([0], on_status=sink.write_status) as group:
        ...         for stream, frame in group:
        ...             sink.write(frame, detector(frame.image))
    """

    def __init__(
        self,
        broker: str | BrokerAddress,
        settings: MqttSettings = MqttSettings(),
        *,
        on_failure: OnFailure = logger.warning,
    ) -> None:
        """Starts to connect, and returns at once.

        Args:
            broker: its address, or a URL; see `locate_broker`.
            settings: what is published.
            on_failure: called with a line, in another thread, when the broker is lost, and when
                it is back.

        Raises:
            InputError: the certificates cannot be read.
            UsageError: the URL breaks its rule, or paho-mqtt is not installed.
        """
        address = locate_broker(broker) if isinstance(broker, str) else broker
        try:
            from spotlet.mqtt.sender import Sender
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "paho":
                raise
            raise UsageError('MQTT: needs paho-mqtt: pip install "spotlet[mqtt]"') from error
        self._name = address.name
        self._settings = settings
        self._topics = Topics(address.prefix)
        self._outbox = Outbox(
            most_messages=settings.waiting_messages, most_bytes=settings.waiting_bytes
        )
        self._present: dict[str, Counter[tuple[int, int | None]]] = {}
        self._announced: set[str] = set()
        self._with_states: set[str] = set()
        self._has_model = False
        self._closed = False
        self._keep(self._topics.status, ONLINE)
        if settings.discovery:
            self._outbox.keep(run_config(self._topics))
        self._sender = Sender(
            address,
            self._outbox,
            self._topics.status,
            _tls_context(address),
            on_failure,
            reconnection=settings.reconnection,
        )

    @property
    def dropped(self) -> int:
        """How many messages were dropped because the broker was unavailable or too slow."""
        return self._outbox.dropped

    @property
    def written(self) -> str | None:
        """The broker, how many messages it got (retained ones aside), how many were dropped."""
        text = f"{self._name} ({self._sender.confirmed} messages)"
        if self.dropped:
            text += f"; {self.dropped} messages dropped, the broker was unavailable or too slow"
        return text

    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes a frame and returns at once; drops the oldest message if too many wait.

        Raises:
            UsageError: this sink is closed.
        """
        if self._closed:
            raise UsageError("this sink is closed")
        source = frame.source
        if self._settings.discovery and source not in self._announced:
            self._announced.add(source)
            self._announce(source, detections)
        if not self._has_model and detections.model is not None:
            self._announce_model(detections.model)
        # What a still scene holds is neither gone nor a message.
        present = present_objects(detections.present)
        changed = present != self._present.get(source, Counter())
        crossed = detections.counts is not None and detections.counts.crossings
        if changed or crossed or (len(detections) and self._settings.on == "frame"):
            self._present[source] = present
            payload = encode_event(frame_event(frame, detections))
            topic = self._topics.of(source, "detections")
            self._outbox.put(Message(topic, payload, qos=self._settings.qos))
        self._keep(
            self._topics.of(source, "counts"), encode_event(counts_event(frame, detections.present))
        )
        self._sender.wake()

    def write_status(self, event: StatusEvent) -> None:
        """Takes a change of a source's state; after `close` it does nothing."""
        if not self._closed:
            self._with_states.add(event.source)
            payload = encode_event(status_event(event))
            self._keep(self._topics.of(event.source, "state"), payload)
            self._sender.wake()

    def write_model(self, event: ModelEvent) -> None:
        """Takes a loaded or refused package; after `close` it does nothing."""
        if not self._closed:
            self._has_model = True
            self._keep(self._topics.model, encode_event(model_event(event)))
            self._sender.wake()

    def finish(self, *, hurry: bool = False) -> None:
        """Starts to send what waits, and `offline`; see `BackgroundSink`."""
        self._closed = True
        self._sender.finish(hurry=hurry)

    def close(self) -> None:
        """Waits until all is sent: at most 5 s, less in a hurry; the rest is dropped.

        If the broker is unavailable, at most 0.9 s. A second call does nothing.
        """
        self.finish()
        self._sender.wait()

    def _keep(self, topic: str, payload: bytes) -> None:
        self._outbox.keep(Message(topic, payload, retain=True))

    def _announce_model(self, model: ModelIdentity) -> None:
        """Publishes the first model of the run as loaded, unless a package was tried before."""
        digest = model.digest
        self.write_model(
            ModelEvent(
                state="loaded", model=model.name, digest=digest, running=digest, at=time.time()
            )
        )

    def _announce(self, source: str, detections: Detections) -> None:
        names = detections.class_names
        if self._settings.classes is not None:
            names = tuple(name for name in names if name in self._settings.classes)
        has_states = source in self._with_states
        self._outbox.keep(
            source_config(self._topics, source, names, detections.counts, has_states=has_states)
        )


def _tls_context(address: BrokerAddress) -> ssl.SSLContext | None:
    """Returns what verifies the broker's certificate and name; None without TLS."""
    if not address.tls:
        return None
    try:
        return ssl.create_default_context(cafile=address.cafile)
    except OSError as error:
        why = error.strerror or "no certificates in PEM form"
        raise InputError(f"certificates {Path(str(address.cafile))}: {why}") from error
