"""MQTT with a real broker and a second client."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from live_frames import found, live_frame
from patience import PATIENCE_SECONDS, wait_until
from servers.mosquitto import MOSQUITTO, Listener, Mosquitto

from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray
from spotlet.mqtt import MqttSettings, MqttSink, locate_broker, sender
from spotlet.streams import Reconnection, StatusEvent

pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: spotlet[mqtt]")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
    ),
]

SECRET = "p@ss/hunter2"
QUOTED_SECRET = "p%40ss%2Fhunter2"
QUICK = Reconnection(first_seconds=0.1, most_seconds=0.2)
LIVE = StatusEvent(source="rtsp://10.0.0.7/door", state="live", epoch=0, at=1.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def locked_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """It takes the user `me` alone."""
    passwords = tmp_path / "passwords"
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([program, "-b", "-c", passwords, "me", SECRET], check=True, capture_output=True)
    with Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as running:
        yield running


@pytest.fixture(scope="module")
def clip(
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Ten seconds of a red square."""
    return write_clip(tmp_path_factory.mktemp("clip") / "yard.avi", moving_square(200))


def _run(model: Path, clip: Path, *words: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "spotlet", "run", model, clip, "--mode", "live", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
    )


def _frames(listener: Listener) -> list[int]:
    """Numbers of the frames; one that came twice, as quality of service 1 allows, counts once."""
    return list(dict.fromkeys(heard.content["frame"] for heard in listener.of("/detections")))


def test_a_run_is_heard_and_its_end_and_nothing_tells_the_password(
    squares_model: Path, clip: Path, locked_broker: Mosquitto
) -> None:
    url = f"mqtt://me:{QUOTED_SECRET}@127.0.0.1:{locked_broker.port}/yard"
    with Listener(locked_broker.port, "me", SECRET) as listener:
        process = _run(squares_model, clip, "--mqtt", url, "--mqtt-discovery", "--debug")
        listener.wait(lambda: len(listener.of("yard/yard/detections")) > 5)
        with Listener(locked_broker.port, "me", SECRET) as late:
            late.wait(lambda: len(late.of("/detections")) > 1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        listener.wait(lambda: listener.of("yard/status")[-1].payload == b"offline")
    assert process.returncode == 143
    assert re.search(r"wrote mqtt://127.0.0.1:\d+/yard \(\d+ messages\)\n", out)
    everything = out + err + repr(listener.heard)
    assert not any(each in everything for each in (SECRET, QUOTED_SECRET, "hunter2"))
    for heard in listener.of("/detections"):
        jsonschema.validate(heard.content, event_json_schema())
        assert [each["name"] for each in heard.content["detections"]] == ["red"]
    for before, after in pairwise(heard.content for heard in listener.of("/detections")):
        assert after["frame"] - before["frame"] == after["dropped"] + 1
    kept = {heard.topic: heard for heard in late.heard if heard.retained}
    assert {topic for topic in kept if not topic.startswith("homeassistant/")} == {
        "yard/status",
        "yard/model",
        "yard/yard/counts",
    }
    assert kept["yard/status"].payload == b"online"
    assert kept["yard/yard/counts"].content["objects"] == {"red": 1}
    configs = [heard.content for topic, heard in kept.items() if topic.endswith("/config")]
    names = sorted(config["device"]["name"] for config in configs)
    assert names == ["Spotlet yard", "Spotlet yard"]


def test_who_is_killed_is_said_to_be_offline(
    squares_model: Path, clip: Path, broker: Mosquitto
) -> None:
    with Listener(broker.port) as listener:
        process = _run(squares_model, clip, "--mqtt", f"mqtt://127.0.0.1:{broker.port}/yard")
        listener.wait(lambda: listener.of("/detections"))
        assert [heard.payload for heard in listener.of("yard/status")] == [b"online"]
        process.kill()
        process.communicate()
        listener.wait(lambda: len(listener.of("yard/status")) > 1)
        assert listener.of("yard/status")[-1].payload == b"offline"
        with Listener(broker.port) as late:
            late.wait(lambda: late.of("yard/status"))
        assert late.of("yard/status")[0][1:] == (b"offline", True)


def test_a_broker_that_was_away_gets_the_newest_messages_and_every_state(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    broker = Mosquitto(tmp_path, remembers=True)
    settings = MqttSettings(waiting_messages=50, reconnection=QUICK)
    url = f"mqtt://127.0.0.1:{broker.port}/yard"
    with (
        broker,
        Listener(broker.port, name="listener") as listener,
        MqttSink(url, settings, on_failure=told.append) as sink,
    ):
        sink.write_status(LIVE)
        for number in range(10):
            sink.write(live_frame(number), found(0))
        listener.wait(lambda: len(_frames(listener)) == sink._sender.confirmed == 10)
        broker.stop()
        listener.wait(lambda: told)
        for number in range(10, 130):
            sink.write(live_frame(number), found(0, 1))
        assert len(sink._outbox._waiting) == 50
        listener.wait(lambda: len(told) > 1)
        broker.start()
        listener.wait(lambda: len(_frames(listener)) == 60)
        sink.write(live_frame(130), found())
        listener.wait(lambda: len(_frames(listener)) == sink._sender.confirmed == 61)
        listener.wait(lambda: len(told) == 4)
    new = [heard for heard in listener.heard if not heard.retained]
    states = [heard.content["state"] for heard in new if heard.topic.endswith("door/state")]
    assert set(states) == {"live"}
    assert len(states) >= 2  # more where one came twice, as quality of service 1 allows
    lives = [heard.payload for heard in new if heard.topic == "yard/status"]
    assert lives.count(b"online") >= 2
    assert _frames(listener) == [*range(10), *range(80, 131)]
    assert sink.dropped == 70
    assert sink.written == (
        f"{url} (61 messages); 70 messages dropped, the broker was unavailable or too slow"
    )
    name = re.escape(url)
    for line, ending in zip(
        told,
        (
            r"lost: .*; messages are queued, detection continues",
            "the queue is full; the oldest messages are dropped",
            "connected",
            "the queue is sent; 70 messages were dropped",
        ),
        strict=True,
    ):
        assert re.fullmatch(f"{name}: {ending}", line)


def test_a_broker_that_comes_later_gets_what_waited(tmp_path: Path) -> None:
    broker, told = Mosquitto(tmp_path), list[str]()
    url, settings = f"mqtt://127.0.0.1:{broker.port}/yard", MqttSettings(reconnection=QUICK)
    with MqttSink(url, settings, on_failure=told.append) as sink:
        for number in range(5):
            sink.write(live_frame(number), found(0))
        wait_until(lambda: told)
        time.sleep(0.5)
        with broker:
            wait_until(lambda: sink._sender.confirmed >= 5)
            with Listener(broker.port) as listener:
                listener.wait(lambda: listener.of("yard/status"))
            sink.close()
    assert [line.removeprefix(f"{url}: ").partition(";")[0] for line in told] == [
        "cannot be reached: Connection refused",
        "connected",
    ]
    assert sink.dropped == 0


def test_a_wrong_password_is_told_once_and_not_shown(locked_broker: Mosquitto) -> None:
    told: list[str] = []
    url = f"mqtt://me:wrong-{QUOTED_SECRET}@127.0.0.1:{locked_broker.port}/yard"
    with MqttSink(url, MqttSettings(reconnection=QUICK), on_failure=told.append) as sink:
        sink.write(live_frame(0), found(0))
        wait_until(lambda: told)
        time.sleep(0.5)
    name = f"mqtt://127.0.0.1:{locked_broker.port}/yard"
    assert told == [
        f"{name}: refused: Not authorized; check user and password; retrying every 60 s"
    ]
    assert sink.dropped == 1


def test_the_password_may_come_from_the_environment(
    squares_model: Path, clip: Path, locked_broker: Mosquitto
) -> None:
    url = f"mqtt://me@127.0.0.1:{locked_broker.port}/yard"
    words = ("--mqtt", url, "--mqtt-on", "change", "--max-frames", "15")
    with Listener(locked_broker.port, "me", SECRET) as listener:
        process = _run(squares_model, clip, *words, SPOTLET_MQTT_PASSWORD=SECRET)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        listener.wait(lambda: listener.of("yard/status")[-1].payload == b"offline")
    assert process.returncode == 0, err
    assert len(_frames(listener)) == 1
    assert "hunter2" not in out + err


def test_a_short_run_sends_everything_before_it_ends(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "END_SECONDS", PATIENCE_SECONDS)
    with Listener(broker.port) as listener:
        for qos in (0, 1):
            with MqttSink(f"mqtt://127.0.0.1:{broker.port}/q{qos}", MqttSettings(qos=qos)) as sink:
                for number in range(200):
                    sink.write(live_frame(number), found(0))
            listener.wait(lambda: listener.heard[-1].payload == b"offline")
            sent = [heard.content["frame"] for heard in listener.of("/detections")]
            assert sent[-200:] == list(range(200))
            assert sink.dropped == 0


# The library leaves the socket of a failed handshake to Python, which closes it at once.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_is_checked_and_its_authority_can_be_given(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=broker"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    settings = (f"certfile {certificate}", f"keyfile {key}")
    with Mosquitto(tmp_path, *settings) as broker:
        told: list[str] = []
        url = f"mqtts://127.0.0.1:{broker.port}/yard"
        with MqttSink(url, on_failure=told.append):
            wait_until(lambda: told)
        assert "its certificate is not trusted (self-signed certificate)" in told[0]
        trusting = locate_broker(url, cafile=certificate)
        with MqttSink(trusting, on_failure=told.append) as sink:
            sink.write(live_frame(0), found(0))
            wait_until(lambda: sink._sender.confirmed)
        assert sink.dropped == 0
        assert sink.written == f"{url} (1 messages)"
        other = locate_broker(url.replace("127.0.0.1", "localhost"), cafile=certificate)
        with MqttSink(other, on_failure=told.append):
            wait_until(lambda: len(told) >= 2)
        assert "is not trusted (Hostname mismatch" in told[1]
