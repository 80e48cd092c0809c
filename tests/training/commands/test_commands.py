import csv
import json
from pathlib import Path

import pytest
import torch

from spotlet.cli import main
from spotlet.errors import UsageError
from spotlet_training.commands.recipe_options import parse_size
from spotlet_training.commands.train import pick_folder
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.run_folder.state import LAST_STATE
from spotlet_training.training import BEST_CHECKPOINT

QUICK = ["--epochs", "2", "--image-size", "64", "--batch-size", "8", "--device", "cpu"]


def test_train_writes_a_checkpoint_and_a_history(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", str(shapes_folder), "--out", str(out), *QUICK]) == 0
    printed = capsys.readouterr()
    assert "yolo, 16 images to train on, 8 to validate on" in printed.out
    assert "spotlet export" in printed.out
    written = {BEST_CHECKPOINT, LAST_STATE, "history.csv", "events"}
    assert written <= {path.name for path in out.iterdir()}
    assert "kept in memory: 16 of 16 images" in printed.err
    with (out / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[0]["best"] == "1"
    for name in ("loss", "learning_rate", "ap", "ap50", "ap75"):
        assert float(rows[0][name]) >= 0


def test_training_goes_on_from_a_checkpoint(
    shapes_checkpoint: Path,
    shapes_folder: Path,
    squares_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", str(shapes_folder), "--device", "cpu", "--epochs", "1", "--out"]
    small = ["--image-size", "96", "--learning-rate", "1e-9"]  # too small to go anywhere
    new, further = tmp_path / "new", tmp_path / "further"
    assert main([*words, str(new), *small]) == 0
    assert main([*words, str(further), *small, "--weights", str(shapes_checkpoint)]) == 0
    start, apart, near = (
        dict(load_checkpoint(path).network.named_parameters())
        for path in (shapes_checkpoint, new / BEST_CHECKPOINT, further / BEST_CHECKPOINT)
    )
    assert all(torch.allclose(near[name], start[name], atol=1e-5) for name in start)
    assert not all(torch.allclose(apart[name], start[name], atol=1e-5) for name in start)
    told = "".join(capsys.readouterr())
    assert "starting from bundled everyday-nano: the network; class head: " in told
    assert f"starting from {shapes_checkpoint}: the whole network" in told
    other = [str(tmp_path / "other"), "--weights", str(shapes_checkpoint), "--size", "pico"]
    assert main([*words, *other]) == 2
    assert "another size" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "bad"), "--weights", str(squares_model)]) == 4


def test_train_does_not_replace_a_checkpoint_unasked(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / BEST_CHECKPOINT
    checkpoint.write_bytes(b"weeks of work")
    assert main(["train", str(shapes_folder), "--out", str(tmp_path), *QUICK]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert checkpoint.read_bytes() == b"weeks of work"
    assert pick_folder(tmp_path, "shapes", overwrite=True) == tmp_path


def test_the_default_folder_is_always_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pick_folder(None, "birds", overwrite=False) == Path("runs/birds")
    Path("runs/birds").mkdir(parents=True)
    assert pick_folder(None, "birds", overwrite=False) == Path("runs/birds-2")


@pytest.mark.parametrize("text", ["", "big", "320x", "32x32x3", "-32"])
def test_an_image_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--image-size"):
        parse_size(text)


def test_training_on_no_dataset_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path / "nothing")]) == 4
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_evaluate_measures_a_checkpoint(
    shapes_checkpoint: Path, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(shapes_checkpoint), str(shapes_folder)]
    assert main([*arguments, "--split", "train"]) == 0
    table = capsys.readouterr().out
    assert "square" in table
    assert main([*arguments, "--split", "train", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["images"] == 16
    # The pictures that it was validated on, where it is the same.
    recorded = load_checkpoint(shapes_checkpoint).training["val_ap50"]
    assert figures["ap50"] == pytest.approx(recorded, abs=1e-3)
    assert set(figures["per_class_ap"]) == {"square", "disc"}


def test_evaluate_refuses_a_set_of_other_classes(
    squares_model: Path, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(squares_model), str(shapes_folder)]) == 4
    assert "may lack some of them, but have no others" in capsys.readouterr().err


def test_training_starts_no_more_threads_than_a_containers_quota_allows(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    for quota, limited in ((None, False), (2.5, True)):
        monkeypatch.setattr("spotlet.cores._allowed_cores", lambda: 64)
        monkeypatch.setattr("spotlet.cores.quota_cores", lambda quota=quota: quota)
        asked.clear()
        assert main(["train", str(shapes_folder), "--out", str(tmp_path / str(quota)), *QUICK]) == 0
        assert (asked[:1] == [3]) is limited  # others are of the evaluation's timing
