import csv
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import pytest

from spotlet.cli import main
from spotlet.commands.demo_counts import StreetClip, compared, count_clips, read_clips
from spotlet.commands.demo_truth import measure_clip, read_truth
from spotlet.counting.rules import parse_line
from spotlet.counts import LineCount
from spotlet.detector import Detector
from spotlet.errors import InputError
from spotlet.manifest import InputRule, Manifest
from spotlet.model.package import bundled_models
from spotlet.running import RunSettings
from spotlet.streams import open_stream

pytestmark = pytest.mark.live

WriteClip = Callable[..., Path]

CLIPS = Path(str(resources.files("spotlet_models"))) / "clips"

MOST_BYTES = 4_000_000
"""Of the street clips together."""


def _demo(*words: object) -> int:
    return main(["demo", *(str(word) for word in words)])


def _rows(printed: str) -> list[list[str]]:
    """The rows of the printed table of counts."""
    lines = printed.splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith("clip "))
    rows = [line.split() for line in lines[first + 1 :]]
    return [row for row in rows if row[0] != "wrote"]


def _write_counts(folder: Path, *clips: dict[str, Any]) -> None:
    """Writes a `counts.json`: of each clip what differs from a red square that goes in."""
    common = {
        "kept": [[0, 40]],
        "class": "red",
        "line": "door=0.5,1,0.5,0",
        "crossings": [{"frame": 28, "direction": "in"}],
    }
    text = json.dumps({"clips": [{**common, **clip} for clip in clips]})
    (folder / "counts.json").write_text(text, encoding="utf-8")


def test_the_shipped_clips_are_whole_small_and_licensed() -> None:
    clips = read_clips(CLIPS)
    assert [clip.path.stem for clip in clips] == ["people", "cars", "bottles"]
    assert sum(file.stat().st_size for file in CLIPS.iterdir()) < MOST_BYTES
    licences = (CLIPS / "LICENSES.md").read_text("utf-8")
    assert "CC BY 4.0" in licences
    assert "intel-iot-devkit/sample-videos" in licences
    records = json.loads((CLIPS / "counts.json").read_text("utf-8"))["clips"]
    for clip, record in zip(clips, records, strict=True):
        with open_stream(clip.path) as stream:
            assert stream.frame_count == clip.frames
            first = next(iter(stream))
        assert len(clip.line.in_frame(first.size_hw)) == 2
        numbers = [crossing["frame"] for crossing in record["crossings"]]
        assert numbers == sorted(numbers)
        assert 0 < numbers[0] <= numbers[-1] < clip.frames
        assert clip.entered + clip.left == len(numbers)
        assert f"`{record['film']}`" in licences
        assert f"{clip.frames} of " in licences


def test_every_class_that_crosses_is_compared_with_the_count_by_hand() -> None:
    clip = StreetClip(
        path=Path("clips/cars.mp4"),
        frames=9,
        line=parse_line("road=0,0.5,1,0.5"),
        class_name="car",
        entered=2,
        left=1,
        moments=(),
    )
    ends: dict[str, Any] = {"start_xy": (0, 5), "end_xy": (9, 5)}
    none = LineCount(name="road", entered={}, left={}, **ends)
    assert compared(clip, none, 50) == [("cars", "car", 0, 2, 0, 1, 50)]
    some = LineCount(name="road", entered={"car": 1, "truck": 1}, left={"bus": 3, "car": 1}, **ends)
    assert compared(clip, some, 50) == [
        ("cars", "car", 1, 2, 1, 1, 50),
        ("cars", "bus", 0, 0, 3, 0, 50),
        ("cars", "truck", 1, 0, 0, 0, 50),
    ]


def test_clips_are_counted_and_written_as_one_video_a_sheet_and_a_table(
    tmp_path: Path,
    write_clip: WriteClip,
    moving_square: Callable[..., Any],
    squares_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = moving_square(40)
    write_clip(tmp_path / "right.mp4", frames, 20.0)
    write_clip(tmp_path / "left.mp4", [frame[:160, :200] for frame in reversed(frames)], 10.0)
    wrong = [{"frame": 2, "direction": "in"}, {"frame": 5, "direction": "out"}]
    _write_counts(tmp_path, {"file": "right.mp4"}, {"file": "left.mp4", "crossings": wrong})
    clips, out = read_clips(tmp_path), tmp_path / "out"
    settings = RunSettings(model=squares_model, sources=[clip.path for clip in clips])
    count_clips(settings, clips, out)
    printed = capsys.readouterr().out
    right, left = _rows(printed)
    assert right[:6] == ["right", "red", "1", "1", "0", "0"]
    assert left[:6] == ["left", "red", "0", "1", "1", "1"]
    with open_stream(out / "demo.mp4") as stream:
        shown = [frame.pts_seconds or 0.0 for frame in stream]
    # In real time: two seconds, a pause of one, four seconds.
    assert shown[-1] == pytest.approx(1.95 + 1.0 + 3.9, abs=0.2)
    sheet = cv2.imread(str(out / "demo.png"))
    assert sheet is not None
    assert sheet.shape == (2 * 300, 3 * 533, 3)
    with (out / "demo.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["clip"], row["class"], row["direction"]) for row in rows] == [
        ("right", "red", "in"),
        ("left", "red", "out"),
    ]
    # Its middle is 50 + 4 a frame, and clear of 160 by a quarter of its side of 60.
    assert (rows[0]["frame"], rows[0]["seconds"]) == ("32", "1.60")
    assert f"wrote {out / 'demo.csv'} (2 crossings)" in printed


def test_clips_in_which_nothing_crosses_give_a_table_without_crossings(
    tmp_path: Path, write_clip: WriteClip, draw_squares: Callable[..., Any], squares_model: Path
) -> None:
    write_clip(tmp_path / "still.mp4", [draw_squares((120, 160), red=(20, 20, 60, 60))] * 40)
    _write_counts(tmp_path, {"file": "still.mp4"})
    clips, out = read_clips(tmp_path), tmp_path / "out"
    count_clips(RunSettings(model=squares_model, sources=[clips[0].path]), clips, out)
    assert (out / "demo.csv").read_text("utf-8").splitlines() == [
        "clip,frame,seconds,class,track,direction"
    ]
    assert (out / "demo.png").is_file()


def test_a_clip_that_is_cut_short_is_not_counted(
    tmp_path: Path, write_clip: WriteClip, draw_squares: Callable[..., Any], squares_model: Path
) -> None:
    write_clip(tmp_path / "cut.mp4", [draw_squares((120, 160))] * 30)
    _write_counts(tmp_path, {"file": "cut.mp4"})
    clips = read_clips(tmp_path)
    settings = RunSettings(model=squares_model, sources=[clips[0].path])
    with pytest.raises(InputError, match="30 of 40 frames"):
        count_clips(settings, clips, tmp_path / "out")


def test_a_model_that_suits_no_clip_is_a_usage_error(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _demo("--model", squares_model, "--out", tmp_path / "out") == 2
    assert "finds none of person, car, bottle, nor exactly" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_installation_without_clips_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no demo"):
        read_clips(tmp_path)
    (tmp_path / "counts.json").write_text('{"clips": [{}]}', encoding="utf-8")
    with pytest.raises(InputError, match="has no demo"):
        read_clips(tmp_path)
    with pytest.raises(InputError, match="has no demo"):
        read_truth(tmp_path / "truth.json")


@pytest.mark.slow
def test_a_model_plays_the_clips_for_which_it_has_a_class(
    tmp_path: Path, save_squares_model: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    classes = ("dog", "car", "cat")
    manifest = Manifest(name="cars", classes=classes, input=InputRule(size_hw=(120, 160)))
    model = save_squares_model(tmp_path / "cars.onnx", manifest.to_json())
    assert _demo("--model", model, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "people.mp4: left out, the model has no class person\n" in printed.err
    assert "bottles.mp4: left out, the model has no class bottle\n" in printed.err
    assert {row[0] for row in _rows(printed.out)} == {"cars"}
    assert f"wrote {tmp_path / 'out' / 'demo.mp4'} (198 frames)" in printed.out


def test_a_model_of_the_garments_is_measured_against_the_truth_of_their_clip(
    tmp_path: Path,
    write_clip: WriteClip,
    moving_square: Callable[..., Any],
    squares_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", moving_square(30)), tmp_path / "out"
    frames = [
        {
            "frame": n,
            "boxes": [[20 + 4 * n, 80, 80 + 4 * n, 140]],
            "class_ids": [2],
            "ignored": [False],
        }
        for n in range(30)
    ]
    truth = {"schema": 1, "classes": ["blue", "green", "red"], "frames": frames}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    detector = Detector(squares_model)
    truths, class_names = read_truth(tmp_path / "truth.json")
    assert class_names == detector.class_names
    measure_clip(detector, clip, truths, out)
    with open_stream(out / "demo.mp4") as stream:
        assert sum(1 for _ in stream) == 30
    sheet = cv2.imread(str(out / "demo.png"))
    assert sheet is not None
    assert sheet.shape == (3 * 300, 4 * 400, 3)
    printed = capsys.readouterr().out
    row = next(line.split() for line in printed.splitlines() if line.startswith("red "))
    assert row[1:3] == ["30", "30"]
    assert float(row[3]) > 0.99
    assert float(row[4]) > 0.9
    assert f"wrote {out / 'demo.mp4'} (30 frames)" in printed


@pytest.mark.slow
def test_the_garments_play_the_clip_whose_boxes_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _demo("--model", "garments", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "ankle-boot" in printed
    assert f"wrote {tmp_path / 'demo.mp4'} (250 frames)" in printed


@pytest.mark.slow
@pytest.mark.skipif("everyday" not in bundled_models(), reason="`everyday` is not installed")
def test_everyday_counts_what_a_person_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _demo("--out", tmp_path) == 0
    rows = _rows(capsys.readouterr().out)
    wrong = {row[0] for row in rows if (row[2], row[4]) != (row[3], row[5])}
    # Known to fail: it takes a bottle in a hand for a person (docs/demo.md).
    assert wrong <= {"bottles"}
