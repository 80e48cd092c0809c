from pathlib import Path

import pytest
from live_frames import found, live_frame, numbers_in
from patience import Clock

from spotlet.detections import Detections
from spotlet.errors import OutputError
from spotlet.sinks import RecordingSink, SnapshotSink, retry
from spotlet.sinks.retry import RETRY_SECONDS, RetriedSink
from spotlet.streams import Frame


class _Disk:
    """A sink whose disk may be full; it writes only even frames."""

    def __init__(self) -> None:
        self.is_full = False
        self.numbers: list[int] = []
        self.tries = 0

    @property
    def written(self) -> str | None:
        return f"disk ({len(self.numbers)} frames)" if self.numbers else None

    def write(self, frame: Frame, detections: Detections) -> None:
        self.tries += 1
        if frame.index % 2 == 0:
            if self.is_full:
                raise OutputError("disk: cannot be written (No space left on device)")
            self.numbers.append(frame.index)

    def close(self) -> None:
        if self.is_full:
            raise OutputError("disk: cannot be finished")


def _write(sink: RetriedSink, *numbers: int) -> None:
    for number in numbers:
        sink.write(live_frame(number), found())


def test_a_failure_is_reported_once_and_dropped_frames_are_counted() -> None:
    disk, reports = _Disk(), list[str]()
    sink = RetriedSink(disk, reports.append, retry_seconds=0)
    _write(sink, 0)
    disk.is_full = True
    _write(sink, 2, 3, 4, 5)
    assert reports == [
        "disk: cannot be written (No space left on device); dropping frames and trying again "
        "every 0 s"
    ]
    disk.is_full = False
    _write(sink, 7)
    assert len(reports) == 1  # nothing was written, so nobody knows yet
    _write(sink, 8, 9, 10)
    assert reports[1:] == ["disk (2 frames): writing again after 2 dropped frames"]
    assert (disk.numbers, sink.dropped) == ([0, 8, 10], 2)
    disk.is_full = True
    _write(sink, 12)
    assert len(reports) == 3
    assert sink.written == "disk (3 frames); 3 frames dropped, writing failed"
    sink.close()
    assert reports[3:] == ["disk: cannot be finished"]


def test_the_next_attempt_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    disk = _Disk()
    sink = RetriedSink(disk, lambda line: None)
    disk.is_full = True
    _write(sink, *range(0, 100, 2))
    assert (disk.tries, sink.dropped) == (1, 50)
    disk.is_full = False
    clock.advance(RETRY_SECONDS - 0.1)
    _write(sink, 98)
    clock.advance(0.2)
    _write(sink, 100, 102)
    assert (disk.numbers, sink.dropped) == ([100, 102], 51)
    assert RETRY_SECONDS == 30


def test_a_recording_continues_in_a_new_file_when_its_folder_is_back(tmp_path: Path) -> None:
    reports: list[str] = []
    (tmp_path / "disk").mkdir()
    sink = RetriedSink(RecordingSink(tmp_path / "disk" / "out.mp4", 10), reports.append)
    sink.write(live_frame(0, 0), found())
    (tmp_path / "disk").rename(tmp_path / "away")
    for number in range(1, 100):
        sink.write(live_frame(number, number / 10), found())
    sink._next_try = 0
    (tmp_path / "away").rename(tmp_path / "disk")
    sink.write(live_frame(100, 10), found())
    sink.close()
    assert ["trying again" in line for line in reports] == [True, False]
    assert "out-2.mp4 (2 frames): writing again after 99 dropped frames" in reports[1]
    assert numbers_in(tmp_path / "disk" / "out.mp4") == [0]
    assert numbers_in(tmp_path / "disk" / "out-2.mp4") == [100]


def test_snapshots_are_taken_again(tmp_path: Path) -> None:
    reports: list[str] = []
    sink = RetriedSink(SnapshotSink(tmp_path / "shots"), reports.append, retry_seconds=0)
    (tmp_path / "shots").rmdir()
    (tmp_path / "shots").touch()
    for number in range(5):
        sink.write(live_frame(number, number), found(0))
    (tmp_path / "shots").unlink()
    sink.write(live_frame(5, 5), found())
    assert len(reports) == 1
    sink.write(live_frame(6, 6), found(0))
    assert len(reports) == 2
    assert sink.dropped == 5


def test_a_bug_is_not_retried() -> None:
    class Broken(_Disk):
        def write(self, frame: Frame, detections: Detections) -> None:
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        _write(RetriedSink(Broken(), lambda line: None), 0)
