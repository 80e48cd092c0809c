"""Drives the browser example's page in a headless Chromium, by a page around it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import cv2
from benchmarks.hosts.found import HostAbsentError, HostFailedError, Row

from spotlet.letterbox import ImageArray

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
DRIVER = Path(__file__).with_name("driver.html")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
ANSWER_SECONDS = 120


def find_chromium() -> str:
    """Returns the browser's path.

    Raises:
        HostAbsentError: there is none, or onnxruntime-web is not installed in the example.
    """
    if not (EXAMPLE / "node_modules" / "onnxruntime-web").is_dir():
        raise HostAbsentError("no onnxruntime-web: run `npm ci` in examples/browser")
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        raise HostAbsentError("no chromium: install Debian's package chromium")
    return found


def detect(model: Path, images: Mapping[str, ImageArray]) -> dict[str, list[Row]]:
    """Returns the page's detections in each picture, which it gets as a PNG.

    Raises:
        HostAbsentError: a part is missing.
        HostFailedError: the page reports a failure, shows another number of rows than it
            found, or does not answer.
    """
    chromium = find_chromium()
    answers: Queue[dict[str, Any]] = Queue()
    pngs = {name: cv2.imencode(".png", image)[1].tobytes() for name, image in images.items()}
    handler = partial(_Handler, model=model.read_bytes(), pictures=pngs, answers=answers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        answer = _visit(chromium, f"http://127.0.0.1:{server.server_port}/driver", answers)
    finally:
        server.shutdown()
        server.server_close()
    if "failed" in answer:
        raise HostFailedError(f"the page says: {answer['failed']}")
    for name, shown in answer["found"].items():
        if shown["rows"] != len(shown["detections"]):
            raise HostFailedError(f"{name}: the page's table has {shown['rows']} rows")
    return {
        name: [(item["classId"], item["score"], item["box"]) for item in shown["detections"]]
        for name, shown in answer["found"].items()
    }


def _visit(chromium: str, url: str, answers: "Queue[dict[str, Any]]") -> dict[str, Any]:
    """Returns what the page posts; then ends the browser."""
    # As root in a container there is no sandbox; the page is our own.
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [chromium, *flags, f"--user-data-dir={profile}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return answers.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise HostFailedError(f"no answer within {ANSWER_SECONDS} s") from None
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()


class _Handler(SimpleHTTPRequestHandler):
    """Serves the example with this model and these pictures, and receives the answer."""

    def __init__(
        self,
        *args: Any,
        model: bytes,
        pictures: Mapping[str, bytes],
        answers: "Queue[dict[str, Any]]",
    ) -> None:
        self.made = {
            "/driver": ("text/html", DRIVER.read_bytes()),
            "/model.end2end.onnx": ("application/octet-stream", model),
            "/pictures": ("application/json", json.dumps(list(pictures)).encode()),
            **{f"/pictures/{name}": ("image/png", png) for name, png in pictures.items()},
        }
        self.answers = answers
        super().__init__(*args, directory=str(EXAMPLE))

    def do_GET(self) -> None:
        if self.path not in self.made:
            super().do_GET()
            return
        kind, content = self.made[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.answers.put(json.loads(body))

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
