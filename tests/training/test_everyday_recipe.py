"""`models/everyday.py` with commands that write what the real ones would, without their hours."""

import json
from pathlib import Path
from typing import Any

import pytest
from labelled_sets import scenery

import everyday
from spotlet.image_files.files import write_image

CYCLES = len(everyday.CYCLES)
NAMES = ("ambulance", "person", "truck")


class Commands:
    """Writes what the commands would; the training with the number `stop_at` is interrupted."""

    def __init__(self, stop_at: int = -1) -> None:
        self.calls: list[list[str]] = []
        self.stop_at = stop_at

    def __call__(self, *arguments: object, processes: int = 1) -> None:
        given = list(map(str, arguments))
        self.calls.append(given)
        out = Path(given[given.index("--out") + 1])
        if given[0] == "label":
            (out / "annotations").mkdir(parents=True)
            source = Path(given[-1]) / "annotations/train.json"
            (out / "annotations/instances_default.json").write_bytes(source.read_bytes())
        if given[0] == "train":
            out.mkdir(parents=True, exist_ok=True)
            (out / "last.safetensors").touch()
            if sum(call[0] == "train" for call in self.calls) - 1 == self.stop_at:
                raise SystemExit(130)
            (out / "best.safetensors").touch()
            (out / "report").mkdir()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pictures whose one box is an ambulance, a person, and an ambulance beside a truck."""
    boxes = {1: [1], 2: [2], 3: [1, 3]}
    rows: list[dict[str, Any]] = [
        {"id": 10 * image + name, "image_id": image, "category_id": name, "bbox": [1, 1, 9, 9]}
        for image, names in boxes.items()
        for name in names
    ]
    content = {
        "images": [
            {
                "id": each, "file_name": f"{each}.png", "width": 96, "height": 64,
                "neg_category_ids": [3] * (each == 1), "not_exhaustive_category_ids": [],
            }
            for each in boxes
        ],
        "annotations": [row | {"area": 81, "iscrowd": 0} for row in rows],
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)],
    }  # fmt: skip
    root = tmp_path / "data"
    for split in ("train", "val"):
        for each in boxes:
            write_image(root / split / f"{each}.png", scenery(each))
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/{split}.json").write_text(json.dumps(content))
    return root


def make(data: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    work = data.parent / "work"
    monkeypatch.setattr(everyday, "spotlet", commands)
    monkeypatch.setattr(everyday, "load_checkpoint", lambda path: path)
    monkeypatch.setattr(everyday, "save_checkpoint", lambda *_, **__: None)
    everyday.main(["--data", str(data), "--teacher", "teacher", "--work", str(work), *more])
    return work


def test_each_cycle_starts_from_the_best_epoch_of_the_one_before(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands()
    work = make(data, commands, monkeypatch)
    assert [call[0] for call in commands.calls] == ["label", *["train"] * CYCLES, "export"]
    starts = [call[call.index("--weights") + 1] for call in commands.calls if call[0] == "train"]
    names = [work / f"nano-{cycle}/best.safetensors" for cycle in range(1, CYCLES)]
    assert starts == ["pretrained", *map(str, names)]


@pytest.mark.parametrize("stop_at", range(CYCLES))
def test_the_same_command_continues_an_interrupted_training(
    data: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    with pytest.raises(SystemExit):
        make(data, Commands(stop_at), monkeypatch)
    commands = Commands()
    make(data, commands, monkeypatch)
    trainings = [call for call in commands.calls if call[0] == "train"]
    assert len(trainings) == CYCLES - stop_at
    assert "--resume" in trainings[0]
    assert "--weights" not in trainings[0]
    assert commands.calls[0] == trainings[0]


def test_other_pictures_need_another_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(data, Commands(), monkeypatch)
    with pytest.raises(SystemExit, match="other pictures"):
        make(data, Commands(), monkeypatch, "--pictures", str(data / "val"))


def test_an_ambulance_counts_neither_as_a_truck_nor_as_background(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make(data, Commands(), monkeypatch)
    content = json.loads((work / "everyday/annotations/val.json").read_text())
    truck, person = (everyday.CLASSES.index(name) + 1 for name in ("truck", "person"))
    boxes = [
        (row["image_id"], row["category_id"], row["iscrowd"]) for row in content["annotations"]
    ]
    assert boxes == [(1, truck, 1), (2, person, 0), (3, truck, 1), (3, truck, 0)]
    lists = [
        (row["neg_category_ids"], row["not_exhaustive_category_ids"]) for row in content["images"]
    ]
    assert lists == [([], [truck]), ([], []), ([], [])]
