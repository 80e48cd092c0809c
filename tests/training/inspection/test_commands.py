"""`spotlet data check`, and what `spotlet train` refuses."""

import json
from pathlib import Path

import cv2
import pytest
from labelled_sets import Picture, clean_pictures, image_file, scenery, write_set

from spotlet.cli import main
from spotlet.errors import DatasetError
from spotlet_training.datasets import open_splits
from spotlet_training.inspection import require_harmless
from spotlet_training.inspection.harm import same_files

QUICK = [
    "--epochs",
    "1",
    "--image-size",
    "64",
    "--batch-size",
    "4",
    "--device",
    "cpu",
    "--weights",
    "none",
]


def test_a_clean_set_passes_and_a_sheet_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", "coco", clean_pictures())
    sheet = tmp_path / "new" / "sheet.png"
    assert main(["data", "check", str(root), "--out", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"wrote {sheet}\nPASS\n")
    assert "128 x 96 (6)" in printed
    assert cv2.imread(str(sheet)) is not None
    assert [path.name for path in sheet.parent.iterdir()] == ["sheet.png"]


def test_errors_are_all_printed_and_the_gate_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = clean_pictures()
    pictures[1].boxes += [(10, 10, 300, 20, 0)] * 30
    root = write_set(tmp_path / "set", "yolo", pictures)
    assert main(["data", "check", str(root)]) == 3
    printed = capsys.readouterr()
    assert all(f"error  labels/train/p1.txt:{line}: " in printed.out for line in range(3, 33))
    assert "PASS" not in printed.out
    assert len(printed.err.strip().splitlines()) == 1
    assert "30 errors" in printed.err


def test_many_notes_are_counted_for_people_and_listed_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = clean_pictures()
    pictures += [Picture(f"e{n}.png", "train", scenery(50 + n)) for n in range(12)]
    root = write_set(tmp_path / "set", "voc", pictures)
    assert main(["data", "check", str(root)]) == 0
    assert "and 4 more of no objects: --json lists all" in capsys.readouterr().out
    assert main(["data", "check", str(root), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [one["file"] for one in record["findings"]] == [
        f"JPEGImages/e{n}.png" for n in range(12)
    ]
    assert {one["severity"] for one in record["findings"]} == {"note"}
    assert record["splits"][0] == {
        "name": "train", "images": 16, "boxes": 8, "ignored": 0, "empty_images": 12
    }  # fmt: skip
    assert record["classes"][1]["train_boxes"] == 4
    assert sum(record["classes"][1]["train_boxes_by_size"].values()) == 4
    assert record["image_sizes"] == [{"height": 96, "width": 128, "images": 18}]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--out", "sheet.jpg"], 2),
        (["--image-size", "100"], 2),
        (["--image-size", "big"], 2),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", "coco", clean_pictures())
    assert main(["data", "check", str(root), *words]) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert main(["data", "check", str(tmp_path / "nothing")]) == 4


def class_without_box() -> list[Picture]:
    pictures = clean_pictures()
    for picture in pictures[:4]:
        del picture.boxes[1]
    return pictures


def equal_file_in_both_splits() -> list[Picture]:
    pictures = clean_pictures()
    return [*pictures, Picture("copy.png", "val", pictures[0].image, pictures[0].boxes)]


def tiny_boxes() -> list[Picture]:
    pictures = clean_pictures()
    for number, picture in enumerate(pictures):
        picture.image = scenery(number + 1, (480, 640))
        picture.boxes = [(50, 50, 60, 58, 0), (100, 90, 112, 100, 1)]
    return pictures


@pytest.mark.parametrize("format_name", ["coco", "voc", "yolo"])
@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (class_without_box(), "class 'nut' has no training box"),
        (equal_file_in_both_splits(), "validation images that are training images too: 1 of 3"),
        (tiny_boxes(), "8 of 8 training boxes are under 8 pixels"),
    ],
    ids=["class", "copy", "tiny"],
)
def test_training_refuses_what_would_silently_harm_it(
    format_name: str, pictures: list[Picture], words: str, tmp_path: Path
) -> None:
    splits = open_splits(write_set(tmp_path, format_name, pictures))
    with pytest.raises(DatasetError) as raised:
        require_harmless(tmp_path, splits, (320, 320))
    assert words in str(raised.value)
    assert "--accept-problems" in str(raised.value)
    assert "\n" not in str(raised.value)
    (accepted,) = require_harmless(tmp_path, splits, (320, 320), accept=True)
    assert words in accepted


@pytest.mark.parametrize("format_name", ["coco", "voc", "yolo"])
def test_training_refuses_no_clean_set(format_name: str, tmp_path: Path) -> None:
    splits = open_splits(write_set(tmp_path, format_name, clean_pictures()))
    assert require_harmless(tmp_path, splits, (320, 320)) == []


def test_train_refuses_in_one_line_and_goes_on_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", "yolo", class_without_box())
    words = ["train", str(root), "--out", str(tmp_path / "run"), *QUICK]
    assert main(words) == 4
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert "--accept-problems" in error
    assert not (tmp_path / "run" / "best.safetensors").exists()
    assert main([*words, "--accept-problems"]) == 0
    assert "note: class 'nut' has no training box" in capsys.readouterr().out


def test_train_names_an_image_that_cannot_be_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", "yolo", clean_pictures())
    image_file(root, "p2.png").write_bytes(b"this is no picture")
    assert main(["train", str(root), "--out", str(tmp_path / "run"), *QUICK]) == 4
    assert "p2.png: not an image" in capsys.readouterr().err


def test_files_are_compared_by_what_is_in_them(tmp_path: Path) -> None:
    contents = {"a": b"one", "b": b"two", "c": b"three", "d": b"two", "e": b"six", "f": b"longer"}
    paths = {name: tmp_path / name for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    train = [paths["a"], paths["b"], paths["c"], tmp_path / "missing"]
    val = [paths["d"], paths["e"], paths["f"], tmp_path / "sub" / ".." / "c"]
    (tmp_path / "sub").mkdir()
    assert same_files(train, val) == [val[0], val[3]]
    assert same_files([], val) == []
    assert same_files([tmp_path / "missing"], [tmp_path / "gone"]) == []
