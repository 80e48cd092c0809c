"""Measures a broker's outage: messages, memory, and the detector's time.

    python benchmarks/mqtt_outage.py [--away 20] [--fps 25] [--waiting 1000] [--qos 1]

Frames are published at a steady rate to a mosquitto, which is killed and started again; a second
client, with a persistent session, counts the messages that arrive. Exit code 1 if messages do not
resume, if those that arrived and those reported as lost do not add up, or if the queue exceeded its
limit.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from live_frames import found, live_frame
from servers.mosquitto import Listener, Mosquitto

from spotlet.mqtt import MqttSettings, MqttSink

BEFORE_SECONDS, AFTER_SECONDS = 5.0, 15.0


def main() -> int:
    """Measures, prints, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--away", type=float, default=20.0, help="seconds")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--waiting", type=int, default=1000, help="limit of the queue, messages")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return _measure(args, Mosquitto(Path(folder), remembers=True))


def _measure(args: argparse.Namespace, broker: Mosquitto) -> int:
    settings = MqttSettings(qos=args.qos, waiting_messages=args.waiting)
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:6.2f} s  {line}")

    detections = found(0, 1, 2)
    writes: list[float] = []
    most_waiting = written = 0
    with (
        broker,
        Listener(broker.port, name="listener") as listener,
        MqttSink(f"mqtt://127.0.0.1:{broker.port}/outage", settings, on_failure=tell) as sink,
    ):

        def outage() -> None:
            time.sleep(BEFORE_SECONDS)
            broker.stop()
            tell("(the broker is stopped)")
            time.sleep(args.away)
            broker.start()
            tell("(the broker is started)")

        threading.Thread(target=outage).start()
        for number in range(round((BEFORE_SECONDS + args.away + AFTER_SECONDS) * args.fps)):
            time.sleep(max(0.0, began + number / args.fps - time.monotonic()))
            start = time.perf_counter()
            sink.write(live_frame(number), detections)
            writes.append(time.perf_counter() - start)
            most_waiting = max(most_waiting, len(sink._outbox._waiting))
            written += 1
        sink.close()
        time.sleep(1)
    numbers = [heard.content["frame"] for heard in listener.of("/detections")]
    arrived = len(set(numbers))
    late = np.percentile(np.array(writes) * 1000, [50, 99, 100])
    print(
        f"{written} messages written, {arrived} arrived, {len(numbers) - arrived} of them twice, "
        f"{sink.dropped} reported as dropped; at most {most_waiting} waited"
    )
    print("time of a write: median {:.2f}, 99 % {:.2f}, most {:.2f} ms".format(*late))
    resumed = bool(numbers) and numbers[-1] == written - 1
    # With quality of service 0 messages in transit when the broker died are lost uncounted.
    adds_up = arrived + sink.dropped == written or args.qos == 0
    return 0 if resumed and adds_up and most_waiting <= args.waiting else 1


if __name__ == "__main__":
    sys.exit(main())
