"""The output flags of MQTT, and the sink that they mean."""

import argparse
import os
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.sinks import Sink
from spotlet.sinks.sink import OnFailure

PASSWORD_VARIABLE = "SPOTLET_MQTT_PASSWORD"
"""A URL shows in the list of processes; the environment does not."""


def add_mqtt_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--mqtt` and what goes with it."""
    mqtt = parser.add_argument_group("MQTT")
    mqtt.add_argument(
        "--mqtt",
        metavar="URL",
        help="publish to mqtt[s]://[user[:password]@]host[:port]/[topic-prefix]; the password may "
        f"be in {PASSWORD_VARIABLE}",
    )
    mqtt.add_argument(
        "--mqtt-on",
        choices=("frame", "change"),
        help="a message for each frame with detections, or only when others are there [frame]",
    )
    mqtt.add_argument(
        "--mqtt-qos",
        type=int,
        choices=(0, 1),
        help="0: each is sent once; 1: until the broker confirms it [1]",
    )
    mqtt.add_argument(
        "--mqtt-discovery", action="store_true", help="Home Assistant shows it by itself"
    )
    mqtt.add_argument(
        "--mqtt-cafile",
        metavar="FILE",
        help="certificates of the authorities to trust with mqtts://, instead of the system's",
    )


def require_usable_mqtt(args: argparse.Namespace) -> None:
    """Does nothing where the flags suit each other.

    Raises:
        UsageError: one is given without `--mqtt`.
    """
    given = {
        "--mqtt-on": args.mqtt_on is not None,
        "--mqtt-qos": args.mqtt_qos is not None,
        "--mqtt-discovery": args.mqtt_discovery,
        "--mqtt-cafile": args.mqtt_cafile is not None,
    }
    for flag in (name for name, is_given in given.items() if is_given and args.mqtt is None):
        raise UsageError(f"{flag}: needs --mqtt URL")


def mqtt_sink(args: argparse.Namespace, on_failure: OnFailure) -> Sink:
    """Returns the sink of `--mqtt`, which connects by itself.

    Args:
        args: see `add_mqtt_arguments`; `classes`, where there is one, limits what is announced.
        on_failure: see `MqttSink`.

    Raises:
        InputError: the certificates cannot be read.
        UsageError: the URL is none, or paho-mqtt is not installed.
    """
    from spotlet.mqtt import MqttSettings, MqttSink, locate_broker

    classes = getattr(args, "classes", None)
    return MqttSink(
        locate_broker(
            args.mqtt,
            password=os.environ.get(PASSWORD_VARIABLE) or None,
            cafile=None if args.mqtt_cafile is None else Path(args.mqtt_cafile),
        ),
        MqttSettings(
            qos=1 if args.mqtt_qos is None else args.mqtt_qos,
            on=args.mqtt_on or "frame",
            discovery=args.mqtt_discovery,
            classes=None if classes is None else tuple(map(str.strip, classes.split(","))),
        ),
        on_failure=on_failure,
    )
