from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_frames import SIZE_HW, found, live_frame, numbered_image, numbers_in
from servers.mjpeg import MjpegServer

from spotlet.errors import OutputError, UsageError
from spotlet.sinks import (
    QueuedSink,
    RecordingSink,
    Sink,
    SinkGroup,
    SnapshotSink,
    VideoSink,
    save_sink,
    save_sinks,
    snapshot_sink,
)
from spotlet.sinks.file_names import LONGEST_NAME_BYTES, safe_name, source_name, unique_names
from spotlet.streams import StreamGroup, open_stream, open_streams

URLS = ["http://me:secret@127.0.0.1:9/door?token=abc", "http://127.0.0.1:9/door-2"]


@pytest.fixture
def clip(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    return write_clip(tmp_path / "clip.avi", [numbered_image(n) for n in range(3)], fps=15)


@pytest.fixture
def cameras() -> Iterator[StreamGroup]:
    """Two cameras that do not exist."""
    with open_streams(URLS, on_status=lambda event: None) as group:
        yield group


def _inner(sink: Sink) -> Sink:
    assert isinstance(sink, QueuedSink)
    return sink._sink


def test_what_is_live_is_recorded_behind_a_queue(tmp_path: Path, clip: Path) -> None:
    with open_stream(clip, mode="live") as stream:
        sink = save_sink(tmp_path / "out.mp4", stream, max_fps=5)
        for number in range(3):
            sink.write(live_frame(number, number / 5), found())
        sink.close()
        assert isinstance(_inner(sink), RecordingSink)
        with pytest.raises(UsageError, match=r"saved as \.mp4"):
            save_sink(tmp_path / "out.avi", stream)
    assert numbers_in(tmp_path / "out.mp4") == [0, 1, 2]
    with open_stream(tmp_path / "out.mp4") as stream:
        assert stream.fps == 5


def test_a_url_in_video_mode_has_every_frame(tmp_path: Path) -> None:
    with MjpegServer() as camera, open_stream(camera.url, mode="video") as stream:
        sink = save_sink(tmp_path / "out.mp4", stream)
        for number in range(20):
            sink.write(live_frame(number, number * 3), found())
        sink.close()
        assert isinstance(_inner(sink), RecordingSink)
    assert numbers_in(tmp_path / "out.mp4") == list(range(20))


def test_a_live_source_that_is_not_there_yet_can_be_saved(
    tmp_path: Path, cameras: StreamGroup
) -> None:
    sink = save_sink(tmp_path / "out.mp4", cameras.streams[0])
    sink.write(live_frame(0, 0), found())
    sink.close()
    with open_stream(tmp_path / "out.mp4") as stream:
        assert stream.fps == 30


def test_several_sources_have_a_video_each(
    tmp_path: Path, cameras: StreamGroup, clip: Path
) -> None:
    with open_stream(clip) as stream:
        sink = save_sinks(tmp_path / "all", [*cameras.streams, stream])
        assert isinstance(sink, SinkGroup)
        for number, source in enumerate([*(s.source for s in cameras.streams), stream.source]):
            assert "secret" not in source
            sink.write(live_frame(number, number, source=source), found())
        sink.close()
    assert {path.name: numbers_in(path) for path in (tmp_path / "all").iterdir()} == {
        "127.0.0.1_9_door_token.mp4": [0],
        "127.0.0.1_9_door_2.mp4": [1],
        "clip.mp4": [2],
    }
    assert sink.written is not None
    assert sink.written.count("(1 frames)") == 3


def test_one_stream_is_saved_like_a_single_source(tmp_path: Path, clip: Path) -> None:
    with open_stream(clip) as stream:
        sink = save_sinks(tmp_path / "out.avi", [stream])
        sink.close()
    assert isinstance(sink, VideoSink)


def test_several_sources_are_not_saved_in_one_file_nor_over_themselves(
    tmp_path: Path, cameras: StreamGroup, write_clip: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="in a folder, one video each"):
        save_sinks(tmp_path / "out.mp4", cameras.streams)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="in a folder, one video each"):
        save_sinks(tmp_path / "file", cameras.streams)
    with pytest.raises(OutputError, match="cannot be written"):
        save_sinks(tmp_path / "file" / "all", cameras.streams)
    with pytest.raises(UsageError, match="two have the same name"):
        save_sinks(tmp_path / "all", [cameras.streams[0], cameras.streams[0]])
    own = write_clip(tmp_path / "own.mp4", [numbered_image(0)] * 2)
    image = tmp_path / "one.png"
    assert cv2.imwrite(str(image), numbered_image(0))
    with open_stream(own) as stream, open_stream(image) as picture:
        with pytest.raises(UsageError, match="would replace the source"):
            save_sinks(tmp_path, [cameras.streams[0], stream])
        with pytest.raises(UsageError, match="a separate run"):
            save_sinks(tmp_path / "all", [stream, picture])


def test_a_group_closes_all_although_one_fails(tmp_path: Path) -> None:
    class Failing(RecordingSink):
        def close(self) -> None:
            super().close()
            raise OutputError("the disk is full")

    sinks = {"a": Failing(tmp_path / "a.mp4", 10), "b": RecordingSink(tmp_path / "b.mp4", 10)}
    group = SinkGroup(sinks)
    for number, source in enumerate("abb"):
        group.write(live_frame(number, number / 10, source=source), found())
    with pytest.raises(OutputError, match="the disk is full"):
        group.close()
    assert numbers_in(tmp_path / "b.mp4") == [1, 2]
    SinkGroup({}).close()


def test_snapshots_of_what_is_live_are_taken_behind_a_queue(
    tmp_path: Path, cameras: StreamGroup, clip: Path
) -> None:
    sink = snapshot_sink(tmp_path / "shots", cameras.streams)
    sink.write(live_frame(0, 0, size_hw=SIZE_HW), found(0))
    sink.close()
    assert isinstance(_inner(sink), SnapshotSink)
    assert len(list((tmp_path / "shots").iterdir())) == 1
    with open_stream(clip) as stream:
        assert isinstance(snapshot_sink(tmp_path / "shots", [stream]), SnapshotSink)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("camera 0", "camera_0"),
        ("rtsp://user:p@ss@10.0.0.7:554/a/b?c=1&password=x", "10.0.0.7_554_a_b_c_1_password"),
        ("/home/me/clip.v2.mp4", "clip.v2"),
        ("../../..", "unnamed"),
        ("a\0b\ud800.png", "a_b"),
    ],
)
def test_a_source_has_a_name(source: str, name: str) -> None:
    assert source_name(source) == name


@given(st.lists(st.text() | st.sampled_from(["a", "A", "a_2", "a-2", ""]), max_size=8))
def test_names_are_safe_and_unique(sources: list[str]) -> None:
    names = unique_names(sources)
    assert len({name.casefold() for name in names}) == len(sources)
    for name in names:
        assert name
        assert not set(name) & set('-/\\:*?"<>| \0')
        assert name[0] != "."
        assert len(name.encode()) <= LONGEST_NAME_BYTES + 3
    assert all(safe_name(name) for name in sources)
