"""Counts what crosses a line in front of cameras, and tells an MQTT broker.

pip install "spotlet[mqtt]"
python device_app.py garments rtsp://10.0.0.7/door --mqtt mqtt://me@broker/yard
"""

import argparse
import contextlib
import os
import signal
import sys
from collections import defaultdict

from spotlet import Detector, SpotletError, Tracker
from spotlet.counting import CountingRules, ObjectCounter, parse_line
from spotlet.mqtt import MqttSettings, MqttSink, locate_broker
from spotlet.streams import SourceClock, open_streams


def main() -> None:
    """Runs until Ctrl-C or SIGTERM; cameras and broker may come and go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("cameras", nargs="+")
    parser.add_argument("--line", type=parse_line, default="middle=0.5,0,0.5,1")
    parser.add_argument("--mqtt", required=True, metavar="URL")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    detector = Detector(args.model)
    broker = locate_broker(args.mqtt, password=os.environ.get("SPOTLET_MQTT_PASSWORD"))
    rules = CountingRules(lines=(args.line,))
    # Of each camera by itself: its time, who is who, and what was counted so far.
    known = defaultdict[str, tuple[SourceClock, Tracker, ObjectCounter]](
        lambda: (SourceClock(), Tracker(), ObjectCounter(rules))
    )
    with (
        contextlib.suppress(KeyboardInterrupt),
        MqttSink(broker, MqttSettings(on="change", discovery=True), on_failure=print) as sink,
        open_streams(args.cameras, mode="live", on_status=sink.write_status) as group,
    ):
        for stream, frame in group:
            clock, tracker, counter = known[stream.source]
            now = clock.seconds(frame)
            found = tracker.update(detector(frame.image), now, frame.epoch, frame.size_hw)
            found = counter.update(found, frame.size_hw, now)
            for crossing in found.counts.crossings if found.counts else ():
                print(f"{stream.source}: {crossing.name} {crossing.track_id} {crossing.direction}")
            sink.write(frame, found)


if __name__ == "__main__":
    try:
        main()
    except SpotletError as error:
        sys.exit(f"device_app: {error}")
