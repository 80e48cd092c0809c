"""Measures a camera's faults: how long it is away, and how they affect its neighbour.

    PYTHONPATH=tests python benchmarks/faults.py [--stall-seconds 4] [--faulty-seconds 6]

One process watches two cameras on loopback, at 30 frames a second each. One is broken for a while,
then repaired.

- `reported as`: its changes of state from the fault to the repair;
- `back after`: from the repair to its next frame;
- `limit`: the longest that the rules allow: an attempt that has just started and fails, the
  longest announced wait, and an opening;
- `neighbour`: the share of the other camera's frames that arrived meanwhile.

Exit code 1 if a limit is exceeded or the neighbour lost a tenth of its frames. RTSP needs the
Debian packages python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-base, -good, -ugly.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from servers.mjpeg import Fault, MjpegServer
from servers.rtsp import RtspServer
from servers.viewer import Viewer

from spotlet.streams import Reconnection
from spotlet.streams.connection import SETTLE_SECONDS
from spotlet.text.terminal import table

OPENING_SECONDS = 1.5
"""Time that FFmpeg may take to probe a stream on loopback."""

HTTP_FAULTS: tuple[Fault, ...] = ("refuse", "mute", "die", "stall", "garbage", "half")

Action = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """The effect of one fault; see above."""

    fault: str
    states: str
    back_seconds: float
    limit_seconds: float
    neighbour_share: float

    @property
    def kept(self) -> bool:
        """Whether every limit was kept."""
        return self.back_seconds <= self.limit_seconds and self.neighbour_share >= 0.9


def main() -> int:
    """Prints a row for each fault; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stall-seconds", type=float, default=4.0)
    parser.add_argument("--faulty-seconds", type=float, default=6.0)
    args = parser.parse_args()
    rules = Reconnection(stall_seconds=args.stall_seconds, open_seconds=args.stall_seconds)
    rows = []
    for fault, url, hurt, heal in _faults():
        print(f"{fault} ...", file=sys.stderr)
        rows.append(_measure(fault, url, hurt, heal, rules, args.faulty_seconds))
    cells = [
        [
            row.fault,
            row.states,
            f"{row.back_seconds:.2f} s",
            f"{row.limit_seconds:.2f} s",
            f"{row.neighbour_share:.1%}",
            "" if row.kept else "EXCEEDED",
        ]
        for row in rows
    ]
    header = ("fault", "reported as", "back after", "limit", "neighbour", "")
    print(table(cells, header))
    return 0 if all(row.kept for row in rows) else 1


def _faults() -> Iterator[tuple[str, str, Action, Action]]:
    """Yields each fault's name, its camera's URL, and the calls that start and end it."""
    yield from _http("http: none", lambda _: None)
    for fault in HTTP_FAULTS:
        yield from _http(f"http: {fault}", partial(_set_fault, fault))
    yield from _http("http: another size", lambda camera: setattr(camera, "size_hw", (144, 192)))
    yield from _http("http: 1 frame in 3 s", lambda camera: setattr(camera, "fps", 1 / 3))
    yield from _http("http: 200 frames/s", lambda camera: setattr(camera, "fps", 200.0))
    try:
        with RtspServer() as camera:
            yield (
                "rtsp: stall",
                camera.url,
                lambda: camera.tell("pause"),
                lambda: camera.tell("resume"),
            )
            yield "rtsp: end", camera.url, lambda: camera.tell("end"), lambda: None
            larger = partial(camera.revive, width=640, height=352)
            yield "rtsp: power cut, another size", camera.url, camera.kill, larger
    except pytest.skip.Exception as skipped:
        print(f"no RTSP: {skipped}", file=sys.stderr)


def _http(
    name: str, hurt: Callable[[MjpegServer], object]
) -> Iterator[tuple[str, str, Action, Action]]:
    def heal() -> None:
        camera.fault, camera.fps = None, 30.0

    with MjpegServer(fps=30) as camera:
        yield name, camera.url, partial(hurt, camera), heal


def _set_fault(fault: Fault, camera: MjpegServer) -> None:
    camera.fault = fault


def _measure(
    fault: str, url: str, hurt: Action, heal: Action, rules: Reconnection, faulty_seconds: float
) -> Row:
    with MjpegServer(fps=30) as well, Viewer([url, well.url], reconnection=rules) as viewer:
        name, well_name = viewer.names
        viewer.wait(lambda: all(len(viewer.frames[each]) > 10 for each in viewer.names))
        events, sent, seen = len(viewer.events), len(well.sent), len(viewer.frames[well_name])
        hurt()
        time.sleep(faulty_seconds)
        heal()
        healed = time.monotonic()
        counts = Counter(event.state for _, event in viewer.events[events:])
        back_seconds = viewer.wait_for_frames(name, 1) - healed
        viewer.wait_for_frames(name, 5)
        share = (len(viewer.frames[well_name]) - seen) / (len(well.sent) - sent)
        waits = [event.retry_seconds or 0.0 for _, event in viewer.events]
    return Row(
        fault=fault,
        states=", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing",
        back_seconds=back_seconds,
        limit_seconds=rules.open_seconds + max(waits) + OPENING_SECONDS + SETTLE_SECONDS,
        neighbour_share=share,
    )


if __name__ == "__main__":
    sys.exit(main())
