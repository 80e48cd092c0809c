"""`spotlet run --collect`, and what a kill leaves."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from patience import PATIENCE_SECONDS
from servers.mjpeg import MjpegServer

from spotlet.cli import main
from spotlet.collecting import CollectSettings
from spotlet.letterbox import ImageArray
from spotlet.running import RunCallbacks, RunSettings, run

pytestmark = pytest.mark.live

LABELS = "annotations/instances_default.json"

COLLECT_FOR_EVER = """
import itertools, sys
import cv2, numpy as np
from dataclasses import replace
from live_frames import NAMES, found, live_frame
from spotlet.collecting import CollectSettings, CollectSink
sink = CollectSink(CollectSettings(folder=sys.argv[1], frames=10**6), NAMES)
rng = np.random.default_rng(int(sys.argv[2]))
for number in itertools.count():
    image = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (320, 240))
    sink.write(replace(live_frame(number), image=image), found(0, 1))
    print(number, flush=True)
"""


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], draw_squares: Callable[..., ImageArray]
) -> Path:
    """40 frames of 240 x 320: a red square that moves and a blue one, with scores 0.9 and 0.7."""
    lefts = range(20, 180, 4)
    return write_clip(
        tmp_path / "clip.avi",
        [
            draw_squares((240, 320), red=(left, 80, left + 60, 140), blue=(200, 150, 260, 210))
            for left in lefts
        ],
    )


def labels(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / LABELS).read_text("utf-8"))
    return content


@pytest.mark.parametrize("words", [(), ("--track",), ("--classes", "red", "--threads", "3")])
def test_what_a_run_reports_is_the_same_with_collecting(
    tmp_path: Path, clip: Path, squares_model: Path, words: tuple[str, ...]
) -> None:
    """At a threshold that only one of two objects reaches; the collector sees the other too."""
    texts = []
    for more in ((), ("--collect", str(tmp_path / "set"), "--collect-per-hour", "36000")):
        lines = tmp_path / "x.ndjson"
        arguments = ("run", str(squares_model), str(clip), "--score", "0.85", *words, *more)
        assert main([*arguments, "--ndjson", str(lines)]) == 0
        events = [json.loads(line) for line in lines.read_text().splitlines()]
        for event in events:
            del event["captured_at"], event["age_ms"]
        texts.append(json.dumps(events))
    assert texts[0] == texts[1]
    assert '"detections": [{' in texts[0]
    assert labels(tmp_path / "set")["images"]


def test_objects_below_the_threshold_are_collected_and_not_reported(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    reported = []
    settings = RunSettings(
        model=squares_model,
        sources=[clip],
        score_threshold=0.95,
        collect=CollectSettings(folder=tmp_path / "set", per_hour=36000),
    )
    done = run(settings, RunCallbacks(on_frame=lambda _, found: reported.append(len(found))))
    assert reported == [0] * 40
    content = labels(tmp_path / "set")
    assert {row["score"] for row in content["annotations"]} == {0.9}  # 0.7 is beyond doubt
    assert any("doubt" in row["spotlet"]["reasons"] for row in content["images"])
    assert len(content["images"][0]["spotlet"]["model"]["digest"]) == 16
    assert any("frames to label" in each for each in done.written)


def test_a_folder_of_pictures_and_two_videos_of_one_name_are_collected(
    tmp_path: Path, squares_model: Path, write_clip: Callable[..., Path],
    moving_square: Callable[..., list[ImageArray]],
) -> None:  # fmt: skip
    sources = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        frames = moving_square(20) if name == "a" else [each[::-1] for each in moving_square(20)]
        sources.append(str(write_clip(tmp_path / name / "clip.avi", frames)))
        cv2.imwrite(str(tmp_path / name / "one.png"), frames[0])
    words = ["--collect", str(tmp_path / "set"), "--collect-per-hour", "72000", "--score", "0.85"]
    assert main(["run", str(squares_model), *sources, *words]) == 0
    found = {row["spotlet"]["source"] for row in labels(tmp_path / "set")["images"]}
    assert found == set(sources)
    pictures = str(tmp_path / "[ab]" / "*.png")
    words = ["--collect", str(tmp_path / "pictures"), "--score", "0.85"]
    assert main(["run", str(squares_model), pictures, *words]) == 0
    assert len(labels(tmp_path / "pictures")["images"]) == 2


def test_a_camera_is_collected_until_the_run_is_stopped_and_its_password_is_nowhere(
    tmp_path: Path, squares_model: Path
) -> None:
    stop = threading.Event()
    seen: list[int] = []

    def watch(*_: object) -> None:
        seen.append(1)
        if len(seen) == 10:
            stop.set()

    with MjpegServer() as camera:
        settings = RunSettings(
            model=squares_model,
            sources=[camera.url],
            collect=CollectSettings(folder=tmp_path / "set", random_share=1.0),
        )
        run(settings, RunCallbacks(on_frame=watch, on_status=lambda _: None), stop=stop)
    (row,) = labels(tmp_path / "set")["images"]  # the slot had not ended
    assert row["spotlet"]["reasons"] == ["random"]
    for path in (tmp_path / "set").rglob("*"):
        assert "hunter" not in path.name
        assert path.is_dir() or b"hunter" not in path.read_bytes()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--collect-frames", "5"), "--collect-frames: needs --collect FOLDER"),
        (("--collect-mb", "5"), "--collect-mb: needs --collect FOLDER"),
        (
            ("--collect", "{set}", "--collect-per-hour", "0"),
            "--collect-per-hour 0.0: must be over 0",
        ),
        (("--collect", "{set}", "--collect-frames", "0"), "--collect-frames 0: must be a whole"),
        (("--collect", "{set}", "--collect-mb", "0"), "--collect-mb 0.0: must be over 0"),
        (("--stall-seconds", "0"), "--stall-seconds 0.0: must be over 0"),
        (("--collect", "{clip}"), "is not a folder"),
    ],
)
def test_wrong_usage_is_one_line_and_empties_no_file(
    tmp_path: Path,
    clip: Path,
    squares_model: Path,
    words: tuple[str, ...],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = tmp_path / "x.ndjson"
    lines.write_text("kept")
    filled = [each.format(set=tmp_path / "set", clip=clip) for each in words]
    assert main(["run", str(squares_model), str(clip), "--ndjson", str(lines), *filled]) == 2
    assert reason in capsys.readouterr().err
    assert lines.read_text() == "kept"


def test_a_kill_at_any_moment_leaves_a_whole_set(tmp_path: Path) -> None:
    folder, rng = tmp_path / "set", random.Random(0)
    for turn in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", COLLECT_FOR_EVER, str(folder), str(turn)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "0\n"
            for _ in range(rng.randrange(30)):
                program.stdout.readline()
            time.sleep(rng.random() / 10)
            program.send_signal(signal.SIGKILL)
            program.wait(PATIENCE_SECONDS)
        content = labels(folder)
        names = [row["file_name"] for row in content["images"]]
        assert len(set(names)) == len(names)
        for path in (folder / "images").glob("[!.]*"):
            assert cv2.imread(str(path)) is not None
        assert all((folder / "images" / name).is_file() for name in names)
        assert {row["image_id"] for row in content["annotations"]} <= {
            row["id"] for row in content["images"]
        }
    assert len(names) > 4
