import json
import os
import random
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_frames import found, live_frame, number_in, numbers_in
from patience import PATIENCE_SECONDS

from spotlet.sinks import VideoSink

pytestmark = pytest.mark.live

KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.py"
FPS = 20

WRITE_FOR_EVER = f"""
import itertools, sys
from live_frames import *
from spotlet.sinks import VideoSink
sink = VideoSink(sys.argv[1], {FPS})
for number in itertools.count():
    sink.write(live_frame(number % 256), found(0))
    print(number, flush=True)
"""


def test_a_kill_in_real_time_where_frames_may_be_dropped_leaves_what_was_written() -> None:
    """How far the video is behind the lines is then up to the machine."""
    done = subprocess.run(
        [sys.executable, KILLS, "--kills", "3", "--longest", "1.5", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
    )
    outcomes = json.loads(done.stdout.splitlines()[-1])
    faults = {fault for outcome in outcomes for fault in outcome["fault"].split("; ")}
    assert {fault for fault in faults if not fault.startswith("the video ends ")} <= {""}
    assert len(outcomes) == 3
    assert all(outcome["lines"] > 0 for outcome in outcomes)


def test_a_kill_at_any_moment_leaves_what_was_written_readable() -> None:
    done = subprocess.run(
        [sys.executable, KILLS, "--busy", "--kills", "4", "--longest", "6", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert [outcome["fault"] for outcome in outcomes] == [""] * 4
    assert all(outcome["lines"] > 0 for outcome in outcomes)
    assert max(outcome["behind_seconds"] for outcome in outcomes) <= 1
    assert sum(outcome["pictures"] for outcome in outcomes) > 4
    assert outcomes[-1]["files"] > 1


@pytest.mark.parametrize(("suffix", "least", "behind"), [(".mp4", 1, FPS / 2), (".avi", 500, 500)])
def test_a_kill_leaves_the_video_of_a_file_readable_under_its_partial_name(
    tmp_path: Path, suffix: str, least: int, behind: float
) -> None:
    path, partial = tmp_path / f"out{suffix}", tmp_path / f".out.partial{suffix}"
    chance = random.Random(5)
    for _ in range(3):
        written = _write_and_kill(path, least + chance.randrange(200))
        assert not path.exists()
        numbers = _numbers_in_what_is_left(partial)
        assert numbers == [number % 256 for number in range(len(numbers))]
        assert written - behind <= len(numbers) <= written + 2
        assert len(numbers) > 0
    sink = VideoSink(path, FPS)
    for number in range(3):
        sink.write(live_frame(number), found())
    sink.close()
    assert numbers_in(path) == [0, 1, 2]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def _write_and_kill(path: Path, count: int) -> int:
    """Returns how many frames the program wrote, or one less."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= count:
                break
        process.kill()
        lines = process.stdout.read().splitlines()
    return int(lines[-1]) + 1 if lines else count + 1


def _numbers_in_what_is_left(video: Path) -> list[int]:
    capture = cv2.VideoCapture(str(video))
    numbers: list[int] = []
    while True:
        decoded, image = capture.read()
        if not decoded:
            capture.release()
            return numbers
        numbers.append(number_in(np.asarray(image, np.uint8)))
