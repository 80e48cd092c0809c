"""Faults of cameras, injected into real servers on loopback."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, wait_until
from servers.mjpeg import Fault, MjpegServer
from servers.numbered import read_number
from servers.viewer import Seen, Viewer

from spotlet.streams import Reconnection, open_stream
from spotlet.streams.connection import Connection

pytestmark = pytest.mark.live

PATIENT = Reconnection(
    stall_seconds=600, open_seconds=600, first_seconds=0.1, most_seconds=0.4, stable_seconds=600
)
"""A camera that is well may be silent for as long as a busy machine makes it."""

FAULTS: tuple[Fault, ...] = ("refuse", "mute", "die", "stall", "garbage", "half")
CASES = (*FAULTS, "size", "absent")
"""Also a camera that changes the size of its pictures, and one that is not there at the start."""

STALLS: tuple[Fault, ...] = ("mute", "stall", "half")
"""The faults that a live connection shows by silence; the others break it off."""


@dataclass
class Case:
    """What a camera did and what came of it."""

    server: MjpegServer
    frames: list[Seen]
    states: list[str]


@dataclass
class Experiment:
    """All faults at once, next to a camera that is well."""

    viewer: Viewer
    cases: dict[str, Case]
    well: Case


@pytest.fixture(scope="module")
def experiment() -> Iterator[Experiment]:
    with contextlib.ExitStack() as stack:
        servers = {case: stack.enter_context(MjpegServer(fps=15)) for case in CASES}
        well = stack.enter_context(MjpegServer(fps=30))
        servers["absent"].fault = "refuse"
        urls = [server.url for server in (*servers.values(), well)]
        viewer = stack.enter_context(Viewer(urls, reconnection=PATIENT, most=4))
        names = dict(zip(servers, viewer.names, strict=False))
        well_name = viewer.names[-1]
        present = [name for case, name in names.items() if case != "absent"]
        viewer.wait(lambda: all(len(viewer.frames[name]) > 5 for name in present))

        seen = len(viewer.frames[well_name])
        for fault in FAULTS:
            servers[fault].fault = fault
            if fault in STALLS:
                viewer.give_up_by(names[fault], replace(PATIENT, stall_seconds=1, open_seconds=5))
        servers["size"].size_hw = (144, 192)
        told = [names[case] for case in (*FAULTS, "size")]
        viewer.wait(lambda: all({"lost", "stalled"} & {*viewer.states(name)} for name in told))
        viewer.wait(lambda: len(viewer.frames[well_name]) >= seen + 10)
        for fault in STALLS:
            viewer.give_up_by(names[fault], replace(PATIENT, open_seconds=5))
        for server in servers.values():
            server.fault = None
        healed = time.monotonic()
        viewer.wait(
            lambda: all(
                len(viewer.frames[name]) > 12 and viewer.frames[name][-5].at > healed
                for name in names.values()
            )
        )
        viewer.close()
        cases = {
            case: Case(
                server=server,
                frames=viewer.frames[names[case]],
                states=viewer.states(names[case]),
            )
            for case, server in servers.items()
        }
        well_case = Case(well, viewer.frames[well_name], viewer.states(well_name))
        yield Experiment(viewer, cases, well_case)


def assert_true_to_the_server(server: MjpegServer, frames: list[Seen]) -> None:
    """Each frame was sent, in this order and size, and within an epoch none is uncounted."""
    numbers = [frame.number for frame in frames]
    assert numbers == sorted(set(numbers))
    assert all(server.sent[frame.number].size_hw == frame.size_hw for frame in frames)
    assert [frame.index for frame in frames[:1]] == [frame.dropped for frame in frames[:1]]
    for before, after in pairwise(frames):
        assert after.index - before.index == after.dropped + 1
        assert after.epoch - before.epoch in (0, 1)
        if after.epoch == before.epoch:
            places = [server.sent[frame.number].place for frame in (before, after)]
            assert places[1] - places[0] == after.index - before.index


@pytest.mark.parametrize("case", CASES)
def test_frames_before_and_after_a_fault_are_right_and_none_is_invented(
    experiment: Experiment, case: str
) -> None:
    frames = experiment.cases[case].frames
    assert_true_to_the_server(experiment.cases[case].server, frames)
    assert {frame.epoch for frame in frames} == ({0} if case == "absent" else {0, 1})


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_told_in_order(experiment: Experiment, case: str) -> None:
    states = experiment.cases[case].states
    before = [] if case == "absent" else ["connecting", "live"]
    loss = ["stalled"] if case in STALLS else ["connecting", "lost"] if not before else ["lost"]
    after = states[len(before + loss) : -3]
    assert states[: len(before + loss)] == before + loss
    assert after == ["connecting", "lost"] * (len(after) // 2)
    assert states[-3:] == ["connecting", "live", "ended"]


def test_no_attempt_comes_before_it_was_announced(experiment: Experiment) -> None:
    viewer = experiment.viewer
    for name in viewer.names:
        events = [(at, event) for at, event in viewer.events if event.source == name]
        for (at, event), (next_at, _) in pairwise(events):
            if event.retry_seconds is not None:
                assert PATIENT.first_seconds / 2 <= event.retry_seconds <= PATIENT.most_seconds
                assert next_at - at - event.retry_seconds > -0.01


def test_the_faults_of_others_do_not_touch_a_camera_that_is_well(experiment: Experiment) -> None:
    assert_true_to_the_server(experiment.well.server, experiment.well.frames)
    assert experiment.well.states == ["connecting", "live", "ended"]


def test_nothing_that_is_told_holds_a_credential(experiment: Experiment) -> None:
    told = repr(experiment.viewer.events) + repr(list(experiment.viewer.frames))
    assert "127.0.0.1" in told
    assert "hunter" not in told
    assert "admin" not in told


def test_a_consumer_slower_than_the_camera_gets_the_newest_frame_and_an_exact_count() -> None:
    taken: list[Seen] = []
    least = 0
    with MjpegServer(fps=30) as server, open_stream(server.url, reconnection=PATIENT) as stream:

        def newest() -> int:
            """Returns the number of the frame that waits to be taken."""
            assert isinstance(stream._feed, Connection)
            frame = stream._feed._capture and stream._feed._capture._newest
            return read_number(frame.image) if frame else 0

        for frame in stream:
            taken.append(
                Seen(
                    number=read_number(frame.image),
                    index=frame.index,
                    dropped=frame.dropped,
                    epoch=frame.epoch,
                    size_hw=frame.size_hw,
                    at=0.0,
                )
            )
            assert taken[-1].number >= least
            if len(taken) == 4:
                break
            server.fault = None
            wanted = max(server.sent) + 10
            wait_until(lambda: max(server.sent) >= wanted)  # noqa: B023 - it ends here
            server.fault = "stall"
            wait_until(lambda: newest() >= max(server.sent) - 1)  # FFmpeg may hold one back
            least = newest()
    assert_true_to_the_server(server, taken)
    assert sum(frame.dropped + 1 for frame in taken) == server.sent[taken[-1].number].place + 1
    assert all(frame.dropped >= 8 for frame in taken[1:])


def test_half_pictures_are_left_out_without_losing_the_connection() -> None:
    with MjpegServer(fps=30) as server, Viewer([server.url], reconnection=PATIENT) as viewer:
        (name,) = viewer.names
        viewer.wait_for_frames(name, 5)
        server.fault = "half"
        time.sleep(0.2)
        server.fault = None
        viewer.wait_for_frames(name, 5)
        viewer.close()
    assert_true_to_the_server(server, viewer.frames[name])
    assert viewer.states(name) == ["connecting", "live", "ended"]


def test_a_camera_over_http_says_no_time_and_no_rate() -> None:
    """FFmpeg takes 25 frames a second for granted; that is no presentation time."""
    with MjpegServer(fps=10) as server, open_stream(server.url) as stream:
        frames = [frame for frame, _ in zip(stream, range(3), strict=False)]
        assert [frame.pts_seconds for frame in frames] == [None] * 3
        assert (stream.fps, stream.size_hw, stream.frame_count) == (None, (96, 128), None)


def _threads_and_files() -> tuple[int, int]:
    files = Path("/proc/self/fd")
    return threading.active_count(), len(list(files.iterdir())) if files.exists() else 0


def test_twenty_reconnections_leave_no_thread_and_no_file_behind() -> None:
    rules = Reconnection(stall_seconds=60, first_seconds=0.01, most_seconds=0.02)
    with MjpegServer(fps=60) as server, Viewer([server.url], reconnection=rules) as viewer:
        (name,) = viewer.names
        counts = []
        for _ in range(21):
            viewer.wait_for_frames(name, 1)
            counts.append(_threads_and_files())
            server.fault = "die"
            viewer.wait(lambda: viewer.states(name)[-1] == "lost")
            server.fault = None
            viewer.wait(lambda: viewer.states(name)[-1] == "live")
        most = [max(count[kind] for count in counts[1:6]) + 1 for kind in (0, 1)]
        # Those of the last connections may still be about to end.
        viewer.wait(lambda: all(map(int.__le__, _threads_and_files(), most)))
        viewer.close()
    assert_true_to_the_server(server, viewer.frames[name])
    assert viewer.frames[name][-1].epoch >= 20


IDLE_CODE = """
import sys, time
from spotlet.streams import Reconnection, open_streams
rules = Reconnection(open_seconds=3600, stall_seconds=3600)
with open_streams(sys.argv[1:], reconnection=rules) as group:
    import threading
    threading.Timer(0.5, lambda: started.append((time.monotonic(), time.process_time()))).start()
    threading.Timer(2.5, group.stop).start()
    started = []
    for _ in group.batches():
        pass
    spent = time.process_time() - started[0][1]
    took = time.monotonic() - started[0][0]
print(spent / took)
"""


def _run_quietly(code: str, urls: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a program on URLs, with FFmpeg's messages as spotlet sets them."""
    return subprocess.run(
        [sys.executable, "-c", code, *urls],
        env={k: v for k, v in os.environ.items() if k != "OPENCV_FFMPEG_LOGLEVEL"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )


def test_silent_sources_cost_next_to_nothing_and_hold_nothing_up_at_the_end() -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(8)]
        ports = [each.getsockname()[1] for each in silent]
        urls = [f"http://admin:hunter2@127.0.0.1:{port}/door" for port in ports[:4]]
        urls += [f"rtsp://admin:hunter2@127.0.0.1:{port}/door" for port in ports[4:]]
        done = _run_quietly(IDLE_CODE, urls)
    assert float(done.stdout) < 0.1  # of a core, where to look all the time would take one
    assert done.stderr == ""


REFUSED_CODE = """
import sys, logging
from spotlet.streams import Reconnection, open_streams
logging.basicConfig(level=logging.DEBUG)
rules = Reconnection(retries=1, open_seconds=1, first_seconds=0.01)
with open_streams(sys.argv[1:], reconnection=rules) as group:
    assert list(group.batches()) == []
    print(group.failures, group.streams)
"""


def _deny(listener: socket.socket, status: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(status + b'\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n')


def test_a_camera_that_wants_another_password_makes_nobody_tell_the_one_it_got() -> None:
    with contextlib.ExitStack() as stack:
        urls = []
        for scheme, status in (
            ("http", b"HTTP/1.0 401 Unauthorized"),
            ("rtsp", b"RTSP/1.0 401 Unauthorized"),
        ):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            threading.Thread(target=_deny, args=(listener, status), daemon=True).start()
            urls.append(f"{scheme}://admin:hunter2@127.0.0.1:{listener.getsockname()[1]}/door")
        done = _run_quietly(REFUSED_CODE, urls)
    assert done.stdout.count("cannot be reached") == 2
    assert done.stderr.count(": lost: cannot be reached") == 4
    assert "hunter" not in done.stdout + done.stderr
    assert "admin" not in done.stdout + done.stderr
