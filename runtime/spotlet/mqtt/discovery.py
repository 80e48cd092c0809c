"""MQTT discovery: Home Assistant shows a run's sources without configuration.

Source: Home Assistant's documentation, "MQTT", device discovery: one retained message a device
under `homeassistant/device/<object id>/config`, with `device`, `origin` and `components`.
"""

import hashlib
import importlib.metadata
import json
import re
from typing import Any

from spotlet.counts import Counts
from spotlet.events import encode_event
from spotlet.mqtt.messages import Message, Topics

DISCOVERY_PREFIX = "homeassistant"

MOST_CLASSES = 20
"""With more classes than this, only the total is a sensor; its attributes have them all."""

Components = dict[str, dict[str, Any]]


def run_config(topics: Topics) -> Message:
    """Returns the announcement of the run itself: whether it is connected, and its model."""
    payloads = {"payload_on": "online", "payload_off": "offline"}
    components: Components = {
        "connection": _connectivity("Connection", topics.status) | payloads,
        "model": {
            "platform": "sensor",
            "name": "Model",
            "entity_category": "diagnostic",
            "icon": "mdi:cube-scan",
            "state_topic": topics.model,
            "value_template": "{{ value_json.model }} {{ value_json.running }}",
            "json_attributes_topic": topics.model,
        },
    }
    return _config(_object_id(topics.prefix), f"Spotlet {topics.prefix}", components, {}, {})


def source_config(
    topics: Topics,
    source: str,
    class_names: tuple[str, ...],
    counts: Counts | None,
    *,
    has_states: bool,
) -> Message:
    """Returns the announcement of a source: its numbers of objects, and its connection.

    Args:
        topics: of the run.
        source: its name.
        class_names: one sensor each, unless there are more than `MOST_CLASSES`.
        counts: lines and zones, which have sensors too; None if there are none.
        has_states: whether it reports its state, as a camera does and a file does not.
    """
    counted = topics.of(source, "counts")
    total = _sensor("Objects", counted, "value_json.total")
    components: Components = {"objects": total | {"json_attributes_topic": counted}}
    if has_states:
        template = {"value_template": "{{ 'ON' if value_json.state == 'live' else 'OFF' }}"}
        camera = _connectivity("Camera", topics.of(source, "state"))
        components["connection"] = camera | template
    for name in class_names if len(class_names) <= MOST_CLASSES else ():
        value = f"value_json.objects[{_quoted(name)}] | default(0)"
        components[_key("class", name, components)] = _sensor(name, counted, value)
    for line in counts.lines if counts is not None else ():
        for way in ("in", "out"):
            value = f"value_json.lines[{_quoted(line.name)}].{way}.values() | sum"
            sensor = _sensor(f"{line.name} {way}", counted, value, "total_increasing")
            components[_key("line", f"{line.name} {way}", components)] = sensor
    for zone in counts.zones if counts is not None else ():
        value = f"value_json.zones[{_quoted(zone.name)}].inside.values() | sum"
        components[_key("zone", zone.name, components)] = _sensor(zone.name, counted, value)
    slug = topics.slug(source)
    return _config(
        _object_id(f"{topics.prefix}/{slug}"),
        f"Spotlet {slug}",
        components,
        {"via_device": _object_id(topics.prefix)},
        {"availability_topic": topics.status},
    )


def _connectivity(name: str, topic: str) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "name": name,
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": topic,
    }


def _sensor(name: str, topic: str, value: str, kind: str = "measurement") -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": f"{{{{ {value} }}}}",
        "state_class": kind,
        "icon": "mdi:counter",
    }


def _config(
    own_id: str,
    name: str,
    components: Components,
    device: dict[str, Any],
    shared: dict[str, Any],
) -> Message:
    version = importlib.metadata.version("spotlet")
    for key, component in components.items():
        component["unique_id"] = f"{own_id}_{key}"
    content = {
        "device": {
            "identifiers": [own_id],
            "name": name,
            "manufacturer": "Spotlet",
            "sw_version": version,
            **device,
        },
        "origin": {"name": "spotlet", "sw_version": version},
        "components": components,
        **shared,
    }
    return Message(f"{DISCOVERY_PREFIX}/device/{own_id}/config", encode_event(content), retain=True)


def _object_id(text: str) -> str:
    """Returns an id of letters, digits and `_`, as required; the digest makes it unique."""
    digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"spotlet_{re.sub(r'[^a-z0-9]+', '_', text.lower())[:60].strip('_')}_{digest}"


def _key(kind: str, name: str, taken: Components) -> str:
    wanted = unique = f"{kind}_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}"
    number = 1
    while unique in taken:
        number += 1
        unique = f"{wanted}_{number}"
    return unique


def _quoted(name: str) -> str:
    """Returns the name as a string in a Jinja template."""
    return json.dumps(name, ensure_ascii=False)
