"""A served run, seen through real sockets."""

import contextlib
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import jsonschema
import numpy as np
import pytest
from live_frames import found, live_frame
from patience import PATIENCE_SECONDS, Clock, wait_until
from servers.watching import ask, call, event_stream, watch

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from spotlet.counts import Counts, LineCount, ZoneCount
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.events import event_json_schema
from spotlet.serve import board, guard, pictures, server, viewers
from spotlet.serve.address import Listener, ServeAddress
from spotlet.serve.sink import ServeSink
from spotlet.streams import StatusEvent

pytestmark = pytest.mark.live

DOOR, YARD = "rtsp://10.0.0.7/door", '</script><b a="1">yard\\'
TOKEN = "a-token-of-24-characters"
PATHS = ("/", "/page.js", "/page.css", "/events", "/metrics", "/healthz", "/snapshot/0.jpg", "/no")


@dataclass
class _Stream:
    source: str
    over: bool = False


class _Served:
    """A run of two sources."""

    def __init__(self, token: str | None = None, **settings: float) -> None:
        self.streams = [_Stream(DOOR), _Stream(YARD)]
        self.told: list[str] = []
        listener = Listener(ServeAddress("127.0.0.1", 0, token))
        self.url = listener.url
        self.sink = ServeSink(listener, self.streams, self.told.append, **settings)  # type: ignore[arg-type]

    def frame(self, number: int, *class_ids: int, source: str = DOOR) -> None:
        self.sink.write(live_frame(number, source=source), found(*class_ids))

    def status(self, state: str, source: str = DOOR, **more: object) -> None:
        event = StatusEvent(source=source, state="live", epoch=0, at=1.7e9)
        self.sink.write_status(replace(event, state=state, **more))  # type: ignore[arg-type]

    def wait_for_viewers(self, count: int) -> None:
        wait_until(lambda: len(self.sink._server.viewers or ()) == count)


@pytest.fixture
def served() -> Iterator[_Served]:
    run = _Served()
    with contextlib.closing(run.sink):
        yield run
    assert run.told == []


@pytest.fixture
def closed_run() -> Iterator[_Served]:
    """One that needs a token."""
    run = _Served(TOKEN)
    with contextlib.closing(run.sink):
        run.frame(1)
        yield run


# What is told


def test_a_viewer_hears_how_things_stand_and_then_each_event_as_the_schema_has_it(
    served: _Served,
) -> None:
    served.status("live")
    served.frame(4)
    with watch(served.url) as events:
        assert [next(events).get("state"), next(events)["frame"]] == ["live", 4]
        served.frame(5, 0, 2)
        served.status("lost", reason="it broke off", retry_seconds=0.4)
        served.frame(9, 1, source=YARD)
        frame, status, other = next(events), next(events), next(events)
    assert [each["name"] for each in frame["detections"]] == ["bolt", "screw"]
    assert (frame["frame"], status["reason"], other["source"]) == (5, "it broke off", YARD)
    for event in (frame, status, other):
        jsonschema.validate(event, event_json_schema())


@pytest.mark.parametrize("name", ["1", "script_b_a_1_yard"])
def test_events_of_one_source_alone(served: _Served, name: str) -> None:
    slug = json.loads(ask(served.url, "/healthz").body)["sources"][1]["slug"]
    path = f"/events?source={slug if name != '1' else 1}"
    with watch(served.url, path) as events:
        served.wait_for_viewers(1)
        served.frame(1)
        served.frame(2, source=YARD)
        assert next(events)["source"] == YARD
    assert ask(served.url, "/events?source=attic").status == 404


def test_a_line_where_nothing_happens_is_kept_alive(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "HEARTBEAT_SECONDS", 0.05)
    with event_stream(served.url) as lines:
        beats = (line for line in lines if line.startswith(":"))
        assert [next(beats), next(beats)] == [": nothing new"] * 2


def test_who_reads_too_late_is_told_how_things_stand_now_and_how_much_it_missed(
    served: _Served,
) -> None:
    served.status("live")
    # The loop's thread rests meanwhile, so that nobody takes from the queue.
    with event_stream(served.url) as lines:
        served.wait_for_viewers(1)
        assert served.sink._server.viewers is not None
        stop, go = threading.Event(), threading.Event()
        assert served.sink._server._loop is not None

        def rest() -> None:
            stop.set()
            go.wait(PATIENCE_SECONDS)

        served.sink._server._loop.call_soon_threadsafe(rest)
        assert stop.wait(PATIENCE_SECONDS)
        for number in range(viewers.QUEUED_EVENTS + 3):
            served.frame(number)
        served.status("lost")
        go.set()
        text: list[str] = []
        while not text or '"lost"' not in text[-1]:
            text.append(next(lines))
    told = [line for line in text if line.startswith(": ")]
    assert told == [f": {viewers.QUEUED_EVENTS} events left out, reading was too slow"]
    kept = [json.loads(line[6:]) for line in text[text.index(told[0]) :] if line[:5] == "data:"]
    assert kept[0]["state"] == "live"
    frames = [each["frame"] for each in kept if "frame" in each]
    assert frames == [viewers.QUEUED_EVENTS + each for each in (0, 1, 2)]
    assert _metrics(served)["spotlet_serve_events_dropped_total"] == viewers.QUEUED_EVENTS


def test_a_viewer_that_stops_reading_costs_no_memory_and_slows_nobody(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STUCK_SECONDS", 10 * PATIENCE_SECONDS)
    many = _many(200)  # some 20 kB an event
    with call(served.url, "/events", receive_bytes=4096), watch(served.url) as events:
        served.wait_for_viewers(2)

        def tell(numbers: range) -> None:
            for number in numbers:
                served.sink.write(replace(live_frame(0), index=number), many)
                while next(events)["frame"] != number:
                    pass

        tell(range(100))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tell(range(100, 220))
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    told = _metrics(served)
    assert told["spotlet_serve_events_dropped_total"] >= viewers.QUEUED_EVENTS
    assert grown < 1_700_000  # what came is 2.4 MB; what waits is bounded


def test_who_reads_nothing_at_all_is_hung_up_on(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STUCK_SECONDS", 0.2)
    many = _many(300)
    with call(served.url, "/events", receive_bytes=4096):
        served.wait_for_viewers(1)
        deadline = time.monotonic() + PATIENCE_SECONDS
        number = 0
        while len(served.sink._server.viewers or ()):
            assert time.monotonic() < deadline
            served.sink.write(replace(live_frame(0), index=number), many)
            number += 1
            time.sleep(0.002)


def test_there_are_only_so_many_viewers_and_who_leaves_makes_room(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "MOST_VIEWERS", 2)
    with watch(served.url), watch(served.url):
        served.wait_for_viewers(2)
        answer = ask(served.url, "/events", method="HEAD")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    served.wait_for_viewers(0)
    with watch(served.url):
        served.wait_for_viewers(1)


# Pictures


def test_the_newest_picture_is_encoded_when_asked_for_and_once(served: _Served) -> None:
    assert ask(served.url, "/snapshot/0.jpg").status == 503
    image = np.full((900, 1600, 3), 90, np.uint8)
    served.sink.write(replace(live_frame(3), image=image), found(2))
    assert _metrics(served)["spotlet_serve_pictures_total"] == 0
    answers = [ask(served.url, f"/snapshot/{name}.jpg") for name in ("0", "10.0.0.7_door", "0")]
    assert {each.status for each in answers} == {200}
    assert len({each.body for each in answers}) == 1
    assert _metrics(served)["spotlet_serve_pictures_total"] == 1
    headers = answers[0].headers
    assert (headers["content-type"], headers["cache-control"]) == ("image/jpeg", "no-store")
    assert (headers["spotlet-frame"], headers["spotlet-epoch"]) == ("3", "0")
    picture = cv2.imdecode(np.frombuffer(answers[0].body, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (720, 1280, 3)
    assert np.abs(picture.astype(int) - 90).max() > 100  # something is drawn on it
    served.frame(4)
    assert ask(served.url, "/snapshot/0.jpg").headers["spotlet-frame"] == "4"


def test_many_who_ask_at_once_share_one_picture(served: _Served) -> None:
    for number in range(3):
        served.frame(number)
        with ThreadPoolExecutor(6) as people:
            answers = list(people.map(ask, [served.url] * 6, ["/snapshot/0.jpg"] * 6))
        assert [each.status for each in answers] == [200] * 6
    assert _metrics(served)["spotlet_serve_pictures_total"] == 3


def test_pictures_rest_in_proportion_to_what_they_cost(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(pictures, "time", clock)
    monkeypatch.setattr(pictures, "_encode", lambda newest: (b"jpeg", 0.05))
    for number in range(3):
        served.frame(number)
        ask(served.url, "/snapshot/0.jpg")
    encoder = served.sink._server.pictures
    assert encoder is not None
    assert encoder._rested_at - clock.now == pytest.approx(0.05 / encoder._share - 0.05)


# Health and metrics


def test_health_is_good_while_a_source_is_live(served: _Served) -> None:
    def health() -> tuple[int, list[str]]:
        answer = ask(served.url, "/healthz")
        return answer.status, [each["state"] for each in json.loads(answer.body)["sources"]]

    assert health() == (503, ["connecting", "connecting"])
    served.status("live")
    served.frame(1)
    assert health() == (200, ["live", "connecting"])
    served.status("lost")
    assert health() == (503, ["lost", "connecting"])
    served.frame(1, source=YARD)  # a file, of which no state is told
    assert health() == (200, ["lost", "live"])
    served.streams[1].over = True
    assert health() == (503, ["lost", "ended"])


def test_a_source_that_is_called_live_but_gives_nothing_is_not_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(board, "time", clock)
    run = _Served(stale_seconds=30)
    with contextlib.closing(run.sink):
        run.status("live")
        clock.advance(29)
        assert ask(run.url, "/healthz").status == 200
        clock.advance(2)
        assert ask(run.url, "/healthz").status == 503
        run.frame(1)
        assert ask(run.url, "/healthz").status == 200


def test_metrics_are_what_prometheus_reads(served: _Served) -> None:
    served.status("live")
    served.sink.write(replace(live_frame(7), dropped=3, epoch=2, decoder="vaapi"), found(0, 0, 2))
    counts = Counts(
        lines=(
            LineCount(
                name='a "line"\n',
                start_xy=(0, 0),
                end_xy=(1, 1),
                entered={"bolt": 2},
                left={"screw": 1},
            ),
        ),
        zones=(ZoneCount(name="desk", corners_xy=(), inside={"bolt": 1}, entered={"bolt": 5}),),
    )
    served.sink.write(live_frame(8, source=YARD), replace(found(1), counts=counts))
    nothing = Detections.none(found(1).class_names)
    still = replace(nothing, held=found(1), counts=counts)
    served.sink.write(live_frame(9, source=YARD), still)
    answer = ask(served.url, "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "_created" not in answer.text
    families = {each.name: each for each in text_string_to_metric_families(answer.text)}
    assert all(each.documentation and each.type != "unknown" for each in families.values())
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    door, yard = ("source", DOOR), ("source", YARD)
    assert samples["spotlet_source_up", door] == 1
    assert samples["spotlet_source_decoder_info", ("decoder", "vaapi"), door] == 1
    health = json.loads(ask(served.url, "/healthz").body)["sources"]
    assert [each["decoder"] for each in health] == ["vaapi", None]
    assert samples["spotlet_frames_total", yard] == 2
    assert samples["spotlet_frames_still_total", yard] == 1
    assert samples["spotlet_frames_still_total", door] == 0
    assert samples["spotlet_detections_total", ("class", "nut/washer"), yard] == 1
    assert samples["spotlet_frames_dropped_total", door] == 3
    assert samples["spotlet_source_reconnections_total", door] == 2
    assert samples["spotlet_detections_total", ("class", "bolt"), door] == 2
    assert samples["spotlet_detections_total", ("class", "nut/washer"), door] == 0
    assert samples["spotlet_frame_latency_seconds_count", door] == 1
    assert 0 <= samples["spotlet_frame_age_seconds", door] < PATIENCE_SECONDS
    crossed = ("class", "bolt"), ("direction", "in"), ("line", 'a "line"\n'), yard
    assert samples["spotlet_line_crossings_total", *crossed] == 2
    assert samples["spotlet_zone_objects", ("class", "bolt"), yard, ("zone", "desk")] == 1
    assert samples["spotlet_zone_entries_total", ("class", "bolt"), yard, ("zone", "desk")] == 5
    assert families["spotlet_frames"].type == "counter"
    assert families["process_cpu_seconds"].type == "counter"


def test_names_that_are_no_unicode_stop_nothing() -> None:
    listener = Listener(ServeAddress("127.0.0.1", 0))
    url, name = listener.url, "clip-\udce9.mp4"
    with contextlib.closing(ServeSink(listener, [_Stream(name)], print)) as sink:
        sink.write(live_frame(1, source=name), found())
        for path in ("/metrics", "/healthz", "/snapshot/0.jpg"):
            assert ask(url, path).status == 200
        with watch(url) as events:
            assert next(events)["source"] == name


# Who may look


def test_every_path_needs_the_token(closed_run: _Served) -> None:
    for path in PATHS:
        assert ask(closed_run.url, path).status == 401
        assert ask(closed_run.url, path, method="POST").status == 401
        assert ask(closed_run.url, path, Authorization=f"Bearer {TOKEN}x").status == 401
        wrong = f"{path}?token={TOKEN[:-1]}"
        assert ask(closed_run.url, wrong, Authorization=f"Bearer {TOKEN}").status == 401
    assert ask(closed_run.url, "/", Authorization=f"Basic {TOKEN}").status == 401
    assert ask(closed_run.url, "/", Cookie="spotlet=\x07;;=").status == 401
    statuses = [
        ask(closed_run.url, path, Authorization=f"bearer {TOKEN}").status
        for path in PATHS
        if path != "/events"
    ]
    assert statuses == [200, 200, 200, 200, 200, 200, 404]


def test_a_link_with_the_token_opens_the_page_and_is_forgotten(closed_run: _Served) -> None:
    answer = ask(closed_run.url, f"/healthz?a=b&token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "./healthz?a=b")
    name, _, attributes = answer.headers["set-cookie"].partition("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes.split("; "))
    assert ask(closed_run.url, "/healthz", Cookie=f"other=1; {name}").status == 200
    assert ask(closed_run.url, "/healthz", Cookie=f"{name}x").status == 401
    assert TOKEN not in ask(closed_run.url, "/", Cookie=name).text
    elsewhere = ask(closed_run.url, f"//evil/x%22?token={TOKEN}", Sec_Fetch_Site="cross-site")
    assert 'content="0; url=./x%22"' in elsewhere.text
    assert closed_run.told == []


def test_other_methods_and_paths_are_refused(served: _Served) -> None:
    for path in PATHS:
        answer = ask(served.url, path, method="POST")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    outside = ("/no", "/metrics/", "/page.html", "/../sink.py", "/snapshot/7.jpg", "/snapshot/0")
    assert {ask(served.url, path).status for path in outside} == {404}
    for path in PATHS[:-1]:
        head = ask(served.url, path, method="HEAD")
        assert head.status in (200, 503)
        assert head.body == b""


def test_a_name_that_was_made_to_mean_this_machine_is_refused(served: _Served) -> None:
    port = served.url.rpartition(":")[2].strip("/")
    for good in (f"localhost:{port}", f"127.0.0.1:{port}", "[::1]:80", "LOCALHOST"):
        assert ask(served.url, "/", Host=good).status == 200
    for bad in (f"evil.example:{port}", "127.0.0.1.evil.example", "", "10.0.0.7"):
        assert ask(served.url, "/", Host=bad).status == 421


def test_every_answer_forbids_what_the_page_does_not_need(closed_run: _Served) -> None:
    for path in (*PATHS[:3], "/healthz", "/no"):
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}):
            told = ask(closed_run.url, path, **headers).headers
            assert {name.lower(): value for name, value in guard.HEADERS.items()}.items() <= (
                told.items()
            )
            assert "access-control-allow-origin" not in told
            assert "server" not in told
    assert "unsafe" not in guard.HEADERS["Content-Security-Policy"]


def test_the_page_loads_nothing_from_elsewhere(served: _Served) -> None:
    for path in PATHS[:3]:
        text = ask(served.url, path).text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "")
        assert "innerHTML" not in text


def test_the_page_has_the_colours_of_the_pictures(served: _Served) -> None:
    from spotlet.annotate import PALETTE_RGB

    colours = ", ".join(f'"#{r:02x}{g:02x}{b:02x}"' for r, g, b in PALETTE_RGB)
    assert colours in " ".join(ask(served.url, "/page.js").text.split())


def test_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    run = _Served()
    with contextlib.closing(run.sink), contextlib.ExitStack() as stack:
        place = ("127.0.0.1", int(run.url.rpartition(":")[2].strip("/")))

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(place, PATIENCE_SECONDS))

        silent = [connect() for _ in range(3)]
        with contextlib.suppress(ConnectionError):
            silent[0].sendall(b"GET / HTTP/1.1\r\nHost: ")
        with contextlib.suppress(ConnectionError):
            assert connect().recv(1) == b""
        for client in silent:
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
        monkeypatch.setattr(server, "HEAD_SECONDS", PATIENCE_SECONDS)
        assert ask(run.url).status == 200


def test_a_head_that_does_not_end_is_refused(served: _Served) -> None:
    place = ("127.0.0.1", int(served.url.rpartition(":")[2].strip("/")))
    with socket.create_connection(place, PATIENCE_SECONDS) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 30_000)
        assert b" 400 " in client.recv(100)


# What fails


def test_what_fails_in_it_is_told_once_and_ends_neither_it_nor_detection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = _Served()
    with contextlib.closing(run.sink):
        monkeypatch.setattr(run.sink._board, "is_up", lambda record: 1 / 0)
        assert {ask(run.url, "/healthz").status for _ in range(3)} == {500}
        run.frame(1)
        assert ask(run.url, "/snapshot/0.jpg").status == 200
    assert len(run.told) == 1
    assert "ZeroDivisionError" in run.told[0]


def test_detection_goes_on_where_serving_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: object, sockets: object = None) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr("uvicorn.Server.serve", fail)
    run = _Served()
    with contextlib.closing(run.sink):
        run.sink._server._ended.wait(PATIENCE_SECONDS)
        for number in range(3):
            run.frame(number)
            run.status("live")
    assert len(run.told) == 1
    assert "RuntimeError: no more; detection continues" in run.told[0]


def test_it_ends_at_once_also_with_viewers_that_read_and_that_do_not() -> None:
    run = _Served()
    many = _many(300)
    with call(run.url, "/events", receive_bytes=4096), watch(run.url) as events:
        run.wait_for_viewers(2)
        for number in range(100):
            run.sink.write(replace(live_frame(0), index=number), many)
            next(events)
        run.sink.finish(hurry=True)
        run.sink.close()
        wait_until(run.sink._server._ended.is_set)
        run.sink.write_status(StatusEvent(source=DOOR, state="ended", epoch=0, at=1.7e9))
        run.sink.close()
        with contextlib.suppress(ConnectionError):
            for _ in events:
                pass
    assert run.told == []


# Where


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:0", "::1", 0),
        ("8080", "127.0.0.1", 8080),
        ("localhost:80", "localhost", 80),
    ],
)
def test_an_address(text: str, host: str, port: int) -> None:
    assert ServeAddress.parse(text) == ServeAddress(host, port)


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "::1:80", "[::1]", "a:99999", "a:-1", "a:²", "[a]:80"]
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"must be HOST:PORT"):
        ServeAddress.parse(text)


@pytest.mark.parametrize("token", ["short", "x" * 15, "with a space in the middle", "ö" * 20])
def test_a_token_that_will_not_do_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UsageError, match="16 characters") as raised:
        ServeAddress.parse("127.0.0.1:80", token)
    assert token not in str(raised.value)
    assert TOKEN not in repr(ServeAddress.parse("80", TOKEN))


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_other_addresses_need_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        Listener(ServeAddress.parse(f"{host}:0"))
    with contextlib.suppress(OutputError), Listener(ServeAddress.parse(f"{host}:0", TOKEN)) as here:
        assert not here.is_loopback
        assert here.port > 0


def test_a_port_that_is_taken_is_named() -> None:
    with (
        Listener(ServeAddress("127.0.0.1", 0)) as first,
        pytest.raises(OutputError, match=f"cannot listen on 127.0.0.1:{first.port} "),
    ):
        Listener(ServeAddress("127.0.0.1", first.port))


def test_ipv6() -> None:
    try:
        listener = Listener(ServeAddress.parse("[::1]:0"))
    except (OutputError, UsageError) as error:
        pytest.skip(f"no IPv6 here: {error}")
    url = listener.url
    with contextlib.closing(ServeSink(listener, [_Stream(DOOR)], print)):
        assert url.startswith("http://[::1]:")
        assert ask(url).status == 200


def _many(count: int) -> Detections:
    one = found(0)
    return replace(
        one,
        boxes_xyxy=np.repeat(one.boxes_xyxy, count, 0),
        scores=np.repeat(one.scores, count),
        class_ids=np.repeat(one.class_ids, count),
    )


def _metrics(served: _Served) -> dict[str, float]:
    lines = ask(served.url, "/metrics").text.splitlines()
    plain = [line.split(" ") for line in lines if line[0] != "#" and "{" not in line]
    return {name: float(value) for name, value in plain}
