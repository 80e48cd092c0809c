import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_frames import found, live_frame, number_in

from spotlet.errors import OutputError, UsageError
from spotlet.sinks import SnapshotSink

DOOR, YARD = "rtsp://10.0.0.7/door", "rtsp://me:secret@10.0.0.7/yard?token=abc"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _numbers(folder: Path) -> list[int]:
    images = [cv2.imread(str(folder / name)) for name in _names(folder)]
    return [number_in(np.asarray(image, np.uint8)) for image in images if image is not None]


def test_a_picture_is_taken_when_a_class_appears(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, quiet_seconds=10)
    seen = [(0, ()), (1, (0,)), (5, (0,)), (14, (0,)), (15, (0, 2)), (24, (2,)), (26, (0, 2))]
    for number, (at, class_ids) in enumerate(seen):
        sink.write(live_frame(number, at), found(*class_ids))
    sink.close()
    assert _numbers(tmp_path) == [1, 4, 6]  # bolt; screw beside it; bolt after 11 seconds
    assert sink.written == f"{tmp_path} (3 snapshots)"


def test_classes_appear_per_source(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path)
    for number, source in enumerate([DOOR, YARD, DOOR, YARD]):
        sink.write(live_frame(number, number, source=source), found(0))
    assert _numbers(tmp_path) == [0, 1]


def test_the_name_has_time_source_and_class_but_no_credentials(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path)
    sink.write(live_frame(0, 0.5, source=YARD), found(1, 1, 0))
    assert _names(tmp_path) == [
        "20231114T221320.500Z-10.0.0.7_yard_token-nut_washer_bolt.jpg",
    ]


def test_detections_are_drawn(tmp_path: Path) -> None:
    SnapshotSink(tmp_path).write(live_frame(0, 0), found(0))
    image = cv2.imread(str(tmp_path / _names(tmp_path)[0]))
    assert image is not None
    assert image[60, 20:23].max() > 150


def test_no_more_are_kept_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "20000101T000000.000Z.jpg").write_bytes(b"not ours")
    for run in range(2):
        sink = SnapshotSink(tmp_path, quiet_seconds=0, keep=3)
        for number in range(4):
            sink.write(live_frame(number, 10 * run + number), found(0))
        assert _numbers(tmp_path) == [1, 2, 3]
        assert len(_names(tmp_path)) == 4
    SnapshotSink(tmp_path, keep=1)
    assert _numbers(tmp_path) == [3]


def test_what_a_killed_run_left_unfinished_is_deleted(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path)
    sink.write(live_frame(0, 0), found(0))
    name = _names(tmp_path)[0]
    old, new = tmp_path / f".{name[:-4]}-abc.jpg", tmp_path / f".{name[:-4]}-xyz.jpg"
    for path in (old, new, tmp_path / ".other.jpg"):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 100,) * 2)
    SnapshotSink(tmp_path)
    assert _names(tmp_path) == sorted([new.name, ".other.jpg", name])


def test_similar_sources_have_different_names(tmp_path: Path) -> None:
    sources = [f"rtsp://10.0.0.7/{'a' * 90}/{number}" for number in range(2)]
    sink = SnapshotSink(tmp_path, sources=sources)
    for number, source in enumerate(sources):
        sink.write(live_frame(number, 0, source=source), found(0))
    assert sorted(_numbers(tmp_path)) == [0, 1]


def test_what_could_not_be_written_appears_again(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path / "shots")
    (tmp_path / "shots").rmdir()
    (tmp_path / "shots").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        sink.write(live_frame(0, 0), found(0))
    (tmp_path / "shots").unlink()
    sink.write(live_frame(1, 1), found(0))
    assert _numbers(tmp_path / "shots") == [1]


def test_a_long_name_fits(tmp_path: Path) -> None:
    source = "rtsp://10.0.0.7/" + "\N{GREEK SMALL LETTER ALPHA}" * 200
    SnapshotSink(tmp_path).write(live_frame(0, 0, source=source), found(0, 1, 2))
    assert _numbers(tmp_path) == [0]


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be at least 1"):
        SnapshotSink(tmp_path, keep=0)
    for quiet_seconds in (-1, float("nan")):
        with pytest.raises(UsageError, match="must be 0 or more"):
            SnapshotSink(tmp_path, quiet_seconds=quiet_seconds)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        SnapshotSink(tmp_path / "file")
