import http.server
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from live_frames import numbered_image
from patience import PATIENCE_SECONDS
from servers.over_http import serve

PROCESSES = 6
FPS = 40

PROGRAM = """
import sys
from spotlet.streams import open_stream
frames = iter(open_stream(sys.argv[1], mode="live"))
for _ in range(5):
    next(frames)
"""


@pytest.fixture
def live_url(tmp_path: Path) -> Iterator[str]:
    """A stream of MPEG-4 that takes 30 s."""
    path = tmp_path / "clip.ts"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), FPS, (192, 96)
    )
    for number in range(30 * FPS):
        writer.write(numbered_image(number % 60, (96, 192)))
    writer.release()
    content = path.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            piece = len(content) // (30 * FPS)
            try:
                for place in range(0, len(content), piece):
                    self.wfile.write(content[place : place + piece])
                    time.sleep(1 / FPS if place > len(content) // 4 else 0)
            except OSError:  # the reader is gone
                pass

        def log_message(self, *_: object) -> None:
            pass

    with serve(Handler) as url:
        yield f"{url}/clip.ts"


def test_a_process_that_leaves_a_live_stream_open_ends_cleanly(live_url: str) -> None:
    for _ in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, live_url],
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert (done.returncode, b"terminate" in done.stderr) == (0, False)
