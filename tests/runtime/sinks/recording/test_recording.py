import math
from pathlib import Path

import numpy as np
import pytest
from live_frames import SIZE_HW, found, live_frame, numbers_in

from spotlet.errors import OutputError, UsageError
from spotlet.sinks import RecordingSink, VideoSink
from spotlet.sinks.recording.sink import LOST_SECONDS, STILL_SECONDS
from spotlet.streams import open_stream


def _record(path: Path, times: list[float], fps: float, **settings: float) -> RecordingSink:
    sink = RecordingSink(path, fps, **settings)  # type: ignore[arg-type]
    for number, at in enumerate(times):
        sink.write(live_frame(number, at), found())
    sink.close()
    return sink


def _write(sink: RecordingSink, numbers: range) -> None:
    for number in numbers:
        sink.write(live_frame(number, number / 10), found())


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_frame_is_shown_when_it_was_captured_within_a_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    times = np.cumsum(random.uniform(0.3, 5, 120)).tolist()  # in pictures
    _record(tmp_path / "out.mp4", [at / 20 for at in times], 20)
    shown: dict[int, int] = {}
    numbers = numbers_in(tmp_path / "out.mp4")
    for picture, number in enumerate(numbers):
        shown.setdefault(number, picture)
    assert numbers == sorted(numbers)
    late = [picture - (times[number] - times[0]) for number, picture in shown.items()]
    assert max(map(abs, late)) < 1
    assert len(numbers) == pytest.approx(times[-1] - times[0], abs=1.01)


def test_jitter_neither_repeats_nor_skips_frames(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    times = [number / 20 + random.uniform(-0.02, 0.02) for number in range(100)]
    times[0] = 0
    _record(tmp_path / "out.mp4", times, 20)
    assert numbers_in(tmp_path / "out.mp4") == list(range(100))


def test_a_slow_source_is_repeated_and_frames_of_a_fast_one_are_skipped(tmp_path: Path) -> None:
    _record(tmp_path / "slow.mp4", [0, 1, 2], 4)
    assert numbers_in(tmp_path / "slow.mp4") == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    sink = _record(tmp_path / "fast.mp4", [number / 40 for number in range(40)], 10)
    numbers = numbers_in(tmp_path / "fast.mp4")
    assert len(numbers) == len(set(numbers))
    assert max(abs(number / 4 - place) for place, number in enumerate(numbers)) <= 1
    assert sink.written == f"{tmp_path / 'fast.mp4'} ({len(numbers)} frames)"


def test_out_of_real_time_each_frame_is_one_picture(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [0, 0.01, 9, 200, 200.1], 10, real_time=False)
    assert numbers_in(tmp_path / "out.mp4") == [0, 1, 2, 3, 4]


def test_a_lost_signal_begins_a_new_file(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    short, lost = LOST_SECONDS - 1, LOST_SECONDS + 1
    for number, (at, epoch) in enumerate([(0, 0), (short, 1), (short + lost, 2), (12, 2)]):
        sink.write(live_frame(number, at, epoch=epoch), found())
    sink.close()
    assert numbers_in(tmp_path / "out.mp4") == [0] * 40 + [1]
    assert numbers_in(tmp_path / "out-2.mp4") == [2] * 20 + [3]
    assert sink.written == f"{tmp_path / 'out.mp4'} to out-2.mp4 (4 frames)"


def test_nothing_is_shown_for_minutes(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [0, 0.9 * STILL_SECONDS, 2 * STILL_SECONDS], 2)
    assert len(numbers_in(tmp_path / "out.mp4")) == 0.9 * STILL_SECONDS * 2 + 1
    assert numbers_in(tmp_path / "out-2.mp4") == [2]


def test_a_rate_of_many_seconds_is_not_a_lost_signal(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "out.mp4", 0.1)
    for number in range(3):
        sink.write(live_frame(number, 20 * number, epoch=number), found())
    sink.close()
    assert numbers_in(tmp_path / "out.mp4") == [0, 0, 1, 1, 2]


def test_another_size_begins_a_new_file(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    sink.write(live_frame(0, 0), found())
    sink.write(live_frame(1, 0.1, size_hw=(SIZE_HW[0] * 2, SIZE_HW[1])), found())
    sink.close()
    with open_stream(tmp_path / "out.mp4") as first, open_stream(tmp_path / "out-2.mp4") as second:
        assert first.size_hw == SIZE_HW
        assert second.size_hw == (SIZE_HW[0] * 2, SIZE_HW[1])


def test_a_file_is_no_longer_than_it_may_be(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [number / 10 for number in range(25)], 10, file_seconds=1)
    assert [numbers_in(tmp_path / f"out{part}.mp4") for part in ("", "-2", "-3")] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]


def test_a_restart_replaces_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        _record(tmp_path / "out.mp4", [0, 0.1], 10)
    (tmp_path / "out-7.mp4").write_bytes(b"mine")
    (tmp_path / "out-x.mp4").write_bytes(b"another's")
    _record(tmp_path / "out.mp4", [0, 0.1], 10)
    assert _names(tmp_path) == ["out-2.mp4", "out-7.mp4", "out-8.mp4", "out-x.mp4", "out.mp4"]
    assert (tmp_path / "out-7.mp4").read_bytes() == b"mine"


def test_the_newest_files_are_kept_and_others_are_not_touched(tmp_path: Path) -> None:
    others = ["out-007.mp4", "out-1.mp4", "out-x.mp4", "out-2.avi", "out-20260101T1.mp4", "in.mp4"]
    for name in others:
        (tmp_path / name).write_bytes(b"another's")
    seconds = [number / 10 for number in range(45)]
    sink = _record(tmp_path / "out.mp4", seconds, 10, file_seconds=1, keep=3)
    assert _names(tmp_path) == sorted([*others, "out-3.mp4", "out-4.mp4", "out-5.mp4"])
    assert sink.written == f"{tmp_path / 'out-3.mp4'} to out-5.mp4 (45 frames)"
    _record(tmp_path / "out.mp4", [0], 10, keep=1)
    assert _names(tmp_path) == sorted([*others, "out-6.mp4"])
    with pytest.raises(UsageError, match="keep 0: must be at least 1"):
        RecordingSink(tmp_path / "out.mp4", keep=0)


def test_after_an_error_it_continues_in_a_new_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be written|is the disk full"):
            _write(sink, range(200))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    _write(sink, range(200, 210))
    sink.close()
    before, after = numbers_in(tmp_path / "out.mp4"), numbers_in(tmp_path / "out-2.mp4")
    assert before == list(range(len(before)))
    assert after == list(range(200, 210))
    assert sink.written == f"{tmp_path / 'out.mp4'} to out-2.mp4 ({len(before) + 10} frames)"
    assert _names(tmp_path) == ["out-2.mp4", "out.mp4"]


def test_a_missing_folder_is_an_error_and_is_used_once_it_is_back(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "disk" / "out.mp4", 10)
    (tmp_path / "disk").rename(tmp_path / "away")
    with pytest.raises(OutputError, match="cannot be written"):
        sink.write(live_frame(0, 0), found())
    (tmp_path / "away").rename(tmp_path / "disk")
    sink.write(live_frame(1, 1), found())
    sink.close()
    assert numbers_in(tmp_path / "disk" / "out.mp4") == [1]
    assert _names(tmp_path / "disk") == ["out.mp4"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    for name in (".out.pictures.mp4", ".out.mp4.lock"):
        (tmp_path / name).write_bytes(b"left")
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    assert _names(tmp_path) == [".out.mp4.lock"]
    sink.close()
    assert _names(tmp_path) == []


@pytest.mark.parametrize("other", [RecordingSink, VideoSink])
def test_two_sinks_cannot_write_to_one_name(
    tmp_path: Path, other: type[RecordingSink] | type[VideoSink]
) -> None:
    pytest.importorskip("fcntl")
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    with pytest.raises(OutputError, match="another program is writing to it"):
        other(tmp_path / "out.mp4", 10)
    sink.close()
    other(tmp_path / "out.mp4", 10).close()
    assert _names(tmp_path) == []


def test_the_rate_is_asked_for_when_the_source_is_there(tmp_path: Path) -> None:
    rates: list[float | None] = [None]
    sink = RecordingSink(tmp_path / "out.mp4", lambda: rates[0])
    rates[0] = 12.5
    sink.write(live_frame(0, 0), found())
    rates[0] = math.nan
    sink.write(live_frame(1, 1, size_hw=(48, 192)), found())
    sink.close()
    with open_stream(tmp_path / "out.mp4") as first, open_stream(tmp_path / "out-2.mp4") as second:
        assert (first.fps, second.fps) == (12.5, 30)


def test_detections_are_drawn(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "out.mp4", 10)
    sink.write(live_frame(0, 0), found(0))
    sink.close()
    with open_stream(tmp_path / "out.mp4") as stream:
        image = next(iter(stream)).image
    assert image[60, 20:23].max() > 150  # the left side of the box
    assert abs(int(image[60, 150].mean()) - 90) < 20


def test_without_a_frame_nothing_is_left(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "new" / "out.mp4", 10)
    sink.close()
    sink.close()
    assert sink.written is None
    assert _names(tmp_path / "new") == []


def test_what_cannot_be_recorded_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"saved as \.mp4, which survives a crash"):
        RecordingSink(tmp_path / "out.avi", 10)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        RecordingSink(tmp_path / "file" / "out.mp4", 10)


def test_pictures_that_cannot_be_encoded_are_an_error_without_a_file(tmp_path: Path) -> None:
    sink = RecordingSink(tmp_path / "new" / "out.mp4", 10)
    with pytest.raises(OutputError, match="cannot encode"):
        sink.write(live_frame(0, 0, size_hw=(32, 100_000)), found())
    sink.close()
    assert sink.written is None
    assert _names(tmp_path / "new") == []
