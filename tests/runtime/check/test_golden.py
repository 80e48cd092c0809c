"""What `golden/` holds: written, read back, and refused where it is damaged."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compatibility.check_packages import computing

from spotlet.check.golden import read_golden, record_golden, write_golden
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, GoldenTolerance
from spotlet.errors import ModelFileError, OutputError, UsageError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray

MODEL = "model.onnx"
CLASSES = ("blue", "green", "red")


@pytest.fixture
def frames(draw_squares: Callable[..., ImageArray]) -> dict[str, ImageArray]:
    return {
        "two": draw_squares((240, 320), red=(20, 30, 80, 90), blue=(200, 100, 280, 200)),
        "none": draw_squares((90, 70)),
    }


@pytest.fixture
def folder(tmp_path: Path, squares_model: Path, frames: dict[str, ImageArray]) -> Path:
    """Golden frames of the network that finds squares."""
    record = record_golden(squares_model, frames, FP32_TOLERANCE)
    write_golden(tmp_path / "golden", frames, {MODEL: record})
    return tmp_path / "golden"


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "golden.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def test_the_folder_holds_the_pictures_without_loss(
    folder: Path, frames: dict[str, ImageArray]
) -> None:
    assert {path.name for path in folder.iterdir()} == {"golden.json", "two.png", "none.png"}
    for name, frame in frames.items():
        assert np.array_equal(read_image(folder / f"{name}.png"), frame)


def test_the_file_holds_what_it_says(folder: Path) -> None:
    content = json.loads((folder / "golden.json").read_text("utf-8"))
    assert content["schema"] == 1
    assert content["frames"] == ["two", "none"]
    record = content["models"][MODEL]
    assert record["tolerance"] == asdict(FP32_TOLERANCE)
    two, none = record["frames"]["two"], record["frames"]["none"]
    assert two["size_hw"] == [240, 320]
    assert none["detections"] == []
    assert two["detections"] == [
        pytest.approx([2, 0.9, 20, 30, 80, 90], abs=2),
        pytest.approx([0, 0.7, 200, 100, 280, 200], abs=2),
    ]
    assert len(two["canvas"]["sample"]) == 256
    assert len(two["canvas"]["means"]) == 64
    assert two["boxes"]["shape"] == [3, 4]


def test_what_is_read_is_what_was_observed(folder: Path) -> None:
    tolerance, recorded = read_golden(folder, MODEL, CLASSES)
    assert tolerance == FP32_TOLERANCE
    assert list(recorded) == ["two", "none"]
    assert recorded["two"].size_hw == (240, 320)
    assert [found.name for found in recorded["two"].detections] == ["red", "blue"]
    assert len(recorded["none"].detections) == 0


def test_the_models_of_a_package_have_a_record_each(
    tmp_path: Path, squares_model: Path, frames: dict[str, ImageArray]
) -> None:
    record = record_golden(squares_model, frames, FP32_TOLERANCE)
    int8 = record_golden(squares_model, frames, INT8_TOLERANCE)
    write_golden(tmp_path, frames, {MODEL: record, "model.int8.onnx": int8})
    assert read_golden(tmp_path, MODEL, CLASSES)[0] == FP32_TOLERANCE
    assert read_golden(tmp_path, "model.int8.onnx", CLASSES)[0] == INT8_TOLERANCE
    with pytest.raises(ModelFileError, match=r"golden\.json: has no record of other\.onnx; export"):
        read_golden(tmp_path, "other.onnx", CLASSES)


def test_a_model_that_gives_no_numbers_is_not_recorded(
    squares_model: Path, frames: dict[str, ImageArray]
) -> None:
    with (
        computing(lambda boxes, scores: (boxes * np.float32(np.nan), scores)),
        pytest.raises(ModelFileError, match="produced NaN or infinity; retrain"),
    ):
        record_golden(squares_model, frames, FP32_TOLERANCE)


def test_tolerances_survive_json_and_int8_is_the_wider_one() -> None:
    for tolerance in (FP32_TOLERANCE, INT8_TOLERANCE):
        assert GoldenTolerance(**json.loads(json.dumps(asdict(tolerance)))) == tolerance
    assert FP32_TOLERANCE.tensors < INT8_TOLERANCE.tensors
    assert not FP32_TOLERANCE.ties
    assert INT8_TOLERANCE.ties


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tensors", float("nan")),
        ("tensors", -1e-9),
        ("scores", 1.1),
        ("scores", "0.1"),
        ("iou", True),
        ("iou", None),
        ("canvas", 256),
        ("ties", 1),
        ("boxes", 0.1),
    ],
)
def test_a_tolerance_out_of_its_range_is_refused(folder: Path, key: str, value: object) -> None:
    _edit(folder, lambda content: content["models"][MODEL]["tolerance"].update({key: value}))
    _refused(folder, "malformed .tolerance.* |not JSON .NaN is")


def test_no_frames_or_names_that_lead_elsewhere_are_refused(
    tmp_path: Path, squares_model: Path, frames: dict[str, ImageArray]
) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write_golden(tmp_path / "golden", {}, {})
    for name in ("", "..", "a/b", "a\\b", "c:d", "nul\0"):
        with pytest.raises(UsageError, match="each a file name"):
            write_golden(tmp_path / "golden", {name: frames["two"]}, {})
    record = record_golden(squares_model, {"two": frames["two"]}, FP32_TOLERANCE)
    with pytest.raises(UsageError, match="exactly these frames"):
        write_golden(tmp_path / "golden", frames, {MODEL: record})
    assert not (tmp_path / "golden").exists()


def test_a_place_that_cannot_be_written_is_an_output_error(
    tmp_path: Path, frames: dict[str, ImageArray]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_golden(tmp_path / "file" / "golden", frames, {})


def _refused(folder: Path, match: str) -> None:
    with pytest.raises(ModelFileError, match=match) as raised:
        read_golden(folder, MODEL, CLASSES)
    assert "\n" not in str(raised.value)
    assert "golden.json" in str(raised.value)


def test_a_file_that_is_missing_or_cut_is_refused(folder: Path) -> None:
    path = folder / "golden.json"
    text = path.read_text("utf-8")
    for length in (0, 1, len(text) // 2, len(text) - 3):
        path.write_text(text[:length], "utf-8")
        _refused(folder, "not JSON .*; export the model again")
    path.write_bytes(b"\xff\xfe\x00")
    _refused(folder, "not JSON")
    path.write_text("[" * 100_000, "utf-8")
    _refused(folder, "not JSON")
    path.unlink()
    _refused(folder, "cannot be read")


def test_a_newer_file_says_to_upgrade(folder: Path) -> None:
    _edit(folder, lambda content: content.update(schema=2))
    _refused(folder, "schema 2 is newer than this spotlet reads")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"', "{}", '{"schema": 1}'])
def test_json_of_another_kind_is_refused(folder: Path, text: str) -> None:
    (folder / "golden.json").write_text(text)
    _refused(folder, "must be a JSON object|must be a whole number|has no '")


def _frame(content: dict[str, Any]) -> dict[str, Any]:
    frame: dict[str, Any] = content["models"][MODEL]["frames"]["two"]
    return frame


def _top(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.update({key: value})


def _of_model(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["models"][MODEL].update({key: value})


def _of_frame(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: _frame(content).update({key: value})


def _of_scores(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: _frame(content)["scores"].update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        _top("schema", "1"),
        _top("schema", 0),
        _top("schema", True),
        _top("frames", []),
        _top("frames", None),
        _top("frames", 3),
        _top("frames", [3]),
        _top("frames", ["two", "../none"]),
        _top("frames", ["two"]),
        _top("frames", ["two", "none", "three"]),
        _top("frames", ["two", "two", "none"]),
        _top("models", None),
        _top("models", []),
        _top("models", {MODEL: 3}),
        _of_model("tolerance", None),
        _of_model("tolerance", {"tensors": 1e9}),
        _of_model("frames", None),
        _of_model("frames", []),
        _of_model("frames", {"two": 3, "none": 3}),
        lambda content: content["models"][MODEL]["frames"].pop("none"),
        lambda content: content["models"][MODEL]["frames"].update(more={}),
        lambda content: _frame(content).pop("canvas"),
        _of_frame("size_hw", [240]),
        _of_frame("size_hw", "240 320"),
        _of_frame("pixels", 3),
        _of_frame("canvas", 3),
        _of_frame("boxes", []),
        _of_frame("detections", None),
        _of_frame("detections", [[2, 0.9, 20, 30, 80]]),
        _of_frame("detections", [2, 0.9, 20, 30, 80, 90]),
        _of_frame("detections", [[2, "0.9", 20, 30, 80, 90]]),
        _of_frame("detections", [[2, float("nan"), 20, 30, 80, 90]]),
        _of_scores("sample", "text"),
        _of_scores("means", [float("nan")] * 9),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    _edit(folder, change)
    _refused(
        folder, "is malformed|has no '|has no record of|must be a whole number|not JSON .NaN is"
    )


def test_a_frame_that_lies_elsewhere_is_refused(folder: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["frames"] = ["two", "../none"]
        frames = content["models"][MODEL]["frames"]
        frames["../none"] = frames.pop("none")

    (folder / "none.png").rename(folder.parent / "none.png")
    _edit(folder, rename)
    _refused(folder, "frames must be a list of names")


def test_a_picture_that_the_file_does_not_name_is_refused(folder: Path) -> None:
    (folder / "extra.png").write_bytes((folder / "two.png").read_bytes())
    _refused(folder, r"does not name extra\.png, which is in the folder")
