"""An RTSP camera of numbered pictures: a script for the system's python, which has GStreamer.

It prints its port, or what is missing; then it obeys standard input: `pause`, `resume` and `end`,
which is the end of the stream.
"""

import argparse
import sys
import threading
import time
from typing import Any

BITS = 16  # as in `numbered.py`, whose libraries this python may lack
BLACK, WHITE, GREY = b"\x10", b"\xeb", b"\x80"
LAUNCH = (
    "( appsrc name=source is-live=true do-timestamp=true format=time "
    "caps=video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 "
    "! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
ELEMENTS = {
    "appsrc": "gstreamer1.0-plugins-base",
    "rtph264pay": "gstreamer1.0-plugins-good",
    "x264enc": "gstreamer1.0-plugins-ugly",
}


def give_up(packages: str) -> None:
    """Exits, naming what is missing."""
    sys.stdout.write(f"missing: {packages}\n")
    raise SystemExit


try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError):
    give_up("python3-gi gir1.2-gst-rtsp-server-1.0")


def i420_picture(number: int, width: int, height: int) -> bytes:
    """Returns the picture that `read_number` reads; the width is a multiple of `BITS`."""
    bits = [number >> place & 1 for place in range(BITS)]
    above = b"".join((WHITE if bit else BLACK) * (width // BITS) for bit in bits)
    below = b"".join((BLACK if bit else WHITE) * (width // BITS) for bit in bits)
    luma = above * (height // 2) + below * (height // 2)
    return luma + GREY * (width * height // 2)


class Camera:
    """Serves each client its own stream, at `/door`."""

    def __init__(self, port: int, width: int, height: int, fps: int) -> None:
        self.width, self.height, self.fps = width, height, fps
        self.paused = False
        self.sources: list[Any] = []
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH.format(width=width, height=height, fps=fps))
        factory.connect("media-configure", self._take_source)
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(port))
        self.server.get_mount_points().add_factory("/door", factory)
        self.server.attach(None)

    def feed(self) -> None:
        """Sends pictures until the process ends."""
        number, due = 0, time.monotonic()
        while True:
            due += 1 / self.fps
            time.sleep(max(due - time.monotonic(), 0))
            if self.sources and not self.paused:
                number += 1
                content = i420_picture(number, self.width, self.height)
                for source in list(self.sources):
                    source.emit("push-buffer", Gst.Buffer.new_wrapped(content))

    def obey(self) -> None:
        """Follows the commands on standard input."""
        for line in sys.stdin:
            self.paused = line.strip() == "pause"
            if line.strip() == "end":
                for source in list(self.sources):
                    source.emit("end-of-stream")

    def _take_source(self, _: object, media: Any) -> None:
        source = media.get_element().get_child_by_name("source")
        self.sources.append(source)
        media.connect("unprepared", lambda _: self.sources.remove(source))


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--fps", type=int, default=30)
    args = parser.parse_args()
    Gst.init(None)
    for element, package in ELEMENTS.items():
        if Gst.ElementFactory.find(element) is None:
            give_up(package)
    camera = Camera(args.port, args.width, args.height, args.fps)
    threading.Thread(target=camera.feed, daemon=True).start()
    threading.Thread(target=camera.obey, daemon=True).start()
    sys.stdout.write(f"{camera.server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
