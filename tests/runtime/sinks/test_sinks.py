import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_frames import number_in
from variable_rate import write_at_times

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.sinks import ImageSink, NdjsonSink, VideoSink, WindowSink, save_sink
from spotlet.sinks.recording.encoder import PictureEncoder
from spotlet.streams import Frame, open_stream

NAMES = ("bolt", "écrou")


def _frame(size_hw: tuple[int, int] = (48, 64), index: int = 0, source: str = "x.mp4") -> Frame:
    return Frame(
        image=np.full((*size_hw, 3), 90, np.uint8),
        source=source,
        index=index,
        pts_seconds=index / 20,
        captured_at=1_700_000_000.12345,
        captured_monotonic=time.monotonic(),
    )


def _found() -> Detections:
    return Detections(
        np.array([[1.23456, 2, 30, 40]], np.float32),
        np.array([0.987654], np.float32),
        np.array([1]),
        NAMES,
    )


def _write_many(sink: VideoSink) -> None:
    for index in range(2000):
        sink.write(_frame((480, 640), index), _found())


def _images_of(video: Path) -> list[ImageArray]:
    with open_stream(video) as stream:
        return [frame.image for frame in stream]


def test_each_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "found.ndjson"
    sink = NdjsonSink(path)
    for index in range(3):
        sink.write(_frame(index=index), _found())
        lines = path.read_text("ascii").splitlines()
        assert [json.loads(line)["frame"] for line in lines] == list(range(index + 1))
        assert json.loads(lines[index])["age_ms"] >= 0
    sink.close()
    sink.close()
    assert sink.written == f"{path} (3 lines)"


def test_a_line_holds_any_source_name(tmp_path: Path) -> None:
    sink = NdjsonSink(tmp_path / "found.ndjson")
    sink.write(_frame(source=os.fsdecode(b"\xff.png")), Detections.none(NAMES))
    sink.close()
    record = json.loads((tmp_path / "found.ndjson").read_bytes())
    assert os.fsencode(record["source"]) == b"\xff.png"
    assert record["detections"] == []


def test_ndjson_under_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        NdjsonSink(tmp_path / "file" / "found.ndjson")


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63), (1, 1), (33, 200)])
def test_a_video_has_every_frame_and_loses_no_row_or_column(
    tmp_path: Path, suffix: str, size_hw: tuple[int, int]
) -> None:
    sink = VideoSink(tmp_path / f"out{suffix}", fps=12.5)
    for index in range(5):
        sink.write(_frame(size_hw, index), Detections.none(NAMES))
    sink.close()
    images = _images_of(tmp_path / f"out{suffix}")
    assert len(images) == 5
    assert images[0].shape == (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2, 3)
    assert sink.written == f"{tmp_path / f'out{suffix}'} (5 frames)"
    with open_stream(tmp_path / f"out{suffix}") as stream:
        assert stream.fps == pytest.approx(12.5)


@pytest.mark.parametrize("fps", [None, 0.0, 90_000.0, float("nan")])
def test_a_rate_that_no_video_has_becomes_the_default(tmp_path: Path, fps: float | None) -> None:
    sink = VideoSink(tmp_path / "out.mp4", fps)
    assert sink.fps == 30
    sink.close()


def test_the_video_takes_its_name_only_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an older video")
    sink = VideoSink(path)
    sink.write(_frame(), _found())
    assert path.read_bytes() == b"an older video"
    sink.close()
    sink.close()
    assert len(_images_of(path)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_what_a_killed_run_left_is_replaced(tmp_path: Path, suffix: str) -> None:
    for name in (f".out.partial{suffix}", ".out.pictures.mp4", f".out{suffix}.lock"):
        (tmp_path / name).write_bytes(b"left")
    sink = VideoSink(tmp_path / f"out{suffix}")
    sink.write(_frame(), _found())
    assert (tmp_path / f".out.partial{suffix}").stat().st_size != 4
    sink.close()
    assert len(_images_of(tmp_path / f"out{suffix}")) == 1
    left = {each.name for each in tmp_path.iterdir()} - {f"out{suffix}"}
    assert left <= {".out.pictures.mp4"}
    assert not left or suffix == ".avi"


def test_an_incomplete_video_keeps_its_partial_name(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, 10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be written|is the disk full"):
            _write_many(sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sink.close()
    assert sink.written is None
    assert [each.name for each in tmp_path.iterdir()] == [".out.partial.mp4"]
    assert len(_images_of(tmp_path / ".out.partial.mp4")) > 0


def test_ctrl_c_within_a_write_leaves_a_video_that_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = VideoSink(tmp_path / "out.mp4", 10)
    for index in range(8):
        sink.write(_frame(index=index), _found())

    def interrupted(self: PictureEncoder, image: ImageArray) -> None:
        encode(self, image)
        raise KeyboardInterrupt

    encode = PictureEncoder.write
    with monkeypatch.context() as patch:
        patch.setattr(PictureEncoder, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sink.write(_frame(index=8), _found())
    sink.close()
    assert len(_images_of(tmp_path / "out.mp4")) == 6  # one, and a half second
    assert sink.written == f"{tmp_path / 'out.mp4'} (6 frames)"
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_a_video_without_frames_leaves_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    sink.close()
    assert sink.written is None
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_letterboxed_into_the_first_ones(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.avi")
    sink.write(_frame((48, 64)), Detections.none(NAMES))
    sink.write(_frame((100, 50), 1), Detections.none(NAMES))
    sink.close()
    first, second = _images_of(tmp_path / "out.avi")
    assert first.shape == second.shape == (48, 64, 3)
    assert abs(int(second[24, 32].mean()) - 90) < 5
    assert second[24, 2].max() < 10


@pytest.mark.parametrize("name", ["out.mkv", "out", "out.jpg"])
def test_a_video_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"saved as \.mp4 or \.avi"):
        VideoSink(tmp_path / name)


def test_an_unwritable_video_is_an_error_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for path in (tmp_path / "file" / "out.mp4", tmp_path / "folder.mp4"):
        with pytest.raises(OutputError, match="cannot be written"):
            VideoSink(path)


def test_images_keep_their_names_and_become_png_where_they_must(tmp_path: Path) -> None:
    sink = ImageSink(tmp_path / "out")
    for index, source in enumerate(["a/one.jpg", "b/one.jpg", "a/two.webp", "a/THREE.PNG"]):
        sink.write(_frame(index=index, source=source), _found())
    sink.close()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["THREE.PNG", "one-1.jpg", "one.jpg", "two.png"]
    assert all(cv2.imread(str(path)) is not None for path in (tmp_path / "out").iterdir())
    assert sink.written == f"{tmp_path / 'out'} (4 images)"


def test_an_image_never_replaces_its_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would replace the source"):
        ImageSink(tmp_path, sources=frozenset({(tmp_path / "one.png").resolve()})).write(
            _frame(source=str(tmp_path / "one.png")), _found()
        )


def test_images_under_a_file_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        ImageSink(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="cannot be written"):
        ImageSink(tmp_path / "file" / "out.png", single=True)


@pytest.mark.skipif(
    "GUI:                           NONE" not in cv2.getBuildInformation(),
    reason="this OpenCV has windows",
)
def test_a_window_without_a_desktop_says_what_to_install() -> None:
    with pytest.raises(UsageError, match="then `pip install --no-deps opencv"):
        WindowSink("test")


def test_the_sink_follows_from_the_source_and_the_path(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    clip = write_clip(tmp_path / "clip.avi", [_frame().image] * 3, fps=15)
    (tmp_path / "many").mkdir()
    image = tmp_path / "many" / "one.png"
    assert cv2.imwrite(str(image), _frame().image)

    def choose(source: Path, path: str) -> object:
        with open_stream(source) as stream:
            sink = save_sink(tmp_path / path, stream)
            sink.close()
            return sink

    video = choose(clip, "out.mp4")
    assert isinstance(video, VideoSink)
    assert video.fps == 15
    assert isinstance(choose(image, "out.jpg"), ImageSink)
    assert isinstance(choose(image, "out"), ImageSink)
    assert isinstance(choose(image.parent, "out"), ImageSink)
    assert isinstance(choose(image.parent, "out.mp4"), VideoSink)
    for source, path in [(clip, "out.png"), (clip, "out"), (image, "out.mp4")]:
        with pytest.raises(UsageError, match="saved"):
            choose(source, path)
    with pytest.raises(UsageError, match="would replace the source"):
        choose(clip, "clip.avi")


def test_a_sink_is_closed_at_the_end_of_a_with_block(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, 20) as sink:
        sink.write(_frame(), _found())
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_every_frame_of_a_video_with_a_variable_rate_is_shown_at_its_time(
    tmp_path: Path, suffix: str
) -> None:
    gaps = [1 / 30] * 5 + [2.0] + [0.5] * 4 + [1.0] + [1 / 60] * 12
    times = np.round(np.concatenate([[0], np.cumsum(gaps)]), 3)
    write_at_times(tmp_path / "in.mp4", times.tolist())
    out = tmp_path / f"out{suffix}"
    with open_stream(tmp_path / "in.mp4") as stream:
        sink = save_sink(out, stream)
        for frame in stream:
            sink.write(frame, Detections.none(NAMES))
    sink.close()
    assert sink.written == f"{out} ({len(times)} frames)"
    shown: dict[int, float] = {}
    with open_stream(out) as stream:
        for picture in stream:
            assert picture.pts_seconds is not None
            shown.setdefault(number_in(picture.image), picture.pts_seconds)
    assert list(shown) == list(range(len(times)))
    assert list(shown.values()) == pytest.approx(times, abs=1.1 / 60)


def test_a_frame_too_close_to_be_shown_is_counted_and_a_jump_of_the_clock_is_not_filled(
    tmp_path: Path,
) -> None:
    sink = VideoSink(tmp_path / "out.mp4", fps=10, real_time=True)
    for index, pts in enumerate([0, 0.01, 0.02, 0.2, 95_443.0, 95_443.1, 3.0]):
        frame = dataclasses.replace(_frame(index=index), pts_seconds=pts)
        sink.write(frame, Detections.none(NAMES))
    sink.close()
    assert sink.written == f"{tmp_path / 'out.mp4'} (6 frames, 1 too close to be shown)"
    assert len(_images_of(tmp_path / "out.mp4")) == 6
