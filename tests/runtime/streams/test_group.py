import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from patience import Clock, wait_until
from servers.mjpeg import MjpegServer
from servers.numbered import numbered_picture, read_number
from servers.viewer import Viewer

from spotlet.errors import SourceError, UsageError
from spotlet.streams import (
    Frame,
    Reconnection,
    StatusEvent,
    Stream,
    StreamGroup,
    open_streams,
)
from spotlet.streams.connection import Connection
from spotlet.streams.feeds import Feed
from spotlet.streams.frame import take_frame
from spotlet.streams.source import Source

pytestmark = pytest.mark.live

WriteClip = Callable[..., Path]


def _clip(path: Path, write_clip: WriteClip, count: int, fps: float = 20.0) -> Path:
    return write_clip(path, [numbered_picture(number) for number in range(count)], fps=fps)


def test_a_fast_a_slow_and_a_dead_camera_each_get_what_is_theirs() -> None:
    """One sends 200 pictures a second, one a picture in 3 seconds, one does not exist."""
    rules = Reconnection(stall_seconds=60, open_seconds=60, first_seconds=0.1, most_seconds=0.2)
    with contextlib.ExitStack() as stack:
        fast, slow, plain, dead = (
            stack.enter_context(MjpegServer(fps=fps)) for fps in (200, 1 / 3, 10, 10)
        )
        dead.fault = "refuse"
        urls = [server.url for server in (fast, slow, plain, dead)]
        viewer = stack.enter_context(Viewer(urls, reconnection=rules, work_seconds=0.02, most=2))
        names = dict(zip(("fast", "slow", "plain", "dead"), viewer.names, strict=True))
        viewer.wait(
            lambda: (
                len(viewer.frames[names["slow"]]) >= 2
                and viewer.states(names["dead"]).count("lost") > 10
            )
        )
        viewer.close()
    seen = {camera: viewer.frames[name] for camera, name in names.items()}
    for server, camera in ((fast, "fast"), (slow, "slow"), (plain, "plain")):
        assert [frame.epoch for frame in seen[camera]] == [0] * len(seen[camera])
        for before, after in pairwise(seen[camera]):
            places = [server.sent[frame.number].place for frame in (before, after)]
            assert places[1] - places[0] == after.dropped + 1 == after.index - before.index
    assert all(len(set(batch)) == len(batch) <= 2 for batch in viewer.batches)
    assert seen["dead"] == []
    assert set(viewer.states(names["dead"])) == {"connecting", "lost", "ended"}
    assert sum(frame.dropped for frame in seen["fast"]) > 0


@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_files_are_read_in_turn_each_to_its_end(
    tmp_path: Path, write_clip: WriteClip, most: int
) -> None:
    paths = [_clip(tmp_path / f"{n}.avi", write_clip, n) for n in (4, 9, 6)]
    got: dict[str, list[int]] = {str(path): [] for path in paths}
    turns = []
    with open_streams(paths) as group:
        for arrivals in group.batches(most):
            assert len(arrivals) <= most
            turns += [stream.source for stream, _ in arrivals]
            for stream, frame in arrivals:
                got[stream.source].append(read_number(frame.image))
    assert list(got.values()) == [list(range(4)), list(range(9)), list(range(6))]
    assert all(set(turns[at : at + 3]) == set(got) for at in range(0, 12, 3))
    assert group.failures == {}
    assert all(stream.over for stream in group.streams)


def test_a_damaged_file_stops_no_other(tmp_path: Path, write_clip: WriteClip) -> None:
    good = _clip(tmp_path / "good.avi", write_clip, 5)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with open_streams([bad, good]) as group:
        frames = [frame for batch in group.batches() for _, frame in batch]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert list(group.failures) == [str(bad)]
    assert group.failures[str(bad)].startswith("not an image")
    with open_streams([bad]) as group, pytest.raises(SourceError, match=r"bad\.png"):
        list(group.batches())


def test_a_camera_that_is_given_up_stops_no_other(tmp_path: Path, write_clip: WriteClip) -> None:
    clip = _clip(tmp_path / "clip.avi", write_clip, 20)
    rules = Reconnection(retries=1, first_seconds=0.01, open_seconds=2)
    url = "http://admin:hunter2@127.0.0.1:9/door"
    with open_streams([url, clip], reconnection=rules, mode="live") as group:
        frames = [frame for batch in group.batches() for _, frame in batch]
    assert frames[-1].index == 19
    ((name, why),) = group.failures.items()
    assert name == "http://127.0.0.1:9/door"
    assert why.startswith("cannot be reached")
    assert "hunter" not in why


class _Camera(Feed):
    """A feed that has as many frames as the test says."""

    def __init__(self) -> None:
        self.left = 0

    def poll(self) -> Frame | None:
        self.left -= 1
        return take_frame(numbered_picture(0), "", 0, None) if self.left >= 0 else None

    def close(self) -> None: ...


@contextlib.contextmanager
def _group(
    cameras: str, max_fps: float | None = None
) -> Iterator[tuple[StreamGroup, list[_Camera]]]:
    changed, feeds = threading.Event(), [_Camera() for _ in cameras]
    streams = [
        Stream(Source("url", name, name), feed, "live", max_fps, changed)
        for name, feed in zip(cameras, feeds, strict=True)
    ]
    with StreamGroup(streams, changed) as group:
        yield group, feeds


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_a_slow_camera_waits_one_round_at_most_and_fast_ones_share_alike(most: int) -> None:
    with _group("abcds") as (group, cameras):  # d is dead
        for fast in cameras[:3]:
            fast.left = 10**6
        turns = ""
        batches = group.batches(most)
        for _ in range(100):
            cameras[-1].left = 1
            before = len(turns)
            while len(turns) < before + 4:
                turns += "".join(stream.source for stream, _ in next(batches))
            assert "s" in turns[before : before + 4]
    counts = [turns.count(name) for name in "abc"]
    assert max(counts) - min(counts) <= 1
    assert "d" not in turns


def test_idle_is_called_each_time_that_nothing_has_arrived() -> None:
    with _group("s") as (group, (camera,)):

        def come_third() -> Frame | None:
            polls.append(1)
            return take_frame(numbered_picture(0), "", 0, None) if len(polls) == 3 else None

        polls: list[int] = []
        calls: list[int] = []
        camera.poll = come_third  # type: ignore[method-assign]
        next(group.batches(1, lambda: calls.append(1)))
        assert len(calls) == 2


def test_max_fps_takes_every_nth_frame_of_each_stream_of_a_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    clock.now = 0.0
    monkeypatch.setattr("spotlet.streams.stream.time", clock)
    taken: dict[str, list[int]] = {"a": [], "b": []}
    with _group("ab", max_fps=16) as (group, cameras):
        for tick in range(40):
            for camera in cameras:
                camera.left = 1  # a new frame has taken the place of the one before
            for stream, _ in group._collect(2):
                taken[stream.source].append(tick)
            clock.advance(1 / 64)
    assert taken == {"a": list(range(0, 40, 4)), "b": list(range(0, 40, 4))}


def test_leaving_a_group_closes_its_streams(tmp_path: Path, write_clip: WriteClip) -> None:
    paths = [_clip(tmp_path / f"{n}.avi", write_clip, 20) for n in range(2)]
    with open_streams(paths, mode="live") as group:
        for _ in group.batches():
            break
    assert all(stream.over for stream in group.streams)


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([], "at least one"),
        (["0", 0], "given twice"),
        (["rtsp://admin:hunter2@host/door"] * 2, "given twice"),
    ],
)
def test_a_group_is_of_different_sources(sources: list[str | int], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        open_streams(sources)
    assert "hunter" not in str(caught.value)


def test_cameras_that_only_their_credentials_tell_apart_have_two_names() -> None:
    urls = ["http://127.0.0.1:9/v?token=hunter2", "http://127.0.0.1:9/v?token=hunter3"]
    with open_streams(urls) as group:
        names = [stream.source for stream in group.streams]
    assert names == ["http://127.0.0.1:9/v?token=***", "http://127.0.0.1:9/v?token=*** #2"]


def test_a_camera_that_does_not_answer_holds_up_no_other() -> None:
    patient = Reconnection(open_seconds=3600)
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/door"
        well = stack.enter_context(MjpegServer())
        viewer = stack.enter_context(Viewer([url], reconnection=patient))
        other = stack.enter_context(Viewer([well.url]))
        other.wait_for_frames(other.names[0], 1)
        assert viewer.states(viewer.names[0]) == ["connecting"]


def test_a_source_that_is_missing_opens_none_of_the_others() -> None:
    with MjpegServer() as server, pytest.raises(SourceError, match="no such file"):
        open_streams([server.url, "missing.mp4"])
    assert server.connections == 0


def test_a_batch_is_of_one_frame_or_more() -> None:
    with (
        open_streams(["http://127.0.0.1:9/door"]) as group,
        pytest.raises(UsageError, match="at least 1"),
    ):
        list(group.batches(0))


def test_all_streams_are_closed_where_telling_of_one_raises() -> None:
    def tell(event: StatusEvent) -> None:
        if event.state == "ended":
            raise RuntimeError(event.source)

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(MjpegServer()) for _ in range(3)]
        group = open_streams([server.url for server in servers], on_status=tell)
        with pytest.raises(RuntimeError):
            group.close()
        assert all(stream.over for stream in group.streams)
        feeds = [stream._feed for stream in group.streams]
        left = [each for feed in feeds if isinstance(feed, Connection) for each in feed._left]
        assert len(left) == 3
        wait_until(lambda: not any(capture.running for capture in left))


def test_a_group_gives_frame_after_frame(tmp_path: Path, write_clip: WriteClip) -> None:
    paths = [_clip(tmp_path / f"{count}.avi", write_clip, count) for count in (2, 3)]
    with open_streams([str(path) for path in paths]) as group:
        got = [(stream.source, frame.index) for stream, frame in group]
    first, second = map(str, paths)
    assert sorted(got) == [
        *((first, each) for each in range(2)),
        *((second, each) for each in range(3)),
    ]
