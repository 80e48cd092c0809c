"""Counts what crosses a line in front of cameras, and tells an MQTT broker.

pip install "spotlet[mqtt]"
python device_app.py everyday rtsp://10.0.0.7/door --mqtt mqtt://me@broker/yard
"""

import argparse
import os
import signal
import sys
import threading

from spotlet import Detections, Frame, SpotletError
from spotlet.counting import CountingRules, parse_line
from spotlet.mqtt import MqttSettings, locate_broker
from spotlet.running import RunCallbacks, RunSettings, run


def print_crossings(frame: Frame, found: Detections) -> None:
    """Prints a line for each object that has just crossed the line."""
    for crossing in found.counts.crossings if found.counts else ():
        print(f"{frame.source}: {crossing.name} {crossing.track_id} {crossing.direction}")


def main() -> None:
    """Runs until Ctrl-C or SIGTERM; cameras and broker may come and go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("cameras", nargs="+")
    parser.add_argument("--line", type=parse_line, default="middle=0.5,0,0.5,1")
    parser.add_argument("--mqtt", required=True, metavar="URL")
    args = parser.parse_args()
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    settings = RunSettings(
        model=args.model,
        sources=args.cameras,
        mode="live",
        counting=CountingRules(lines=(args.line,)),
        mqtt=locate_broker(args.mqtt, password=os.environ.get("SPOTLET_MQTT_PASSWORD")),
        mqtt_settings=MqttSettings(on="change", discovery=True),
    )
    print(run(settings, RunCallbacks(on_frame=print_crossings, on_notice=print), stop=stop))


if __name__ == "__main__":
    try:
        main()
    except SpotletError as error:
        sys.exit(f"device_app: {error}")
