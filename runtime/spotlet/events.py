"""The events of a run: a JSON object for each frame, change of a source's state, and new model.

NDJSON, server-sent events, MQTT and Python callbacks carry the same objects. `docs/events.md`
describes them, `events.schema.json` in this folder defines them.
"""

import json
import time
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from spotlet.detections import Detections
from spotlet.streams import Frame, StatusEvent
from spotlet.streams.decoding import CPU

SCHEMA = 1
"""Increased when a reader of old events would misread new ones, not for new keys."""

Event = dict[str, Any]
"""A dict for `json.dumps`. All events except those of frames have the key `event`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent:
    """What became of a new package for a running model.

    Attributes:
        state: `loaded`: the next frames are its; `refused`: the model before stays.
        model: see `ModelIdentity.name`.
        digest: of the file that was loaded or refused; None if it could not be read.
        running: digest of the file that runs from now on.
        at: seconds since 1970 (UTC).
        reason: why it was refused; None if it was loaded.
        ms: milliseconds that a blank frame took just before the swap, in the model before and in
            this one; None if there was no swap.
    """

    state: Literal["loaded", "refused"]
    model: str
    digest: str | None
    running: str
    at: float
    reason: str | None = None
    ms: tuple[float, float] | None = None

    def __str__(self) -> str:
        which = f"model {self.model}{f' {self.digest}' if self.digest else ''}: {self.state}"
        if self.reason is not None:
            return f"{which}: {self.reason}; {self.running} stays"
        if self.ms is not None:
            before, after = self.ms
            which += f"; {after:.3g} ms a frame, {before:.3g} ms before"
        return which


def frame_event(
    frame: Frame, detections: Detections, *, now_monotonic: float | None = None
) -> Event:
    """Returns the event of a frame.

    Keys:
        schema: 1.
        source: see `Frame.source`.
        frame: number of the frame in the source, from 0.
        pts_s: presentation time, seconds from the first frame, or null.
        captured_at: when the frame was read, seconds since 1970 (UTC), to the millisecond.
        age_ms: milliseconds since then.
        dropped: frames skipped just before this one.
        epoch: increases by one with each reconnection.
        detections: best first: `class` (id), `name`, `score` in [0, 1] to 4 digits, `box`
            [x1, y1, x2, y2] in pixels of the frame to 2 digits, `track` (number or null).
        inferred: false if the frame was not inferred because nothing had moved; else left out.
        counts, crossings: only with lines or zones, see `Counts` and `Crossing`.
        model, digest: see `ModelIdentity`; only if the detections are from a `Detector`.
        tiles, inferences: see `Detections`; only with tiles.
        decoder: see `Frame.decoder`; only if it is not the CPU.

    Args:
        frame: the frame.
        detections: its detections.
        now_monotonic: the time of the event, seconds on `time.monotonic`; None is now.
    """
    now = time.monotonic() if now_monotonic is None else now_monotonic
    event: Event = {
        "schema": SCHEMA,
        "source": frame.source,
        "frame": frame.index,
        "pts_s": None if frame.pts_seconds is None else round(frame.pts_seconds, 6),
        "captured_at": round(frame.captured_at, 3),
        "age_ms": round((now - frame.captured_monotonic) * 1000, 1),
        "dropped": frame.dropped,
        "epoch": frame.epoch,
        "detections": detections_json(detections),
    }
    if detections.held is not None:
        event["inferred"] = False
    if detections.counts is not None:
        event["counts"] = detections.counts.to_json()
        event["crossings"] = [each.to_json() for each in detections.counts.crossings]
    if detections.tiles is not None:
        event |= {"tiles": detections.tiles, "inferences": detections.inferences}
    if frame.decoder not in (None, CPU):
        event["decoder"] = frame.decoder
    return event | identity_json(detections)


def identity_json(detections: Detections) -> Event:
    """Returns the keys `model` and `digest` of an event; none if the model is unknown."""
    if detections.model is None:
        return {}
    return {"model": detections.model.name, "digest": detections.model.digest}


def detections_json(detections: Detections) -> list[Event]:
    """Returns the value of the key `detections` in a frame's event."""
    return [
        {
            "class": found.class_id,
            "name": found.name,
            "score": round(found.score, 4),
            "box": [round(side, 2) for side in found.box_xyxy],
            "track": found.track_id,
        }
        for found in detections
    ]


def status_event(status: StatusEvent) -> Event:
    """Returns the event of a change of state; its key `event` is `status`."""
    event = {
        "schema": SCHEMA,
        "event": "status",
        "source": status.source,
        "state": status.state,
        "epoch": status.epoch,
        "at": round(status.at, 3),
        "reason": status.reason,
        "retry_s": None if status.retry_seconds is None else round(status.retry_seconds, 3),
    }
    return event if status.decoder is None else event | {"decoder": status.decoder}


def model_event(event: ModelEvent) -> Event:
    """Returns the event of a new package; its key `event` is `model`."""
    return {
        "schema": SCHEMA,
        "event": "model",
        "state": event.state,
        "model": event.model,
        "digest": event.digest,
        "running": event.running,
        "at": round(event.at, 3),
        "reason": event.reason,
    }


def encode_event(event: Event) -> bytes:
    """Returns the event as one line of JSON, without a line end.

    Pure ASCII: a file name that is not valid Unicode must not stop the run.
    """
    return json.dumps(event, separators=(",", ":")).encode("ascii")


def event_json_schema() -> dict[str, Any]:
    """Returns the JSON schema (draft 2020-12) of all events."""
    text = resources.files("spotlet").joinpath("events.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
