"""`spotlet run` with several workers gives what it gives with one."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from servers.mjpeg import MjpegServer

from spotlet.cli import main
from spotlet.letterbox import ImageArray

pytestmark = pytest.mark.live

Record = dict[str, Any]


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., list[ImageArray]]
) -> Path:
    """40 frames of 240 x 320 with a red square that moves."""
    return write_clip(tmp_path / "clip.avi", moving_square(40))


def run(*words: object) -> int:
    code = main(["run", *map(str, words)])
    assert not [each for each in threading.enumerate() if each.name == "spotlet-worker"]
    return code


def records_of(lines: Path, *words: object) -> list[Record]:
    """Runs, and returns the lines without what a clock says."""
    assert run(*words, "--ndjson", lines) == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    return [
        {key: value for key, value in record.items() if key not in ("captured_at", "age_ms")}
        for record in records
    ]


@pytest.mark.parametrize("options", [(), ("--max-frames", 7), ("--classes", "red", "--score", 0.1)])
def test_a_video_gives_the_same_lines_with_one_worker_and_with_several(
    tmp_path: Path, clip: Path, squares_model: Path, options: tuple[object, ...]
) -> None:
    lines = tmp_path / "out.ndjson"
    one, several = (
        records_of(lines, squares_model, clip, "--threads", threads, *options) for threads in (1, 3)
    )
    assert one == several
    assert [record["frame"] for record in several] == list(range(7 if 7 in options else 40))


def test_a_folder_of_pictures_of_many_sizes_gives_the_same_lines(
    tmp_path: Path, squares_model: Path, draw_squares: Callable[..., ImageArray]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        frame = draw_squares((100 + 50 * number, 200 + 31 * number), green=(20, 20, 80, 80))
        assert cv2.imwrite(str(folder / f"{number:02}.png"), frame)
    lines = tmp_path / "out.ndjson"
    one, several = (
        records_of(lines, squares_model, folder, "--threads", threads) for threads in (1, 3)
    )
    assert one == several
    assert len(several) == 12


@pytest.mark.parametrize("batch", [1, 2])
def test_several_videos_give_every_frame_of_each_in_its_order(
    tmp_path: Path,
    squares_model: Path,
    write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
    batch: int,
) -> None:
    clips = [write_clip(tmp_path / f"{n}.avi", moving_square(n)) for n in (5, 17, 11)]
    lines = tmp_path / "out.ndjson"
    one, several = (
        records_of(lines, squares_model, *clips, "--threads", threads, "--batch", batch)
        for threads in (1, 3)
    )
    assert one == several
    for path, count in zip(clips, (5, 17, 11), strict=True):
        frames = [record["frame"] for record in several if record["source"] == str(path)]
        assert frames == list(range(count))


def test_max_frames_is_exact_where_a_batch_would_go_over_it(
    tmp_path: Path, squares_model: Path, clip: Path, write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
) -> None:  # fmt: skip
    other = write_clip(tmp_path / "other.avi", moving_square(40))
    words = (squares_model, clip, other, "--batch", 2, "--max-frames", 5, "--threads", 2)
    assert len(records_of(tmp_path / "out.ndjson", *words)) == 5


def test_max_frames_does_not_look_beyond_them(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    lines = tmp_path / "out.ndjson"
    assert run(squares_model, cut, "--ndjson", lines, "--threads", 3) == 4
    whole = len(lines.read_text().splitlines())
    words = (squares_model, cut, "--max-frames", whole, "--threads", 3)
    assert len(records_of(lines, *words)) == whole  # the end, which is an error, is not reached


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_fails_ends_the_run_and_its_workers(
    clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(squares_model, clip, "--ndjson", "/dev/full", "--threads", 3) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_several_cameras_keep_their_order_and_count_their_drops(
    tmp_path: Path, squares_model: Path
) -> None:
    lines = tmp_path / "out.ndjson"
    with MjpegServer(fps=60) as first, MjpegServer(fps=25) as second:
        words = (squares_model, first.url, second.url, "--threads", 2, "--max-frames", 60)
        assert run(*words, "--max-fps", 20, "--ndjson", lines) == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    frames: dict[str, list[Record]] = {}
    for record in records:
        if "event" not in record:
            frames.setdefault(record["source"], []).append(record)
    assert sum(map(len, frames.values())) == 60
    assert len(frames) == 2
    for ours in frames.values():
        before = -1
        for record in ours:
            assert record["frame"] == before + record["dropped"] + 1
            before = record["frame"]
        assert max(record["age_ms"] for record in ours) < 1000


def test_to_import_the_program_leaves_the_process_as_it_is() -> None:
    program = (
        "import cv2\n"
        "first = cv2.getNumThreads()\n"
        "import spotlet.cli, spotlet.pipeline, spotlet.commands.run\n"
        "before = cv2.getNumThreads()\n"
        "from spotlet.running.loop import prepare_process\n"
        "prepare_process()\n"
        "print(first, before, cv2.getNumThreads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    first, before, after = map(int, done.stdout.split())
    assert before == first
    assert after == 1
