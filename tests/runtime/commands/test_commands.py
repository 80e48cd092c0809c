import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from patience import PATIENCE_SECONDS, wait_until

from spotlet.check.golden import record_golden, write_golden
from spotlet.check.probe import record_probe
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.cli import main
from spotlet.detector import Detector
from spotlet.letterbox import ImageArray
from spotlet.manifest import SCHEMA, Manifest
from spotlet.streams import open_stream

pytestmark = pytest.mark.live

WriteClip = Callable[..., Path]


@pytest.fixture
def clip(tmp_path: Path, write_clip: WriteClip, moving_square: Callable[..., Any]) -> Path:
    """40 frames of 240 x 320 with a red square that moves."""
    return write_clip(tmp_path / "clip.avi", moving_square(40))


def _run(*words: object) -> int:
    return main([str(word) for word in words])


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _frame_count(video: Path) -> int:
    with open_stream(video) as stream:
        return sum(1 for _ in stream)


def _errors(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on standard error, which must be one line of ours."""
    text = capsys.readouterr().err
    assert text.startswith("spotlet ")
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_run_writes_as_many_lines_and_frames_as_the_video_has(
    tmp_path: Path,
    clip: Path,
    squares_model: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    video, lines = tmp_path / f"out{suffix}", tmp_path / "out.ndjson"
    assert _run("run", squares_model, clip, "--save", video, "--ndjson", lines) == 0
    records = _lines(lines)
    assert [record["frame"] for record in records] == list(range(40))
    assert _frame_count(video) == 40
    for index, record in enumerate(records):
        (found,) = record["detections"]
        assert (found["class"], found["name"], found["score"]) == (2, "red", 0.9)
        left = 20 + 4 * index
        assert found["box"] == pytest.approx([left, 80, left + 60, 140], abs=2)
    printed = capsys.readouterr().out
    assert "40 frames in " in printed
    assert "0 dropped" in printed
    assert "red       40" in printed
    assert f"wrote {video} (40 frames)" in printed


def test_run_draws_the_boxes_into_the_video(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    assert _run("run", squares_model, clip, "--save", tmp_path / "out.avi") == 0
    with open_stream(clip) as before, open_stream(tmp_path / "out.avi") as after:
        for plain, drawn in zip(before, after, strict=True):
            difference = cv2.absdiff(plain.image, drawn.image).max(axis=2)
            assert difference[60:150].max() > 80
            assert difference[200:].max() < 30


def test_run_without_an_output_prints_a_line_a_frame(
    clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("run", squares_model, clip, "--max-frames", 3) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("frame 0 at 0.00 s: red 0.90 at (")
    assert lines[2].startswith("frame 2 at 0.10 s: red 0.90 at (")
    assert lines[3].startswith("3 frames in ")


def test_run_sends_ndjson_alone_to_standard_output(clip: Path, squares_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spotlet", "run", squares_model, clip, "--ndjson", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 40
    assert "40 frames in " in done.stderr


def test_run_ends_quietly_when_the_reader_of_its_lines_leaves(
    clip: Path, squares_model: Path
) -> None:
    words = ["run", str(squares_model), str(clip), "--ndjson", "-", "--max-fps", "50"]
    process = subprocess.Popen(
        [sys.executable, "-m", "spotlet", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.stdout.close()
    with process.stderr:
        assert b"Traceback" not in process.stderr.read()
    assert process.wait() == 0


def test_run_keeps_only_the_classes_and_scores_that_are_wanted(
    tmp_path: Path, squares_model: Path, draw_squares: Callable[..., ImageArray]
) -> None:
    image, lines = tmp_path / "both.png", tmp_path / "out.ndjson"
    frame = draw_squares((240, 320), red=(20, 80, 80, 140), blue=(200, 100, 260, 180))
    assert cv2.imwrite(str(image), frame)

    def found(*options: object) -> list[str]:
        assert _run("run", squares_model, image, "--ndjson", lines, *options) == 0
        return [each["name"] for each in _lines(lines)[0]["detections"]]

    assert found() == ["red", "blue"]
    assert found("--classes", "blue,green") == ["blue"]
    assert found("--score", 0.8) == ["red"]
    assert found("--score", 0.95) == []


def test_run_saves_an_image_as_an_image_and_a_folder_as_a_folder(
    tmp_path: Path, squares_model: Path, draw_squares: Callable[..., ImageArray]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        frame = draw_squares((100 + 50 * number, 200), red=(20, 20, 80, 80))
        assert cv2.imwrite(str(folder / f"{number}.png"), frame)
    assert _run("run", squares_model, folder, "--save", tmp_path / "out") == 0
    for number in range(3):
        saved = cv2.imread(str(tmp_path / "out" / f"{number}.png"))
        assert saved is not None
        assert saved.shape == (100 + 50 * number, 200, 3)
    assert _run("run", squares_model, folder / "0.png", "--save", tmp_path / "one.jpg") == 0
    assert cv2.imread(str(tmp_path / "one.jpg")) is not None
    assert _run("run", squares_model, folder, "--save", tmp_path / "folder.mp4") == 0
    assert _frame_count(tmp_path / "folder.mp4") == 3


def test_run_in_live_mode_accounts_for_every_frame(
    tmp_path: Path, clip: Path, squares_model: Path
) -> None:
    lines = tmp_path / "out.ndjson"
    options = ("--mode", "live", "--max-fps", 8, "--ndjson", lines)
    assert _run("run", squares_model, clip, *options) == 0
    records = _lines(lines)
    assert 10 <= len(records) <= 20
    assert len(records) + sum(record["dropped"] for record in records) == 40


def test_run_on_a_truncated_video_keeps_what_came_before_the_cut(
    tmp_path: Path, clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, video, lines = tmp_path / "cut.avi", tmp_path / "out.mp4", tmp_path / "out.ndjson"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert _run("run", squares_model, cut, "--save", video, "--ndjson", lines) == 4
    count = len(_lines(lines))
    assert 15 <= count <= 25
    assert _frame_count(video) == count
    assert f"ended after {count} of 40 frames" in _errors(capsys)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_stopped_in_the_middle_leaves_a_playable_video_and_whole_lines(
    tmp_path: Path,
    write_clip: WriteClip,
    moving_square: Callable[..., Any],
    squares_model: Path,
    stop: signal.Signals,
    code: int,
) -> None:
    video, lines = tmp_path / "out.mp4", tmp_path / "out.ndjson"
    clip = write_clip(tmp_path / "long.avi", moving_square(600))  # two minutes at five a second
    words = ["run", squares_model, clip, "--save", video, "--ndjson", lines, "--max-fps", "5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "spotlet", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 3)
    process.send_signal(stop)
    printed, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code
    assert "Traceback" not in errors
    count = len(_lines(lines))
    assert 3 <= count < 600
    assert abs(_frame_count(video) - count) <= 1
    assert f"wrote {video}" in printed
    assert not list(tmp_path.glob(".*"))


def _text(path: Path) -> Path:
    path.write_text("hello world\n" * 300)
    return path


def _bad_source(tmp_path: Path) -> list[tuple[str, str]]:
    (tmp_path / "empty").mkdir()
    return [
        ("missing.mp4", "missing.mp4: no such file or folder"),
        (str(_text(tmp_path / "text.mp4")), "not a video that OpenCV can decode"),
        (str(_text(tmp_path / "text.png")), "not an image that OpenCV can decode"),
        (str(tmp_path / "empty"), "this folder contains no images"),
        ("63", "camera 63: no such camera"),
        ("rtsp://user:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x: cannot be reached"),
    ]


def test_run_refuses_a_bad_source_in_one_line(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, message in _bad_source(tmp_path):
        assert _run("run", squares_model, source, "--retries", 0) == 4
        *states, last = capsys.readouterr().err.splitlines()
        assert last.startswith("spotlet run: ")
        assert message in last
        assert "secret" not in last + "".join(states)
        assert len(states) == (3 if "63" in source or "://" in source else 0)


def test_run_refuses_a_bad_model_in_one_line(
    tmp_path: Path,
    clip: Path,
    squares_manifest: Manifest,
    save_squares_model: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    newer = json.dumps({**json.loads(squares_manifest.to_json()), "schema": SCHEMA + 1})
    (tmp_path / "zero.onnx").touch()
    models: Sequence[tuple[object, str]] = [
        ("no-such-model", "no such file, folder or bundled model"),
        (tmp_path / "zero.onnx", "not a complete ONNX file"),
        (_text(tmp_path / "text.onnx"), "not a complete ONNX file"),
        (save_squares_model(tmp_path / "bare.onnx", ""), "no spotlet manifest in the file"),
        (save_squares_model(tmp_path / "newer.onnx", newer), f"schema {SCHEMA + 1} is newer"),
        (tmp_path, "has no model.onnx, which a model package must have"),
    ]
    for model, message in models:
        assert _run("run", model, clip) == 4
        assert message in _errors(capsys)


def test_run_refuses_a_bad_output_before_any_work(
    tmp_path: Path, clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    under_a_file = _text(tmp_path / "file") / "folder"
    outputs: Sequence[tuple[str, object, int, str]] = [
        ("--save", under_a_file / "out.mp4", 4, "cannot be written"),
        ("--ndjson", under_a_file / "out.ndjson", 4, "cannot be written"),
        ("--save", tmp_path / "out.mkv", 2, "saved as .mp4 or .avi"),
        ("--save", clip, 2, "would replace the source"),
        ("--ndjson", clip, 2, "would replace the source"),
        ("--classes", "red,cat", 2, "unknown class 'cat'; this model has blue, green, red"),
        ("--classes", ",", 2, "run: --classes: the list is empty; give at least one"),
        ("--score", 2, 2, "run: --score 2.0: must be from 0 to 1"),
        ("--iou", 0, 2, "must be over 0"),
        ("--threads", -1, 2, "must be from 1 to 256, or 0 (automatic)"),
        ("--threads", 100_000, 2, "must be from 1 to 256"),
        ("--max-fps", 0, 2, "must be over 0"),
        ("--max-frames", 0, 2, "run: --max-frames 0: must be a whole number from 1"),
        ("--rotate-mb", 3, 2, "run: --rotate-mb 3: needs --ndjson, a file to rotate"),
        ("--mode", "fast", 2, "invalid choice: 'fast'"),
    ]
    before = sorted(tmp_path.iterdir())
    for option, value, code, message in outputs:
        assert _run("run", squares_model, clip, option, value) == code
        assert message in _errors(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_is_also_a_setting_is_not_taken_for_a_flag(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((60, 80, 3), np.uint8))
    assert _run("run", squares_model, folder, "--track") == 2
    told = _errors(capsys)
    assert "classes: images have no time" in told
    assert "--classes" not in told
    assert "leave out --track and --line, --zone" in told


def test_run_never_replaces_a_picture_that_it_has_yet_to_read(
    tmp_path: Path,
    squares_model: Path,
    draw_squares: Callable[..., ImageArray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = [tmp_path / name / "1.png" for name in ("a", "b")]
    for picture in pictures:
        picture.parent.mkdir()
        cv2.imwrite(str(picture), draw_squares((60, 80), red=(10, 10, 40, 40)))
    before = [picture.read_bytes() for picture in pictures]
    earlier = tmp_path / "earlier.ndjson"
    earlier.write_text("results of last week")
    pattern, folder = tmp_path / "*" / "1.png", tmp_path / "b"
    refused: Sequence[tuple[object, ...]] = [
        (pattern, "--save", folder),
        (folder, "--ndjson", folder / "1.png"),
        (folder, "--save", tmp_path / "out.mkv"),
        (folder, "--save", tmp_path / "out.mkv", "--ndjson", earlier),
        (pictures[0], "--save", tmp_path / "out.png", "--ndjson", tmp_path / "out.png"),
    ]
    for words in refused:
        assert _run("run", squares_model, *words) == 2
        assert _errors(capsys)
    assert [picture.read_bytes() for picture in pictures] == before
    assert earlier.read_text() == "results of last week"
    assert not (tmp_path / "out.mkv").exists()


def test_run_says_when_a_provider_is_not_to_be_had(
    clip: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", squares_model, clip, "--max-frames", 1, "--provider", "Rknpu")
    assert _run(*words) == 0
    assert (
        "provider: Rknpu requested, CPU used: not in this onnxruntime (" in capsys.readouterr().err
    )
    assert _run(*words, "--strict-provider") == 2
    assert "provider Rknpu: not in this onnxruntime" in _errors(capsys)


def test_info_shows_the_manifest_for_people_and_as_json(
    squares_model: Path, squares_manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("info", squares_model) == 0
    printed = capsys.readouterr().out
    for part in ("squares", "160 x 120", "xyxy_unit", "score from 0.4", "blue, green, red"):
        assert part in printed
    assert _run("info", squares_model, "--json") == 0
    assert Manifest.from_json(capsys.readouterr().out) == squares_manifest


@pytest.fixture
def package(
    tmp_path: Path,
    save_squares_model: Callable[..., Path],
    draw_squares: Callable[..., ImageArray],
) -> Path:
    """A package of two variants with a golden frame each."""
    folder = tmp_path / "package"
    folder.mkdir()
    frames = {"red": draw_squares((240, 320), red=(20, 30, 80, 90))}
    records = {
        name: record_golden(save_squares_model(folder / name), frames, tolerance)
        for name, tolerance in (("model.onnx", FP32_TOLERANCE), ("model.int8.onnx", INT8_TOLERANCE))
    }
    write_golden(folder / "golden", frames, records)
    return folder


def test_check_passes_a_good_model_and_fails_a_changed_package(
    tmp_path: Path, save_squares_model: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_squares_model(tmp_path / "model.onnx")
    assert _run("check", tmp_path) == 0
    output = capsys.readouterr().out
    assert "note  no parity.json beside the file" in output
    assert output.endswith("PASS\n")
    probed = record_probe(Detector(model))
    (tmp_path / "parity.json").write_text(json.dumps({"sha256": "0123", "probe": probed}))
    assert _run("check", tmp_path) == 3
    printed = capsys.readouterr()
    assert "FAIL  the file is the one in parity.json" in printed.out
    assert printed.out.endswith("FAIL: 1 of 6 rules\n")
    assert printed.err.startswith(
        f"spotlet check: {tmp_path}: FAIL: model.onnx: the file is the one"
    )


def test_check_checks_every_variant_that_a_package_holds(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fp32, int8 = package / "model.onnx", package / "model.int8.onnx"
    blocks: Sequence[tuple[tuple[object, ...], list[Path]]] = [
        ((package,), [fp32, int8]),
        ((package, "--variant", "fp32"), [fp32]),
        ((package, "--variant", "int8"), [int8]),
        ((int8,), [int8]),
    ]
    for words, files in blocks:
        assert _run("check", *words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.endswith("on CPUExecutionProvider")] == [
            f"{path} on CPUExecutionProvider" for path in files
        ]
        golden = "  ok    golden frames match the export: 1 of 1, largest difference"
        assert sum(line.startswith(golden) for line in lines) == len(files)
        passes = "PASS: largest difference 0 from the export"
        assert lines.count(passes) == len(files)
        assert lines[-1] == passes


def test_check_names_the_file_and_the_frame_that_fail_and_goes_on(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = package / "golden" / "red.png"
    image = cv2.imread(str(picture))
    assert image is not None
    cv2.imwrite(str(picture), image[:, ::-1])
    assert _run("check", package) == 3
    printed = capsys.readouterr()
    assert printed.out.count("  FAIL  golden frames match") == 2
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(
        f"spotlet check: {package}: FAIL: model.onnx: golden frames match"
    )
    assert "0 of 1" in printed.err
    assert "red: the picture is not the export's" in printed.err


def test_check_of_a_file_that_does_not_load_is_an_input_error_and_of_a_damaged_record_fails(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "model.int8.onnx").write_bytes(b"no model")
    assert _run("check", package) == 4
    assert "model.int8.onnx: not a complete ONNX file" in _errors(capsys)
    (package / "golden" / "golden.json").write_text("{")
    assert _run("check", package) == 3
    assert "golden.json: not JSON" in _errors(capsys)


def test_a_variant_can_be_chosen_wherever_a_model_is_named(
    package: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("info", package, "--variant", "int8") == 0
    printed = capsys.readouterr().out
    assert str(package / "model.int8.onnx") in printed
    size = f"{(package / 'model.onnx').stat().st_size / 1e6:.2f} MB"
    assert f"fp32 model.onnx ({size}), int8 model.int8.onnx ({size})" in printed
    words = ("run", package, clip, "--max-frames", 1)
    (package / "model.onnx").write_bytes(b"no model")
    assert _run(*words, "--variant", "int8") == 0
    assert "red" in capsys.readouterr().out
    assert _run(*words) == 4
    assert "not a complete ONNX file" in _errors(capsys)
    (package / "model.int8.onnx").unlink()
    for command in (("run", package, clip), ("check", package), ("info", package)):
        assert _run(*command, "--variant", "int8") == 4
        assert "has no int8 variant, only fp32; `spotlet export --int8` makes" in _errors(capsys)
        assert _run(*command, "--variant", "int4") == 2
        assert "invalid choice: 'int4'" in _errors(capsys)
    assert _run("demo", "--model", package, "--variant", "int8", "--out", tmp_path / "out") == 4
    assert "has no int8 variant" in _errors(capsys)


def test_info_of_a_file_that_is_in_no_package_names_no_variants(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("info", squares_model) == 0
    assert "variants" not in capsys.readouterr().out


def test_doctor_shows_versions_and_that_videos_can_be_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("doctor") == 0
    assert cv2.__version__ in capsys.readouterr().out
    assert _run("doctor", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["writes .mp4"] == found["writes .avi"] == "yes"
    assert found["numpy"] == np.__version__
    assert found["decodes in hardware"]
    assert found["decoding devices"]
    assert "CPUExecutionProvider" in found["providers"]
