"""Several sets, and sets whose labels are not complete, on the command line."""

import json
import shutil
from pathlib import Path

import pytest

from spotlet.cli import main
from spotlet.errors import UsageError
from spotlet_training.commands.set_options import asked_exhaustive, set_words, sets_name
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.training import BEST_CHECKPOINT

QUICK = ["--epochs", "1", "--image-size", "64", "--batch-size", "8", "--device", "cpu"]
QUICK += ["--size", "pico"]


@pytest.fixture
def squares_only(shapes_folder: Path, tmp_path: Path) -> Path:
    """The set of shapes again, in which nobody has marked a disc."""
    root = tmp_path / "squares only"
    shutil.copytree(shapes_folder, root)
    for file in (root / "labels").rglob("*.txt"):
        lines = [line for line in file.read_text().splitlines() if line.startswith("0 ")]
        file.write_text("\n".join(lines))
    for picture in (root / "images").rglob("*.png"):  # of other bytes: no copies of the first
        picture.write_bytes(picture.read_bytes() + b"\0")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [square]\n")
    return root


def test_two_sets_train_one_model_whose_next_step_works_and_which_resumes(
    shapes_folder: Path, squares_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sets = tmp_path / "run", [str(shapes_folder), str(squares_only)]
    words = ["train", *sets, "--out", str(out)]
    assert main([*words, *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "yolo, 32 images to train on, 16 to validate on, classes square, disc" in printed
    assert f"note: {squares_only} does not list disc: unknown in its images" in printed
    assert f"next: spotlet export {out / BEST_CHECKPOINT} --data {sets[0]} --data '" in printed
    checkpoint = load_checkpoint(out / BEST_CHECKPOINT)
    assert checkpoint.class_names == ("square", "disc")
    assert checkpoint.training["data"] == f"{shapes_folder.name}+squares only"
    assert main([*words, "--resume"]) == 0
    assert "are done: nothing to resume" in capsys.readouterr().out
    declared = ["--exhaustive", f"{squares_only}=square,disc"]
    assert main([*words, *declared, "--resume"]) == 2
    assert "cannot resume on another dataset" in capsys.readouterr().err

    assert main(["evaluate", str(out / BEST_CHECKPOINT), *sets, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 16


def test_data_check_says_what_is_partial(
    shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "check", str(shapes_folder), "--image-size", "96"]
    assert main(words) == 0
    assert "images by class" not in capsys.readouterr().out
    assert main([*words, "--exhaustive", "square"]) == 0
    printed = capsys.readouterr().out
    assert "images by class" in printed
    assert "no training image is complete for disc" in printed
    assert main([*words, "--exhaustive", "square", "--json"]) == 0
    square, disc = json.loads(capsys.readouterr().out)["classes"]
    assert square["train_images"] == {"complete": 16, "more": 0, "unknown": 0}
    assert disc["train_images"]["complete"] == 0
    assert disc["train_images"]["more"] + disc["train_images"]["unknown"] == 16
    assert sum(disc["val_images"].values()) == 8


@pytest.mark.parametrize("command", ["train", "data check"])
def test_a_wrong_exhaustive_class_is_one_line(
    command: str, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), str(shapes_folder), "--exhaustive", "cube"]) == 4
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "exhaustive class 'cube' is not a class of the set; must be of square, disc" in line


def test_exhaustive_is_for_the_set_before_its_equals_sign() -> None:
    a, b = Path("sets/a"), Path("b=1")
    found = asked_exhaustive([a, b], ["sets/a/=person, car", "b=1=dog"])
    assert found == {a: ("person", " car"), b: ("dog",)}
    assert asked_exhaustive([a, b], [f"{a.absolute()}=person"]) == {a: ("person",)}
    assert asked_exhaustive([a], ["person"]) == {a: ("person",)}
    assert asked_exhaustive([a], [""]) == {a: ()}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["person"], "of several sets, must be SET=CLASS,CLASS with one of a, b"),
        (["c=person"], "with one of a, b"),
        (["a=person", "a=car"], "is the second for a"),
    ],
)
def test_an_unclear_exhaustive_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked_exhaustive([Path("a"), Path("b")], texts)


def test_words_give_the_same_sets_again() -> None:
    sets = [Path("a"), Path("b")]
    assert set_words(sets, ["a=car"]) == ["a", "b", "--exhaustive", "a=car"]
    assert set_words(sets, [], "--data") == ["--data", "a", "--data", "b"]
    assert sets_name(sets) == "a+b"


def test_data_check_takes_several_sets(
    shapes_folder: Path, squares_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [root / "images" for root in (shapes_folder, squares_only)]
    shutil.copy(pictures[0] / "val" / "shapes-0.png", pictures[1] / "train" / "shapes-0.png")
    words = ["data", "check", str(shapes_folder), str(squares_only), "--image-size", "96"]
    assert main([*words, "--exhaustive", f"{squares_only}=square", "--json"]) == 3
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["dataset"] == f"{shapes_folder}, {squares_only}"
    assert record["splits"][0]["images"] == 32
    assert record["classes"][1]["train_images"]["complete"] == 16
    copied = [one for one in record["findings"] if one["severity"] == "error"]
    assert copied[0]["file"] == str(pictures[0] / "val" / "shapes-0.png")
    assert str(pictures[1] / "train" / "shapes-0.png") in copied[0]["message"]
    assert f"{shapes_folder}, {squares_only}: " in printed.err
