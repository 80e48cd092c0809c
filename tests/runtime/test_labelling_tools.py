"""The examples for CVAT and Label Studio, with the tools' own packages and stand-in servers."""

import hashlib
import http.client
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from image_bytes import with_orientation
from patience import PATIENCE_SECONDS
from servers.cvat import FIRST_LABEL_ID, TASK, StandInCvat
from servers.mosquitto import free_port
from servers.over_http import serve

from spotlet import Detector
from spotlet.letterbox import ImageArray

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = "key-of-a-test"
QUARTER_TURN = 6
"""EXIF: the picture is stored turned to the left, so that it is to be turned to the right."""


@pytest.fixture(scope="module")
def pictures(draw_squares: Callable[..., ImageArray]) -> dict[str, tuple[bytes, ImageArray]]:
    """Files of pictures, and what they show: one of two squares, one to be turned, one empty."""
    two = draw_squares((240, 320), red=(20, 80, 80, 140), blue=(200, 20, 260, 80))
    turned = draw_squares((320, 240), green=(150, 30, 210, 90))
    none = draw_squares((240, 320))
    stored = np.ascontiguousarray(np.rot90(turned))
    return {
        "two.png": (cv2.imencode(".png", two)[1].tobytes(), two),
        "turned.jpg": (with_orientation(stored, ".jpg", QUARTER_TURN), turned),
        "none.png": (cv2.imencode(".png", none)[1].tobytes(), none),
    }


def annotate(cvat: StandInCvat, model: Path, home: Path, *words: str) -> tuple[int, str]:
    if importlib.util.find_spec("cvat_cli") is None:
        pytest.skip("cvat-cli is not installed")
    command = [sys.executable, "-m", "cvat_cli", "--server-host", "http://127.0.0.1"]
    command += ["--server-port", str(cvat.port), "task", "auto-annotate", str(TASK)]
    command += ["--function-file", str(EXAMPLES / "cvat" / "spotlet_cvat.py")]
    done = subprocess.run(
        [*command, "-p", f"model=str:{model}", *words],
        env=os.environ | {"CVAT_ACCESS_TOKEN": KEY, "HOME": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert not cvat.unknown
    return done.returncode, done.stderr


def test_cvat_gets_the_boxes_of_every_picture_of_a_task(
    squares_model: Path, tmp_path: Path, pictures: dict[str, tuple[bytes, ImageArray]]
) -> None:
    files = {name: content for name, (content, _) in pictures.items()}
    labels = ("red", "blue", "green", "another")
    with StandInCvat(files, labels, KEY) as cvat:
        code, printed = annotate(cvat, squares_model, tmp_path)
    assert code == 0, printed
    ((action, content),) = cvat.uploads
    assert action == "create"
    detector = Detector(squares_model)
    wanted = [
        (frame, labels.index(one.name) + FIRST_LABEL_ID, one.score, one.box_xyxy)
        for frame, (_, image) in enumerate(pictures.values())
        for one in detector(image)
    ]
    assert len(wanted) == 3
    assert len(content["shapes"]) == len(wanted)
    for shape, (frame, label, score, box) in zip(content["shapes"], wanted, strict=True):
        assert (shape["type"], shape["source"]) == ("rectangle", "auto")
        assert (shape["frame"], shape["label_id"]) == (frame, label)
        assert shape["score"] == pytest.approx(score, abs=0.02)
        np.testing.assert_allclose(shape["points"], box, atol=1)


def test_cvat_is_left_alone_if_a_class_is_no_label_unless_that_is_allowed(
    squares_model: Path, tmp_path: Path, pictures: dict[str, tuple[bytes, ImageArray]]
) -> None:
    with StandInCvat({"two.png": pictures["two.png"][0]}, ("red",), KEY) as cvat:
        code, printed = annotate(cvat, squares_model, tmp_path)
        assert code != 0
        assert "'blue' is not in dataset" in printed
        assert not cvat.uploads
        code, _ = annotate(cvat, squares_model, tmp_path, "--allow-unmatched-labels")
        assert code == 0
        ((_, content),) = cvat.uploads
        assert [shape["label_id"] for shape in content["shapes"]] == [FIRST_LABEL_ID]


def test_cvat_asks_for_stronger_boxes(
    squares_model: Path, tmp_path: Path, pictures: dict[str, tuple[bytes, ImageArray]]
) -> None:
    content, image = pictures["two.png"]
    best = max(one.score for one in Detector(squares_model)(image))
    above = (best + 1) / 2
    with StandInCvat({"two.png": content}, ("red", "blue", "green"), KEY) as cvat:
        assert annotate(cvat, squares_model, tmp_path, "--conf-threshold", str(above))[0] == 0
        assert cvat.uploads[0][1]["shapes"] == []


CONFIG = """<View>
  <Header value="Parts"/>
  <Image name="photo" value="$picture"/>
  <Choices name="light" toName="photo"><Choice value="day"/></Choices>
  <RectangleLabels name="part" toName="photo">
    <Label value="red"/><Label value="green" background="#0f0"/>
  </RectangleLabels>
</View>"""


class Backend:
    """The ML backend as its own process; `with` starts it."""

    def __init__(self, model: Path, label_studio: str) -> None:
        self._port = free_port()
        words = ["--port", str(self._port), "--log-level", "warning"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "spotlet_backend:app", *words],
            cwd=EXAMPLES / "label_studio",
            env=os.environ
            | {
                "SPOTLET_MODEL": str(model),
                "LABEL_STUDIO_URL": label_studio,
                "LABEL_STUDIO_API_KEY": KEY,
            },
        )

    def __enter__(self) -> "Backend":
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                assert self.ask("GET", "/health") == (
                    200,
                    {"status": "UP", "model_class": "Spotlet"},
                )
            except ConnectionRefusedError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def predict(self, *places: str, config: str = CONFIG) -> tuple[int, Any]:
        """Asks as Label Studio does."""
        tasks = [{"id": at, "data": {"picture": place}} for at, place in enumerate(places, 1)]
        request = {
            "tasks": tasks,
            "project": "7.1700000000",
            "label_config": config,
            "params": {"login": None, "password": None, "context": None},
        }
        return self.ask("POST", "/predict", request)


@pytest.fixture(scope="module")
def label_studio(
    pictures: dict[str, tuple[bytes, ImageArray]],
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serves the pictures to those who have the key, one also by a redirect; notes who asks."""
    asked: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.headers.get("Authorization", "")
            asked.append((self.path, key))
            name = self.path.rpartition("/")[2]
            if self.path == "/resolve":
                self.send_response(302)
                self.send_header("Location", "/public/two.png")
            elif name in pictures and (key == f"Token {KEY}" or "/public/" in self.path):
                self.send_response(200)
            else:
                self.send_response(404)
            self.end_headers()
            if self.path != "/resolve" and name in pictures:
                self.wfile.write(pictures[name][0])

        def log_message(self, *_: object) -> None:
            pass

    with serve(Handler) as url:
        yield url, asked


@pytest.fixture(scope="module")
def backend(
    squares_model: Path, label_studio: tuple[str, list[tuple[str, str]]]
) -> Iterator[Backend]:
    for name in ("starlette", "uvicorn"):
        pytest.importorskip(name, reason=f"{name} is not installed: spotlet[serve]")
    with Backend(squares_model, label_studio[0]) as running:
        yield running


def in_pixels(row: dict[str, Any]) -> list[float]:
    value, width, height = row["value"], row["original_width"], row["original_height"]
    left, top = value["x"] * width / 100, value["y"] * height / 100
    right, bottom = left + value["width"] * width / 100, top + value["height"] * height / 100
    return [left, top, right, bottom]


def test_label_studio_gets_one_prediction_a_task_in_per_cent_of_the_upright_picture(
    backend: Backend, squares_model: Path, pictures: dict[str, tuple[bytes, ImageArray]]
) -> None:
    code, content = backend.predict(*(f"/data/upload/{name}" for name in pictures))
    assert code == 200, content
    version = backend.ask("POST", "/setup", {"project": "7", "schema": CONFIG})[1]["model_version"]
    digest = hashlib.sha256(squares_model.read_bytes()).hexdigest()
    assert content["model_version"] == version == f"squares@{digest[:16]}"
    detector = Detector(squares_model)
    for prediction, (_, image) in zip(content["results"], pictures.values(), strict=True):
        wanted = [one for one in detector(image) if one.name != "blue"]  # not a label there
        assert len(prediction["result"]) == len(wanted)
        for row, one in zip(prediction["result"], wanted, strict=True):
            assert (row["from_name"], row["to_name"]) == ("part", "photo")
            assert row["value"]["rectanglelabels"] == [one.name]
            assert row["score"] == pytest.approx(one.score, abs=0.02)
            assert (row["original_height"], row["original_width"]) == image.shape[:2]
            np.testing.assert_allclose(in_pixels(row), one.box_xyxy, atol=1)
    assert [len(each["result"]) for each in content["results"]] == [1, 1, 0]


def test_label_studios_own_reader_accepts_the_predictions(backend: Backend) -> None:
    module = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="label-studio-sdk is not installed"
    )
    _, content = backend.predict("/data/upload/two.png", "/data/upload/none.png")
    interface = module.LabelInterface(CONFIG)
    for prediction in content["results"]:
        assert interface.validate_prediction(prediction)
    prediction["result"] = [{"from_name": "nobody"}]
    assert not interface.validate_prediction(prediction)


def test_only_label_studio_gets_its_key(
    backend: Backend, label_studio: tuple[str, list[tuple[str, str]]]
) -> None:
    url, asked = label_studio
    asked.clear()
    assert backend.predict("/resolve")[0] == 200
    assert asked == [("/resolve", f"Token {KEY}"), ("/public/two.png", "")]
    asked.clear()
    elsewhere = url.replace("127.0.0.1", "localhost")
    assert backend.predict(f"{elsewhere}/public/two.png")[0] == 200
    assert asked == [("/public/two.png", "")]


@pytest.mark.parametrize(
    ("place", "config", "message"),
    [
        ("file:///etc/hostname", CONFIG, "must be an http or https address"),
        ("/data/upload/missing.png", CONFIG, "404"),
        ("/data/upload/two.png", "<View><Image name='a'/></View>", "no RectangleLabels"),
        ("/data/upload/two.png", "<View>", "ParseError"),
    ],
)
def test_what_cannot_be_predicted_is_said_in_one_line(
    backend: Backend, place: str, config: str, message: str
) -> None:
    code, content = backend.predict(place, config=config)
    assert code == 400
    assert message in content["error"]
    assert len(content["error"].splitlines()) == 1
    assert backend.ask("POST", "/webhook", {"action": "ANNOTATION_CREATED"})[0] == 201
