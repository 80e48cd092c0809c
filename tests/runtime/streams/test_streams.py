import copy
import functools
import http.server
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from patience import PATIENCE_SECONDS, ends, wait_until

from spotlet.errors import SourceError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.streams import (
    Frame,
    Reconnection,
    StatusEvent,
    Stream,
    locate_source,
    open_stream,
    open_streams,
)
from spotlet.streams.feeds import EveryFrame, Feed, OneConnection
from spotlet.streams.opencv import _camera_index, open_capture
from spotlet.streams.source import Source, natural_key
from spotlet.streams.stream import StreamMode

WriteClip = Callable[..., Path]


def _numbered(count: int) -> list[ImageArray]:
    """Frames whose number is how many columns after the first are white, lossy coding or not."""
    frames = [np.zeros((48, 64, 3), np.uint8) for _ in range(count)]
    for number, frame in enumerate(frames):
        frame[:, : number + 1] = 255
    return frames


def _number(image: ImageArray) -> int:
    return int((image.mean(axis=(0, 2)) > 128).sum()) - 1


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".webm"])
def test_a_video_gives_every_frame_in_order_with_its_time(
    tmp_path: Path, write_clip: WriteClip, suffix: str
) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", _numbered(50), fps=20)
    with open_stream(path) as stream:
        assert (stream.kind, stream.mode, stream.fps) == ("video", "video", 20)
        assert (stream.size_hw, stream.frame_count) == ((48, 64), 50)
        frames = list(stream)
    assert [_number(frame.image) for frame in frames] == list(range(50))
    assert [frame.index for frame in frames] == list(range(50))
    assert [frame.pts_seconds for frame in frames] == pytest.approx(np.arange(50) / 20, abs=2e-3)
    assert all(frame.dropped == 0 and frame.epoch == 0 for frame in frames)
    assert all(frame.source == str(path) for frame in frames)
    assert stream.ended_early is None


@pytest.mark.parametrize("use", [pickle.dumps, copy.copy, copy.deepcopy])
def test_an_open_stream_is_not_pickled_and_still_reads(
    tmp_path: Path, write_clip: WriteClip, use: Callable[[object], object]
) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(2))
    with open_streams([path]) as group:
        for thing in (group.streams[0], group, [group]):
            if use is copy.copy and thing is not group.streams[0]:
                continue  # which does not copy what is inside
            with pytest.raises(UsageError, match=r"clip\.avi: an open stream cannot be pickled or"):
                use(thing)
        assert len(list(group)) == 2


def test_frames_are_stamped_with_the_time_of_their_capture(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    before = time.time(), time.monotonic()
    with open_stream(write_clip(tmp_path / "clip.avi", _numbered(3))) as stream:
        frames = list(stream)
    assert before[0] <= frames[0].captured_at <= frames[2].captured_at <= time.time()
    assert before[1] <= frames[0].captured_monotonic <= time.monotonic()


def test_frames_are_independent_of_each_other(tmp_path: Path, write_clip: WriteClip) -> None:
    with open_stream(write_clip(tmp_path / "clip.avi", _numbered(3))) as stream:
        frames = list(stream)
    frames[0].image[:] = 0
    assert _number(frames[1].image) == 1


def _with_index_first(content: bytes) -> bytes:
    """Moves an MP4's `moov` box before its `mdat`, as "fast start" does."""
    boxes, start = {}, 0
    while start < len(content):
        size = struct.unpack(">I", content[start : start + 4])[0]
        boxes[content[start + 4 : start + 8]] = content[start : start + size]
        start += size
    moov = bytearray(boxes.pop(b"moov"))
    table = moov.index(b"stco") + 8
    count = struct.unpack(">I", moov[table : table + 4])[0]
    for at in range(table + 4, table + 4 + 4 * count, 4):
        moved = struct.unpack(">I", moov[at : at + 4])[0] + len(moov)
        moov[at : at + 4] = struct.pack(">I", moved)
    head = boxes.pop(b"ftyp")
    return head + bytes(moov) + b"".join(boxes.values())


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".webm"])
def test_a_truncated_video_gives_the_frames_before_the_cut_and_says_so(
    tmp_path: Path, write_clip: WriteClip, suffix: str
) -> None:
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(50)]
    whole = write_clip(tmp_path / f"whole{suffix}", frames).read_bytes()
    if suffix == ".mp4":
        whole = _with_index_first(whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    with open_stream(cut) as stream:
        count = len(list(stream))
    assert 20 <= count <= 35
    assert stream.ended_early is not None
    assert f"ended after {count} of 50 frames" in stream.ended_early


def test_leaving_early_is_no_early_end(tmp_path: Path, write_clip: WriteClip) -> None:
    with open_stream(write_clip(tmp_path / "clip.avi", _numbered(10))) as stream:
        for _ in stream:
            break
    assert stream.ended_early is None


@pytest.mark.parametrize("name", ["text.mp4", "text.avi", "text.jpg", "text.png", "text.xyz"])
@pytest.mark.parametrize("content", [b"", b"hello world\n" * 300])
def test_what_is_no_picture_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"OpenCV can decode") as caught:
        list(open_stream(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_opencv_and_ffmpeg_write_nothing_of_their_own(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    cut = write_clip(tmp_path / "clip.mp4", _numbered(20))
    cut.write_bytes(cut.read_bytes()[:-200])
    code = (
        "import sys, spotlet\n"
        "for source in sys.argv[1:]:\n"
        "    try: list(spotlet.open_stream(source, mode='video'))\n"
        "    except spotlet.SpotletError: print('refused')\n"
    )
    sources = [str(cut), "63", "rtsp://127.0.0.1:9/x"]
    environment = {k: v for k, v in os.environ.items() if k != "OPENCV_FFMPEG_LOGLEVEL"}
    command = [sys.executable, "-c", code, *sources]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 3
    assert done.stderr == ""


def test_a_stream_is_closed_after_its_loop_and_says_so(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    stream = open_stream(write_clip(tmp_path / "clip.avi", _numbered(3)))
    assert len(list(stream)) == 3
    with pytest.raises(UsageError, match="this stream is closed"):
        iter(stream)
    stream.close()


def _save(path: Path, image: ImageArray, *parameters: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, parameters)
    return path


def test_an_image_is_one_frame(tmp_path: Path) -> None:
    path = _save(tmp_path / "one.png", _numbered(8)[7])
    with open_stream(path) as stream:
        assert (stream.kind, stream.frame_count, stream.fps) == ("image", 1, None)
        frames = list(stream)
    assert [_number(frame.image) for frame in frames] == [7]
    assert frames[0].pts_seconds is None


def test_a_folder_gives_its_images_in_natural_order_and_nothing_else(tmp_path: Path) -> None:
    numbers = [10, 2, 1, 9]
    for number in numbers:
        _save(tmp_path / "many" / f"frame{number}.png", _numbered(20)[number])
    (tmp_path / "many" / "notes.txt").write_text("no image")
    (tmp_path / "many" / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "many" / "folder.png").mkdir()
    with open_stream(tmp_path / "many") as stream:
        assert (stream.kind, stream.frame_count, stream.mode) == ("images", 4, "video")
        frames = list(stream)
    assert [_number(frame.image) for frame in frames] == sorted(numbers)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert Path(frames[3].source).name == "frame10.png"


def test_an_image_is_an_image_under_any_name(tmp_path: Path) -> None:
    jpeg = _save(tmp_path / "one.jpg", _numbered(8)[7]).read_bytes()
    many = tmp_path / "many"
    many.mkdir()
    for name in ("a.jfif", "b.jpe", "c", "d.dat"):
        (many / name).write_bytes(jpeg)
        with open_stream(many / name) as stream:
            assert stream.kind == "image"
            assert len(list(stream)) == 1
    # One that OpenCV cannot decode is named, not skipped.
    (many / "e.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with open_stream(many) as stream:
        assert [Path(frame.source).name for frame in stream] == [
            "a.jfif",
            "b.jpe",
            "c",
            "d.dat",
        ]
        assert "1 of 5 images cannot be used" in str(stream.ended_early)
        assert "e.heic: HEIC" in str(stream.ended_early)


def test_a_video_is_a_video_under_the_name_of_an_image(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    path = write_clip(tmp_path / "clip.mp4", _numbered(3)).rename(tmp_path / "clip.jpg")
    with open_stream(path) as stream:
        assert (stream.kind, len(list(stream))) == ("video", 3)


def test_a_glob_gives_the_images_that_fit(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.jpg", "b1.png"):
        _save(tmp_path / name, _numbered(1)[0])
    with open_stream(f"{tmp_path}/a*") as stream:
        assert [Path(frame.source).name for frame in stream] == ["a1.png", "a2.jpg"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no images"):
        open_stream(tmp_path)


def test_a_glob_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image matches this pattern"):
        open_stream(f"{tmp_path}/*.png")


def test_a_damaged_image_in_a_folder_is_named_and_stops_no_other(tmp_path: Path) -> None:
    good = _save(tmp_path / "a.png", _numbered(1)[0])
    (tmp_path / "b.png").write_bytes(good.read_bytes()[:40])
    _save(tmp_path / "c.png", _numbered(1)[0])
    with open_stream(tmp_path) as stream:
        assert [Path(frame.source).name for frame in stream] == ["a.png", "c.png"]
        assert stream.ended_early is not None
        assert "1 of 3 images cannot be used" in stream.ended_early
        assert "b.png" in stream.ended_early
    with pytest.raises(SourceError, match=r"b\.png"):
        next(iter(open_stream(tmp_path / "b.png")))


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((48, 64), np.uint8, (100, 100, 100)),
        ((48, 64, 4), np.uint8, (100, 100, 100)),
        ((48, 64, 3), np.uint16, (100, 100, 100)),
        ((48, 64), np.uint16, (100, 100, 100)),
    ],
)
def test_grey_transparent_and_16_bit_images_come_as_three_bytes_a_pixel(
    tmp_path: Path, shape: tuple[int, ...], kind: type, expected: tuple[int, int, int]
) -> None:
    value = 100 if kind is np.uint8 else 100 * 257
    path = _save(tmp_path / "odd.png", np.full(shape, value, kind))
    with open_stream(path) as stream:
        (frame,) = stream
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == (48, 64, 3)
    assert tuple(frame.image[0, 0]) == expected


def test_an_image_is_turned_as_its_exif_orientation_says(tmp_path: Path) -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40] = 255
    plain = _save(tmp_path / "plain.jpg", image).read_bytes()
    # APP1 with a TIFF header and one entry: tag 0x0112 (orientation), a short, 6: turn right.
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + b"\x01\x12\x00\x03\x00\x00\x00\x01"
    tiff += b"\x00\x06\x00\x00" + b"\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(
        plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    )
    with open_stream(turned) as stream:
        (frame,) = stream
    assert frame.size_hw == (80, 40)
    assert frame.image[10, 20].min() > 200
    assert frame.image[70, 20].max() < 50


def test_an_image_with_a_name_outside_ascii_is_read(tmp_path: Path) -> None:
    path = _save(tmp_path / "plain.png", _numbered(1)[0]).rename(tmp_path / "Übung 画像.png")
    assert len(list(open_stream(path))) == 1


def test_live_mode_gives_the_newest_frame_and_counts_the_rest(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(50), fps=50)
    with open_stream(path, mode="live") as stream:
        wait_until(lambda: not _is_read_on(stream))
        (frame,) = stream
    assert (_number(frame.image), frame.index, frame.dropped) == (49, 49, 49)


def _is_read_on(stream: Stream) -> bool:
    assert isinstance(stream._feed, OneConnection)
    return stream._feed._capture.running


def test_max_fps_holds_a_live_stream_back_by_dropping(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(50), fps=50)
    started = time.monotonic()
    with open_stream(path, mode="live", max_fps=10) as stream:
        given = list(stream)
    assert len(given) <= 10 * (time.monotonic() - started) + 2
    assert sum(frame.dropped + 1 for frame in given) == 50


def test_max_fps_holds_a_video_back_by_waiting(tmp_path: Path, write_clip: WriteClip) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(10), fps=50)
    started = time.monotonic()
    with open_stream(path, max_fps=20) as stream:
        assert len(list(stream)) == 10
    assert time.monotonic() - started >= 9 / 20


def test_a_live_stream_leaves_no_thread_behind(tmp_path: Path, write_clip: WriteClip) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(50), fps=10)
    with open_stream(path, mode="live") as stream:
        next(iter(stream))
    wait_until(lambda: not _is_read_on(stream))


class _FailingReader:
    fps: float | None = None
    size_hw: tuple[int, int] | None = None
    frame_count: int | None = None
    decoder: str | None = None
    ended_early: str | None = None
    closed = False

    def read(self) -> Frame | None:
        raise SourceError("the disk is gone")

    def close(self) -> None:
        self.closed = True


def _stream(feed: Feed, mode: StreamMode, changed: threading.Event) -> Stream:
    return Stream(Source("video", "clip.avi"), feed, mode, None, changed)


def test_an_error_in_the_capture_thread_reaches_the_consumer() -> None:
    reader, changed = _FailingReader(), threading.Event()
    stream = _stream(OneConnection(lambda: reader, changed, "paced"), "live", changed)
    with pytest.raises(SourceError, match="the disk is gone"):
        list(stream)
    assert reader.closed
    assert stream.over


def test_an_error_ends_the_stream() -> None:
    stream = _stream(EveryFrame(_FailingReader()), "video", threading.Event())
    with pytest.raises(SourceError, match="the disk is gone"):
        stream.poll()
    assert stream.over
    assert stream.poll() is None


def test_polling_gives_what_a_loop_gives(tmp_path: Path, write_clip: WriteClip) -> None:
    frames = []
    with open_stream(write_clip(tmp_path / "clip.avi", _numbered(5))) as stream:
        while not stream.over:
            frame = stream.poll()
            frames += [] if frame is None else [frame.index]
    assert frames == [0, 1, 2, 3, 4]
    assert stream.poll() is None
    assert stream.wait_seconds() == 0


def test_a_file_played_live_says_how_old_its_frames_are(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(6), fps=4)
    opened = time.monotonic()
    with open_stream(path, mode="live") as stream:
        for frame in stream:  # captured when it was due, and not when it was decoded
            assert frame.pts_seconds is not None
            assert frame.captured_monotonic >= opened + frame.pts_seconds


@pytest.mark.parametrize("mode", ["video", "live"])
def test_a_stream_is_ended_from_another_thread(
    tmp_path: Path, write_clip: WriteClip, mode: StreamMode
) -> None:
    path = write_clip(tmp_path / "clip.avi", _numbered(50), fps=1)
    stream = open_stream(path, mode=mode, max_fps=0.001)  # the second frame in a quarter of an hour
    frames = iter(stream)
    next(frames)
    stopping = threading.Timer(0.1, stream.stop)
    stopping.start()
    assert ends(lambda: list(frames)) == []
    assert stream.ended_early is None
    stopping.join()


def test_a_camera_that_is_not_there_is_an_error_in_video_mode() -> None:
    for source in (63, "63"):
        with pytest.raises(SourceError, match="camera 63: no such camera"):
            open_stream(source, mode="video")


def test_a_camera_that_is_not_there_is_an_error_after_its_retries() -> None:
    events: list[StatusEvent] = []
    rules = Reconnection(retries=1, first_seconds=0.01)
    with pytest.raises(SourceError, match=r"camera 63: no such camera.*retries left \(1"):
        list(open_stream(63, reconnection=rules, on_status=events.append))
    assert [event.state for event in events] == ["connecting", "lost"] * 2 + ["ended"]


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"missing\.mp4: no such file"):
        open_stream("missing.mp4")


@pytest.fixture
def clip_server(tmp_path: Path, write_clip: WriteClip) -> Iterator[str]:
    write_clip(tmp_path / "clip.avi", _numbered(20))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=os.fspath(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.live
def test_a_url_is_read_and_its_credentials_are_not_shown(clip_server: str) -> None:
    with open_stream(f"http://user:secret@{clip_server}/clip.avi", mode="video") as stream:
        frames = list(stream)
    assert stream.kind == "url"
    assert [_number(frame.image) for frame in frames] == list(range(20))
    assert frames[0].source == stream.source == f"http://{clip_server}/clip.avi"


@pytest.mark.live
def test_a_url_is_live_by_default_and_its_end_is_a_loss(clip_server: str) -> None:
    """A camera may send what looks like a file, so nobody takes its end for the end of it all."""
    events: list[StatusEvent] = []
    rules = Reconnection(retries=1, first_seconds=0.01)
    with open_stream(
        f"http://{clip_server}/clip.avi", on_status=events.append, reconnection=rules
    ) as stream:
        assert stream.mode == "live"
        frames = list(stream)
    assert sum(frame.dropped + 1 for frame in frames) == frames[-1].index + 1
    assert {frame.epoch for frame in frames} <= {0, 1}
    assert stream.frame_count is None
    assert stream.ended_early is not None
    states = [event.state for event in events]
    assert states == ["connecting", "live", "lost", "connecting", "live", "lost", "ended"]
    assert "if it is a file, read it in video mode" in str(events[2].reason)


@pytest.mark.live
def test_a_url_in_video_mode_that_hangs_can_be_left(clip_server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"http://127.0.0.1:{silent.getsockname()[1]}/clip.mp4"
        code = (
            "import sys, _thread, threading\n"
            "from spotlet.streams import Reconnection, open_streams\n"
            "rules = Reconnection(open_seconds=3600)\n"
            "threading.Timer(1.0, _thread.interrupt_main).start()\n"
            "open_streams(sys.argv[1:], mode='video', reconnection=rules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, f"http://{clip_server}/clip.avi", mute],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
    assert "KeyboardInterrupt" in done.stderr


@pytest.mark.live
def test_a_url_that_nobody_answers_is_an_error_without_its_credentials() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SourceError, match="cannot be reached") as caught:
            open_stream(f"rtsp://user:secret@{address}/door", mode="video")
    assert "secret" not in str(caught.value)


@pytest.mark.live
def test_a_url_that_never_answers_is_given_up_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    right = cv2.VideoCapture

    class Noting:  # a subclass would corrupt the heap when it is freed
        def __init__(self) -> None:
            self._capture = right()

        def open(self, name: str, api: int, settings: list[int]) -> bool:
            asked.extend(settings)
            return self._capture.open(name, api, settings)

    monkeypatch.setattr(cv2, "VideoCapture", Noting)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/clip.mp4"
        with pytest.raises(SourceError, match="cannot be reached"):
            open_stream(url, mode="video", reconnection=Reconnection(open_seconds=0.5))
    assert asked[asked.index(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC) + 1] == 500


def test_credentials_are_in_nothing_that_a_source_shows() -> None:
    source = locate_source("rtsp://user:secret@10.0.0.7:554/door")
    assert source.name == "rtsp://10.0.0.7:554/door"
    assert "secret" not in repr(source)


def test_sources_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.MP4").touch()
    (tmp_path / "a.JPG").touch()
    assert locate_source(0).location == 0
    assert locate_source("12").name == "camera 12"
    assert locate_source("https://host/x").is_live
    assert locate_source(tmp_path / "a.MP4").kind == "video"
    assert locate_source(str(tmp_path / "a.JPG")).kind == "image"
    assert locate_source(tmp_path).kind == "images"


@pytest.mark.parametrize("source", ["", "-1", "ftp://host/x", "file:///etc/passwd"])
def test_what_cannot_be_a_source_is_refused(source: str) -> None:
    with pytest.raises(UsageError):
        locate_source(source)


def test_a_scheme_may_be_in_capitals() -> None:
    source = locate_source("RTSP://user:Secret@Host/Door")
    assert (source.kind, source.name) == ("url", "rtsp://Host/Door")
    assert source.location == "rtsp://user:Secret@Host/Door"


@pytest.mark.live
def test_a_password_that_must_be_encoded_is_a_hint_and_not_shown() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it does not listen
        url = f"http://user:se#cret@127.0.0.1:{nobody.getsockname()[1]}/x"
        with pytest.raises(SourceError, match=r"cannot be reached.*write @ as %40") as raised:
            open_stream(url, mode="video")
    assert "cret" not in str(raised.value)


def test_a_camera_is_also_its_device_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_id = "/dev/v4l/by-id/usb-Maker_Camera-video-index0"
    for name in ("/dev/video7", by_id):
        source = locate_source(name)
        assert (source.kind, source.name, source.is_live) == ("camera", name, True)
    assert _camera_index(3) == 3
    assert _camera_index(by_id) is None
    with pytest.raises(SourceError, match=f"{by_id}: no such camera"):
        open_stream(by_id, mode="video")
    monkeypatch.setattr(Path, "resolve", lambda _: Path("/dev/video7"))
    assert _camera_index(str(tmp_path)) == 7


def test_a_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(SourceError, match=r"/dev/null: a device or a socket; must be"):
        open_stream("/dev/null")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("spare_cores", [True, False])
def test_a_pipe_is_read_to_its_end(
    tmp_path: Path, write_clip: WriteClip, spare_cores: bool
) -> None:
    clip = write_clip(tmp_path / "clip.webm", _numbered(9))
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=lambda: (tmp_path / "pipe").write_bytes(clip.read_bytes()), daemon=True
    )
    writer.start()
    with open_streams([tmp_path / "pipe"], spare_cores=spare_cores) as group:
        assert [_number(frame.image) for _, frame in group] == list(range(9))
    writer.join(PATIENCE_SECONDS)


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="no /dev/stdin here")
@pytest.mark.parametrize("through_pipe", [True, False])
def test_standard_input_is_read(tmp_path: Path, write_clip: WriteClip, through_pipe: bool) -> None:
    clip = write_clip(tmp_path / "clip.webm", _numbered(9))
    program = "from spotlet.streams import open_stream; print(len(list(open_stream('/dev/stdin'))))"
    with clip.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            **({"input": file.read()} if through_pipe else {"stdin": file}),
        )
    assert int(done.stdout) == 9


def test_natural_order_counts_numbers() -> None:
    names = ["b/1.png", "a/10.png", "a/9.png", "a/x.png", "a/9b.png"]
    ordered = [path.as_posix() for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["a/9.png", "a/9b.png", "a/10.png", "a/x.png", "b/1.png"]


def _open(**settings: object) -> Stream:
    return open_stream("missing.mp4", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"mode": "fast"}, {"max_fps": 0}])
def test_settings_out_of_their_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="must be"):
        _open(**settings)


def test_images_have_no_live_mode(tmp_path: Path) -> None:
    path = _save(tmp_path / "one.png", _numbered(1)[0])
    with pytest.raises(UsageError, match="no live mode"):
        open_stream(path, mode="live")


@pytest.mark.parametrize(("size_hw", "threads"), [((96, 128), 1), ((736, 1280), None)])
def test_small_pictures_are_decoded_on_one_core_where_the_others_have_work(
    tmp_path: Path, write_clip: WriteClip, size_hw: tuple[int, int], threads: int | None
) -> None:
    path = write_clip(tmp_path / "a.mp4", [np.full((*size_hw, 3), n, np.uint8) for n in (9, 99)])
    source = locate_source(path)
    capture = open_capture(source, 1, 1, spare_cores=False)
    used = capture.get(cv2.CAP_PROP_N_THREADS)
    plain = open_capture(source, 1, 1).get(cv2.CAP_PROP_N_THREADS)
    assert used == (plain if threads is None else threads)
    assert capture.read()[0]
    with open_streams([path], spare_cores=False) as group:
        assert sum(len(batch) for batch in group.batches()) == 2
