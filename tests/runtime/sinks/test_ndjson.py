import json
import os
import subprocess
import sys
import threading
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from live_frames import found, live_frame
from patience import PATIENCE_SECONDS

from spotlet.errors import OutputError, UsageError
from spotlet.events import status_event
from spotlet.sinks import NdjsonSink
from spotlet.streams import StatusEvent

ROTATE_BYTES = 1024


def _records(*paths: Path) -> list[dict[str, Any]]:
    content = b"".join(path.read_bytes() for path in paths)
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def _row(path: Path) -> list[Path]:
    """The files of a rotation, oldest first."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix[1:]))
    return [*older, path]


def _write_frames(sink: NdjsonSink) -> None:
    for number in range(20):
        sink.write(live_frame(number), found(0))


def _write(path: Path, numbers: range, **settings: int) -> None:
    sink = NdjsonSink(path, **settings)
    for number in numbers:
        sink.write(live_frame(number), found(0))
    sink.close()


def test_a_status_event_is_a_line_among_the_frames(tmp_path: Path) -> None:
    sink = NdjsonSink(tmp_path / "found.ndjson")
    event = StatusEvent(source="camera 0", state="lost", epoch=2, at=5.0, reason="it broke off")
    sink.write(live_frame(0), found())
    sink.write_status(event)
    sink.write(live_frame(1, source="camera 0"), found())
    assert [record.get("event") for record in _records(tmp_path / "found.ndjson")] == [
        None,
        "status",
        None,
    ]
    assert _records(tmp_path / "found.ndjson")[1] == status_event(event)
    assert _records(tmp_path / "found.ndjson")[2]["source"] == "camera 0"
    sink.close()
    sink.write_status(event)
    assert sink.written == f"{tmp_path / 'found.ndjson'} (3 lines)"


def test_without_rotation_the_file_holds_one_run(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(5))
    _write(path, range(2))
    assert [record["frame"] for record in _records(path)] == [0, 1]


def test_rotation_splits_no_line_and_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(40), rotate_bytes=ROTATE_BYTES, keep=50)
    row = _row(path)
    assert len(row) > 5
    assert [each.name for each in row[-2:]] == ["found.ndjson.1", "found.ndjson"]
    assert all(0 < each.stat().st_size <= ROTATE_BYTES for each in row)
    assert [record["frame"] for each in row for record in _records(each)] == list(range(40))


def test_no_more_files_are_kept_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(40), rotate_bytes=ROTATE_BYTES, keep=2)
    assert [each.name for each in _row(path)] == [
        "found.ndjson.2",
        "found.ndjson.1",
        "found.ndjson",
    ]
    numbers = [record["frame"] for record in _records(*_row(path))]
    assert numbers == list(range(numbers[0], 40))


def test_a_line_longer_than_a_file_has_one_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    sink = NdjsonSink(path, rotate_bytes=ROTATE_BYTES)
    for classes in ((0,), (0,) * 30, (0,)):
        sink.write(live_frame(0), found(*classes))
    sink.close()
    assert [len(record["detections"]) for record in _records(*_row(path))] == [1, 30, 1]
    assert len(_row(path)) == 3


def test_a_service_continues_its_file(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    for start in (0, 3, 6):
        _write(path, range(start, start + 3), rotate_bytes=ROTATE_BYTES)
    assert [record["frame"] for record in _records(*_row(path))] == list(range(9))


@pytest.mark.parametrize("long", [False, True])
def test_a_partial_line_left_by_a_kill_is_removed(tmp_path: Path, long: bool) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(2), rotate_bytes=10**6)
    with path.open("ab") as file:
        file.write(b'{"schema":1,"source":"' + b"x" * (200_000 if long else 5))
    _write(path, range(2, 4), rotate_bytes=10**6)
    assert [record["frame"] for record in _records(path)] == [0, 1, 2, 3]


def test_a_complete_line_without_its_line_break_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(2), rotate_bytes=10**6)
    path.write_bytes(path.read_bytes()[:-1])
    _write(path, range(2, 4), rotate_bytes=10**6)
    assert [record["frame"] for record in _records(path)] == [0, 1, 2, 3]


def test_the_next_rotation_finishes_a_killed_one(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"
    _write(path, range(15), rotate_bytes=ROTATE_BYTES, keep=3)
    path.replace(tmp_path / "moved")
    for number in (2, 1):  # the row was moved up, and the file not yet
        (tmp_path / f"found.ndjson.{number}").replace(tmp_path / f"found.ndjson.{number + 1}")
    (tmp_path / "moved").replace(path)
    _write(path, range(15, 19), rotate_bytes=ROTATE_BYTES, keep=3)
    numbers = [record["frame"] for record in _records(*_row(path))]
    assert numbers == list(range(numbers[0], 19))
    assert len(_row(path)) == 4


def test_a_line_that_the_system_accepts_in_parts_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "found.ndjson"

    class Slow(FileIO):
        def write(self, content: Any, /) -> int:
            return super().write(memoryview(content)[:7])

    sink = NdjsonSink(path)
    assert sink._file is not None
    sink._file._file.close()
    sink._file._file = Slow(path, "w")
    sink.write(live_frame(1), found(0))
    sink.close()
    assert [record["frame"] for record in _records(path)] == [1]


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "found.ndjson"
    sink = NdjsonSink(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            _write_frames(sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    count = len(_records(path))
    sink.write(live_frame(99), found(0))
    sink.close()
    assert [record["frame"] for record in _records(path)] == [*range(count), 99]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_written_but_does_not_rotate(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is not a file"):
        NdjsonSink(pipe, rotate_bytes=ROTATE_BYTES)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    _write(pipe, range(3))
    reader.join(PATIENCE_SECONDS)
    assert [json.loads(line)["frame"] for line in got[0].splitlines()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("target", "rotate_bytes", "keep"), [("-", 5000, 9), ("x", 100, 9), ("x", 5000, 0)]
)
def test_an_impossible_rotation_is_refused(
    tmp_path: Path, target: str, rotate_bytes: int, keep: int
) -> None:
    with pytest.raises(UsageError, match=r"rotate|keep"):
        NdjsonSink(
            target if target == "-" else tmp_path / target, rotate_bytes=rotate_bytes, keep=keep
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.live
def test_standard_output_gets_lines(tmp_path: Path) -> None:
    code = (
        "from live_frames import *; from spotlet.sinks import NdjsonSink;"
        "sink = NdjsonSink('-'); sink.write(live_frame(7), found(0)); sink.close(); print('on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    line, after = done.stdout.splitlines()
    assert json.loads(line)["frame"] == 7
    assert after == b"on"
