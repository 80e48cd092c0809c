"""What is published over MQTT, without a broker."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import jsonschema
import numpy as np
import pytest
from live_frames import found, live_frame
from patience import PATIENCE_SECONDS, ends, wait_until

from spotlet.cli import main
from spotlet.counts import Counts, Crossing, LineCount, ZoneCount
from spotlet.detections import Detections
from spotlet.errors import InputError, UsageError
from spotlet.events import event_json_schema
from spotlet.mqtt import MqttSettings, MqttSink, locate_broker
from spotlet.mqtt.discovery import MOST_CLASSES, run_config, source_config
from spotlet.mqtt.link import MOST_IN_FLIGHT
from spotlet.mqtt.messages import Message, Topics, counts_event
from spotlet.mqtt.outbox import Outbox
from spotlet.mqtt.sender import HURRY_SECONDS
from spotlet.streams import Reconnection, StatusEvent

pytestmark = pytest.mark.live

DOOR = "rtsp://10.0.0.7/door"
SECRET = "hunter2"


def tracked(*tracks: int, crossings: tuple[Crossing, ...] = ()) -> Detections:
    """A bolt for each track, and a line and a zone that count."""
    plain = found(*(0 for _ in tracks))
    return Detections(
        plain.boxes_xyxy,
        plain.scores,
        plain.class_ids,
        plain.class_names,
        np.array(tracks, np.int64),
        Counts(
            lines=(
                LineCount(
                    name='the "door"',
                    start_xy=(0, 0),
                    end_xy=(9, 9),
                    entered={"bolt": 2, "screw": 1},
                    left={},
                ),
            ),
            zones=(
                ZoneCount(
                    name="desk", corners_xy=((0, 0), (9, 0), (9, 9)), inside={"bolt": 4}, entered={}
                ),
            ),
            crossings=crossings,
        ),
    )


@pytest.fixture
def sink_and_box() -> Iterator[Any]:
    """Makes sinks whose broker is not there, each with what waits in it."""
    sinks: list[MqttSink] = []

    def make(settings: MqttSettings) -> tuple[MqttSink, Outbox]:
        sink = MqttSink("mqtt://127.0.0.1:9/yard", settings, on_failure=lambda line: None)
        sinks.append(sink)
        return sink, sink._outbox

    yield make
    for sink in sinks:
        sink.close()


def taken(box: Outbox) -> list[Message]:
    messages = []
    while (message := box.take()) is not None:
        messages.append(message)
    return messages


def frames_told(box: Outbox) -> list[int]:
    told = [each for each in taken(box) if each.topic.endswith("/detections")]
    return [json.loads(message.payload)["frame"] for message in told]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("mqtt://broker/yard", "mqtt://broker:1883/yard"),
        ("mqtts://broker/yard/", "mqtts://broker:8883/yard"),
        ("MQTT://me:a%40b%2Fc@broker:99/a/b", "mqtt://broker:99/a/b"),
        ("mqtt://me@[::1]/yard", "mqtt://[::1]:1883/yard"),
    ],
)
def test_a_url_says_where_the_broker_is(url: str, name: str) -> None:
    assert locate_broker(url).name == name


def test_user_and_password_may_hold_any_sign_and_the_url_goes_before_the_environment() -> None:
    address = locate_broker("mqtt://m%3Ae:a%40b%2Fc@broker", password="other")
    assert (address.user, address.password) == ("m:e", "a@b/c")
    assert locate_broker("mqtt://me@broker", password="other").password == "other"
    assert "a@b/c" not in repr(address)


@pytest.mark.parametrize("on", ["frame", "change"])
def test_what_a_still_scene_holds_is_neither_gone_nor_a_message(
    sink_and_box: Any, on: Literal["frame", "change"]
) -> None:
    sink, box = sink_and_box(MqttSettings(on=on))
    there, nothing = tracked(7), found()
    still = replace(Detections.none(there.class_names), held=there, counts=there.counts)
    for number, detections in enumerate([there, still, still, nothing]):
        sink.write(live_frame(number, source=DOOR), detections)
        counts = json.loads(box._retained[sink._topics.of(DOOR, "counts")].payload)
        assert counts["total"] == len(detections.present)
    assert frames_told(box) == [0, 3]


def test_without_a_prefix_topics_begin_with_this_machine() -> None:
    prefix = locate_broker("mqtt://broker").prefix
    assert prefix.startswith("spotlet/")
    assert len(prefix) > len("spotlet/")


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        f"http://me:{SECRET}@broker",
        f"mqtt://me:{SECRET}@",
        f"mqtt://me:{SECRET}@broker:99999",
        f"mqtt://me:{SECRET}@broker:0",
        f"mqtt://me:{SECRET}@broker:port",
        f"mqtt://me:{SECRET}/x@broker",
        f"mqtt://me:{SECRET}#@broker",
        f"mqtt://me:{SECRET}?@broker",
        f"mqtt://:{SECRET}@broker",
        f"mqtt://me:{SECRET}@broker/a/+/b",
        f"mqtt://me:{SECRET}@broker/%23",
        f"mqtt://me:{SECRET}@broker/a//b",
        f"mqtt://me:{SECRET}@broker/$SYS",
        f"mqtt://me:{SECRET}@broker/{'x' * 300}",
        f"mqtt://me:{SECRET}@broker/a%00b",
        f"mqtt:me:{SECRET}@broker",
        f"mqtt://me:{SECRET}@[broker",
    ],
)
def test_a_malformed_url_is_wrong_usage_and_gives_nothing_away(
    url: str, squares_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "out.ndjson"
    lines.write_text("an earlier run\n")
    (tmp_path / "a.png").write_bytes(PIXEL)
    words = ["run", str(squares_model), str(tmp_path / "a.png"), "--mqtt", url]
    assert main([*words, "--ndjson", str(lines), "--debug"]) == 2
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    assert len(told.err.splitlines()[-1]) < 250
    assert lines.read_text() == "an earlier run\n"


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)


@pytest.mark.parametrize(
    "words", [("--mqtt-on", "change"), ("--mqtt-qos", "0"), ("--mqtt-discovery",)]
)
def test_a_flag_of_mqtt_alone_is_wrong_usage(
    words: tuple[str, ...],
    squares_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.png").write_bytes(PIXEL)
    assert main(["run", str(squares_model), str(tmp_path / "a.png"), *words]) == 2
    assert f"{words[0]}: needs --mqtt URL" in capsys.readouterr().err


def test_without_paho_the_message_names_what_to_install() -> None:
    code = (
        "import sys; sys.modules['paho'] = None\n"
        "from spotlet.mqtt import MqttSink\n"
        "from spotlet.errors import UsageError\n"
        "try:\n    MqttSink('mqtt://127.0.0.1:9')\n"
        "except UsageError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "spotlet[mqtt]"' in done.stdout


def test_nothing_of_mqtt_is_loaded_where_nobody_asks_for_it() -> None:
    code = "import sys, spotlet.commands.run; print([n for n in sys.modules if 'mqtt' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_certificates_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pem", tmp_path / "text.pem"):
        if path.name == "text.pem":
            path.write_text("no certificate")
        with pytest.raises(InputError, match=f"certificates .*{path.name}: "):
            MqttSink(locate_broker("mqtts://127.0.0.1:9", cafile=path))
    with pytest.raises(UsageError, match="need an mqtts:// URL"):
        locate_broker("mqtt://127.0.0.1:9", cafile=tmp_path / "none.pem")


@pytest.mark.parametrize("wrong", [{"qos": 2}, {"on": "time"}, {"waiting_messages": 0}])
def test_a_setting_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be"):
        MqttSettings(**wrong)


def test_two_sources_of_one_name_have_topics_of_their_own() -> None:
    topics = Topics("yard")
    sources = ["a/clip.mp4", "b/Clip.mp4", "status.mp4"]
    assert [topics.of(source, "state") for source in sources] == [
        "yard/clip/state",
        "yard/Clip_2/state",
        "yard/status_2/state",
    ]
    assert topics.slug("b/Clip.mp4") == "Clip_2"


def test_each_frame_with_detections_is_told_and_the_first_without(sink_and_box: Any) -> None:
    sink, box = sink_and_box(MqttSettings())
    for number, detections in enumerate([found(), found(0), found(0), found(), found(), found(1)]):
        sink.write(live_frame(number), detections)
    assert frames_told(box) == [1, 2, 3, 5]


def test_on_change_only_other_classes_or_tracks_are_told(sink_and_box: Any) -> None:
    sink, box = sink_and_box(MqttSettings(on="change"))
    stories = [
        found(0),
        found(0),
        found(0, 0),
        found(0, 1),
        found(1, 0),
        found(),
        found(),
        found(2),
    ]
    for number, detections in enumerate(stories):
        sink.write(live_frame(number), detections)
    assert frames_told(box) == [0, 2, 3, 5, 7]
    crossing = Crossing(line="door", direction="in", track_id=7, class_id=0, name="bolt")
    again = [
        tracked(7),
        tracked(7),
        tracked(8),
        tracked(8, 7),
        tracked(8, 7, crossings=(crossing,)),
    ]
    for number, detections in enumerate(again):
        sink.write(live_frame(number, source="camera 0"), detections)
    assert frames_told(box) == [0, 2, 3, 4]


def test_the_payload_is_the_event_and_the_counts_are_small(sink_and_box: Any) -> None:
    sink, box = sink_and_box(MqttSettings(qos=0))
    sink.write(live_frame(3), tracked(7, 9))
    sent = {message.topic: message for message in taken(box)}
    assert list(sent) == [
        "yard/status",
        "yard/10.0.0.7_door/counts",
        "yard/10.0.0.7_door/detections",
    ]
    told = sent["yard/10.0.0.7_door/detections"]
    jsonschema.validate(json.loads(told.payload), event_json_schema())
    assert (told.qos, told.retain) == (0, False)
    counts = sent["yard/10.0.0.7_door/counts"]
    assert (counts.qos, counts.retain) == (1, True)
    assert json.loads(counts.payload) == {
        "schema": 1,
        "source": DOOR,
        "total": 2,
        "objects": {"bolt": 2},
        "lines": {'the "door"': {"in": {"bolt": 2, "screw": 1}, "out": {}}},
        "zones": {"desk": {"inside": {"bolt": 4}, "entered": {}}},
    }


def test_home_assistant_reads_from_the_counts_what_they_say() -> None:
    jinja = pytest.importorskip("jinja2.sandbox")
    topics = Topics("yard")
    detections = tracked(7, 9)
    names = ("bolt", "Nut/Washer", "nut washer")
    message = source_config(topics, DOOR, names, detections.counts, has_states=True)
    assert message.retain
    assert message.topic.startswith("homeassistant/device/spotlet_yard_10_0_0_7_door_")
    assert message.topic.endswith("/config")
    config = json.loads(message.payload)
    assert config["availability_topic"] == "yard/status"
    assert config["origin"]["name"] == "spotlet"
    own_id = config["device"]["identifiers"][0]
    hub = json.loads(run_config(topics).payload)
    assert config["device"]["via_device"] == hub["device"]["identifiers"][0]
    assert hub["components"]["connection"]["state_topic"] == "yard/status"
    counts = counts_event(live_frame(0), detections)
    values = {}
    for key, component in config["components"].items():
        assert component["unique_id"] == f"{own_id}_{key}"
        if component["platform"] == "sensor":
            assert component["state_topic"] == "yard/10.0.0.7_door/counts"
            template = jinja.SandboxedEnvironment().from_string(component["value_template"])
            values[component["name"]] = template.render(value_json=counts)
    assert values == {
        "Objects": "2",
        "bolt": "2",
        "Nut/Washer": "0",
        "nut washer": "0",
        'the "door" in': "3",
        'the "door" out': "0",
        "desk": "4",
    }
    camera = config["components"]["connection"]
    assert camera["device_class"] == "connectivity"
    template = jinja.SandboxedEnvironment().from_string(camera["value_template"])
    states = [template.render(value_json={"state": state}) for state in ("live", "lost")]
    assert states == ["ON", "OFF"]


def test_a_model_of_many_classes_has_one_sensor() -> None:
    names = tuple(f"class {number}" for number in range(MOST_CLASSES + 1))
    config = json.loads(source_config(Topics("yard"), DOOR, names, None, has_states=False).payload)
    assert set(config["components"]) == {"objects"}
    assert config["components"]["objects"]["json_attributes_topic"] == "yard/10.0.0.7_door/counts"


def test_only_the_classes_that_are_wanted_are_announced(sink_and_box: Any) -> None:
    sink, box = sink_and_box(MqttSettings(discovery=True, classes=("screw",)))
    for number in range(2):
        sink.write(live_frame(number), found(2))
    configs = [json.loads(each.payload) for each in taken(box) if each.topic.endswith("/config")]
    assert len(configs) == 2
    assert set(configs[1]["components"]) == {"objects", "class_screw"}


def test_only_what_tells_its_states_has_a_sensor_of_them(sink_and_box: Any) -> None:
    sink, box = sink_and_box(MqttSettings(discovery=True, classes=()))
    sink.write_status(StatusEvent(source=DOOR, state="live", epoch=0, at=1.0))
    sink.write(live_frame(0), found(2))
    configs = [json.loads(each.payload) for each in taken(box) if each.topic.endswith("/config")]
    assert set(configs[-1]["components"]) == {"objects", "connection"}


def _message(number: int, size: int = 1) -> Message:
    return Message("t", bytes([number]) * size)


def test_the_oldest_messages_are_dropped_by_number_and_by_size() -> None:
    box = Outbox(most_messages=3, most_bytes=10)
    for number in range(5):
        box.put(_message(number))
    assert [message.payload[0] for message in taken(box)] == [2, 3, 4]
    assert box.dropped == 2
    for number in range(3):
        box.put(_message(number, 4))
    assert [message.payload[0] for message in taken(box)] == [1, 2]
    assert box.dropped == 3
    box.put(_message(0, 99))
    assert box.is_empty
    assert box.dropped == 4


def test_what_was_not_confirmed_comes_first_again_and_is_the_first_to_be_dropped() -> None:
    box = Outbox(most_messages=3, most_bytes=100)
    for number in (3, 4):
        box.put(_message(number))
    box.put_back([_message(1), Message("kept", b"x", retain=True), _message(2)])
    assert [message.payload[0] for message in taken(box)] == [2, 3, 4]
    assert box.dropped == 1


def test_of_each_retained_topic_only_the_newest_is_sent_and_again_when_renewed() -> None:
    box = Outbox(most_messages=1, most_bytes=1)
    for value in (b"1", b"2"):
        for topic in ("a", "b"):
            box.keep(Message(topic, value, retain=True))
    assert [(each.topic, each.payload) for each in taken(box)] == [("a", b"2"), ("b", b"2")]
    box.keep(Message("a", b"2", retain=True))
    assert box.is_empty
    box.renew()
    assert len(taken(box)) == 2
    assert box.dropped == 0


class _Mute:
    """A broker that lets everybody in, and reads nothing more."""

    def __init__(self, answer: bytes = b"\x20\x02\x00\x00") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self._listener.getsockname()[1]
        self._answer = answer
        self.clients: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                client, _ = self._listener.accept()
                client.recv(1)
                client.sendall(self._answer)
                self.clients.append(client)
        except OSError:
            return

    def close(self) -> None:
        for each in (self._listener, *self.clients):
            each.close()


RETAINED = 2
"""What `_Mute` confirms neither: that the run is online, and the counts of its source."""


@pytest.mark.parametrize("qos", [0, 1])
def test_a_broker_that_reads_nothing_costs_a_bounded_amount_and_no_time(qos: int) -> None:
    broker, told = _Mute(), list[str]()
    settings = MqttSettings(qos=qos, waiting_bytes=500_000)
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/x", settings, on_failure=told.append)
    outbox, sender, written, most_waiting = sink._outbox, sink._sender, 0, 0
    sink.write(live_frame(0), found())
    wait_until(lambda: outbox.is_empty)
    crowd = found(*[0] * 1000)  # as many bytes a message

    def in_flight() -> int:
        """At most as many as there are: each may go on while the numbers are read."""
        waiting = len(outbox._waiting)
        return written - waiting - sink.dropped - sender.confirmed

    try:
        # At the pace of the thread that sends, until what the system buffers is full and it takes
        # no more.
        while in_flight() < MOST_IN_FLIGHT - RETAINED:
            outbox.put(Message("x", bytes(75_000), qos=qos))
            sender.wake()
            written += 1
            wait_until(
                lambda: outbox.is_empty or in_flight() >= MOST_IN_FLIGHT - RETAINED,
                nap_seconds=0.001,
            )
            assert in_flight() <= MOST_IN_FLIGHT
        # And faster than anybody: each either waits, or makes the oldest go.
        while sink.dropped < 20:
            sink.write(live_frame(written), crowd)
            written += 1
            most_waiting = max(most_waiting, sum(len(each.payload) for each in outbox._waiting))
            assert most_waiting <= 500_000
            assert in_flight() <= MOST_IN_FLIGHT
        assert most_waiting > 400_000
        wait_until(lambda: told)
        sink.finish(hurry=True)
        assert sender._deadline <= time.monotonic() + HURRY_SECONDS
        ends(sink.close)
    finally:
        broker.close()
    assert f"{sink.dropped} messages dropped" in str(sink.written)
    assert any("the oldest messages are dropped" in line for line in told)


def test_a_broker_that_refuses_the_password_is_not_asked_again_soon() -> None:
    broker, told = _Mute(b"\x20\x02\x00\x04"), list[str]()
    quick = MqttSettings(reconnection=Reconnection(first_seconds=0.05, most_seconds=0.1))
    with MqttSink(f"mqtt://127.0.0.1:{broker.port}/x", quick, on_failure=told.append):
        wait_until(lambda: told)
        time.sleep(0.5)  # ten of its usual waits
        assert len(broker.clients) == 1
    broker.close()
    assert "refused: Bad user name or password; check user and password" in told[0]


def test_what_was_not_confirmed_when_the_broker_went_waits_again() -> None:
    broker, told = _Mute(), list[str]()
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/x", on_failure=told.append)
    try:
        wait_until(lambda: sink._outbox.is_empty)
        for number in range(3):
            sink.write(live_frame(number), found(0))
        wait_until(lambda: sink._outbox.is_empty)
        broker.close()
        wait_until(lambda: told)
        wait_until(lambda: len(sink._outbox._waiting) >= 3)
        assert frames_told(sink._outbox) == [0, 1, 2]
    finally:
        sink.finish(hurry=True)
        sink.close()
    assert "lost" in told[0]


@pytest.mark.parametrize("answer", [b"", b"\xff" * 64])
def test_what_is_no_broker_is_told_once(answer: bytes) -> None:
    broker, told = _Mute(answer), list[str]()
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/x", on_failure=told.append)
    try:
        if answer:
            wait_until(lambda: told)
        sink.write(live_frame(0), found(0))
    finally:
        sink.finish(hurry=True)
        sink.close()
        broker.close()
    assert sink.dropped == 1
    assert len(told) <= 1
    if answer:
        assert "cannot be reached" in told[0]


def test_a_broker_that_is_not_there_is_told_once_and_holds_nothing_up(
    squares_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PIXEL)
    url = f"mqtt://me:{SECRET}@127.0.0.1:9/x"
    done = subprocess.run(
        [sys.executable, "-m", "spotlet", "run", squares_model, tmp_path / "a.png", "--mqtt", url],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mqtt://127.0.0.1:9/x: cannot be reached: Connection refused") <= 1
    assert SECRET not in done.stdout + done.stderr


def test_the_threads_end_with_the_sink() -> None:
    for _ in range(3):
        MqttSink("mqtt://127.0.0.1:9/x", on_failure=lambda line: None).close()
    wait_until(lambda: all(thread.name != "spotlet-mqtt" for thread in threading.enumerate()))


def test_after_the_end_nothing_is_taken(sink_and_box: Any) -> None:
    sink, _ = sink_and_box(MqttSettings())
    sink.close()
    sink.close()
    with pytest.raises(UsageError, match="closed"):
        sink.write(live_frame(0), found(0))
