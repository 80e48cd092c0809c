"""The programs in `examples/`, as a reader would run them."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jsonschema
import numpy as np
import pytest
from patience import PATIENCE_SECONDS
from servers.mosquitto import MOSQUITTO, Listener, Mosquitto, free_port

from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_LINES = 60


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_listed(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < MOST_LINES
    assert f"({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_the_programs_in_the_documentation_pass_mypy_strict(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    root = EXAMPLES.parent
    for page in (root / "README.md", *(root / "docs").glob("*.md")):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        for number, block in enumerate(blocks):
            (tmp_path / f"{page.stem}_{number}.py").write_text(block, "utf-8")
    assert (tmp_path / "README_0.py").exists()
    # As a user runs it: nothing of this repository's settings, in a folder of their own.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    cache = getattr(request.config, "cache", None)  # not there with `-p no:cacheprovider`
    command += ["--cache-dir", str(tmp_path / ".mypy" if cache is None else cache.mkdir("mypy"))]
    command.append(".")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_the_quickstart_draws_a_picture_and_a_video(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., list[ImageArray]]
) -> None:
    picture = EXAMPLES.parent / "docs" / "person.jpg"
    clip = write_clip(tmp_path / "clip.avi", moving_square(5))
    done = subprocess.run(
        [sys.executable, EXAMPLES / "quickstart.py", picture, clip],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "person 0." in done.stdout
    drawn = cv2.imread(str(tmp_path / "annotated.png"))
    plain = cv2.imread(str(picture))
    assert drawn is not None
    assert plain is not None
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()
    lines = (tmp_path / "detections.ndjson").read_text("utf-8").splitlines()
    assert [json.loads(line)["frame"] for line in lines] == list(range(5))
    assert (tmp_path / "annotated.mp4").stat().st_size > 0


def test_the_device_app_counts_and_tells_a_broker(
    squares_model: Path,
    tmp_path: Path,
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
) -> None:
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: spotlet[mqtt]")
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    clip = write_clip(tmp_path / "door.avi", moving_square(200))
    with Mosquitto(tmp_path) as broker, Listener(broker.port) as listener:
        url = f"mqtt://127.0.0.1:{broker.port}/yard"
        process = subprocess.Popen(
            [sys.executable, "-u", EXAMPLES / "device_app.py", squares_model, clip, "--mqtt", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def told() -> list[Any]:
            return listener.of("/detections")

        try:
            listener.wait(lambda: any(each.content["crossings"] for each in told()))
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
        listener.wait(lambda: listener.of("yard/status")[-1].payload == b"offline")
    assert process.returncode == 0, err
    assert f"{clip}: red 1 " in out
    for each in told():
        jsonschema.validate(each.content, event_json_schema())
    assert listener.of("door/counts")[-1].content["lines"]["middle"] != {"in": {}, "out": {}}


class Answer(NamedTuple):
    status: int
    content: Any


class Service:
    """The service as its own process; `with` starts it."""

    def __init__(self, model: Path) -> None:
        self._port = free_port()
        words = ["--port", str(self._port), "--log-level", "warning"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "fastapi_service:app", *words],
            cwd=EXAMPLES,
            env=os.environ | {"SPOTLET_MODEL": str(model)},
        )

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                assert self.ask("GET", "/healthz").status == 200
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def ask(self, method: str, path: str, content: Any = None, kind: str = "image/png") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, content, {"Content-Type": kind})
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        finally:
            connection.close()


@pytest.fixture
def service(squares_model: Path) -> Iterator[Service]:
    for name in ("fastapi", "uvicorn"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    running = Service(squares_model)
    try:
        running.wait()
        yield running
    finally:
        running.process.terminate()
        running.process.wait(PATIENCE_SECONDS)


def test_the_service_answers_with_what_is_in_a_picture_and_refuses_the_rest(
    service: Service, draw_squares: Callable[..., ImageArray]
) -> None:
    picture = draw_squares((240, 320), red=(20, 80, 80, 140))
    content = cv2.imencode(".png", picture)[1].tobytes()
    health = {"status": "ok", "model": "squares", "classes": ["blue", "green", "red"]}
    assert service.ask("GET", "/healthz").content == health
    answer = service.ask("POST", "/detect", content)
    assert answer.status == 200
    assert (answer.content["width"], answer.content["height"]) == (320, 240)
    (found,) = answer.content["detections"]
    assert (found["name"], found["class"]) == ("red", 2)
    assert np.abs(np.array(found["box"]) - [20, 80, 80, 140]).max() <= 2
    for wrong in (b"", b"no picture"):
        assert service.ask("POST", "/detect", wrong).status == 400
    bomb = cv2.imencode(".png", np.zeros((9000, 9000), np.uint8))[1].tobytes()
    assert len(bomb) < 1_000_000
    assert service.ask("POST", "/detect", bomb).status == 400
    assert service.ask("POST", "/detect", content, "text/plain").status == 415
    # It may answer before all is sent, and without a Content-Length it counts for itself.
    assert service.ask("POST", "/detect", bytes(10_000_001)).status == 413
    parts = (bytes(100_001) for _ in range(100))
    assert service.ask("POST", "/detect", parts).status == 413
    assert service.ask("POST", "/detect", content).status == 200
