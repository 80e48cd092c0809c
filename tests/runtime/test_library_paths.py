import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spotlet.errors import InputError
from spotlet.library_paths import path_for_library

NOT_UTF_8 = os.fsdecode(b"caf\xe9")


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    try:
        (tmp_path / NOT_UTF_8).mkdir()
    except OSError:
        pytest.skip("this file system has no names that are not UTF-8")
    return tmp_path / NOT_UTF_8


def test_a_name_in_utf_8_is_passed_on_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # FFmpeg would take `cam` for a protocol.
    with path_for_library("cam:1 Übung.mp4") as name:
        assert Path(name) == tmp_path / "cam:1 Übung.mp4"


def test_a_name_that_is_not_utf_8_is_linked_to_for_reading_and_for_writing(
    odd_folder: Path,
) -> None:
    with path_for_library(odd_folder / "a.mp4") as name:
        assert name.isascii()
        assert name.endswith(".mp4")
        Path(name).write_bytes(b"content")
    assert (odd_folder / "a.mp4").read_bytes() == b"content"
    assert not Path(name).parent.exists()


def test_without_links_such_a_name_is_an_error_of_one_line(
    odd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with (
        pytest.raises(InputError, match=r"the name is not UTF-8; rename it"),
        path_for_library(odd_folder / "a.mp4"),
    ):
        pass


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_is_read_and_saved_under_a_name_that_is_not_utf_8(
    odd_folder: Path, suffix: str
) -> None:
    # In a separate process: OpenCV would crash it.
    program = """
import sys, numpy as np
from pathlib import Path
from spotlet.sinks import VideoSink
from spotlet.streams import open_stream
path = Path(sys.argv[1])
with VideoSink(path, 10) as sink:
    for _ in range(3):
        sink.write_image(np.full((48, 64, 3), 128, np.uint8))
for options in ({}, {"mode": "live"}):
    with open_stream(path, **options) as stream:
        assert sum(1 + frame.dropped for frame in stream) == 3
"""
    path = odd_folder / f"{NOT_UTF_8}{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_is_read_and_saved_under_a_name_with_a_colon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    from spotlet.sinks import VideoSink
    from spotlet.streams import open_stream

    monkeypatch.chdir(tmp_path)
    path = f"rtsp:10:30{suffix}"
    with VideoSink(path, 10) as sink:
        for _ in range(3):
            sink.write_image(np.full((48, 64, 3), 128, np.uint8))
    with open_stream(path) as stream:
        assert (stream.source, len(list(stream))) == (path, 3)
