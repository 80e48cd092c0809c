"""Several sets opened as one: validation pictures, backgrounds, names that look alike."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from spotlet.errors import DatasetError
from spotlet_training.datasets import Splits, open_sets
from spotlet_training.inspection import inspect_sets


def write_set(
    root: Path, names: Sequence[str], pictures: dict[str, int], *, boxes: bool = True
) -> Path:
    """Writes a COCO set.

    Args:
        root: a new folder.
        names: of the classes; each picture has one object of the first.
        pictures: a number for the content of each, by file name; equal ones are equal files. A
            name may begin with `val/`.
        boxes: whether the objects are marked.
    """
    (root / "annotations").mkdir(parents=True)
    rows = dict[str, list[dict[str, object]]]()
    for number, (name, content) in enumerate(pictures.items(), start=1):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(content).integers(0, 255, (8, 8, 3), np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(noise, (80, 80)))
        split = "val" if name.startswith("val/") else "train"
        row = {"id": number, "file_name": name, "width": 80, "height": 80}
        rows.setdefault(split, []).append(row)
    for split, images in rows.items():
        annotations = [
            {"id": row["id"], "image_id": row["id"], "category_id": 1, "bbox": [9, 9, 50, 50]}
            for row in images
            if boxes
        ]
        categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
        content_of = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content_of))
    return root


def contents(splits: Splits) -> tuple[set[bytes], set[bytes]]:
    train, val = (
        {one.path.read_bytes() for one in part.labels} for part in (splits.train, splits.val)
    )
    return train, val


def test_pictures_that_two_undivided_sets_share_are_in_one_split(tmp_path: Path) -> None:
    nuts = write_set(tmp_path / "nuts", ["nut"], {f"{n}.png": n for n in range(20)})
    bolts = write_set(tmp_path / "bolts", ["bolt"], {f"b{n}.png": n for n in range(20)})
    splits = open_sets([nuts, bolts])
    train, val = contents(splits)
    assert not train & val
    assert 2 <= len(val) <= 7
    assert len(splits.val) == 2 * len(val)
    assert any("no validation split in 2 of the 2 sets: " in note for note in splits.notes)


def test_copies_of_another_sets_validation_pictures_are_validated_on(tmp_path: Path) -> None:
    own = {f"{'val/' if n > 14 else ''}{n}.png": n for n in range(20)}
    divided = write_set(tmp_path / "divided", ["nut"], own)
    other = write_set(tmp_path / "other", ["bolt"], {f"b{n}.png": n for n in range(10, 30)})
    splits = open_sets([other, divided])
    train, val = contents(splits)
    assert not train & val
    before = open_sets([divided])
    assert contents(before)[0] <= train
    assert contents(before)[1] < val


def test_backgrounds_join_a_set_with_objects_and_are_none_alone(tmp_path: Path) -> None:
    nuts = write_set(tmp_path / "nuts", ["nut"], {"0.png": 0, "val/1.png": 1})
    empty = write_set(tmp_path / "empty", ["nut"], {"only.png": 2}, boxes=False)
    splits = open_sets([nuts, empty])
    assert [len(one.class_ids) for one in splits.train.labels] == [1, 0]
    assert len(splits.val) == 1
    more = write_set(tmp_path / "more", ["nut"], {"a.png": 3, "b.png": 4}, boxes=False)
    with pytest.raises(DatasetError, match=r"empty, .*more: 2 images but no labelled object in"):
        open_sets([empty, more])


def test_class_names_that_look_alike_are_noted(tmp_path: Path) -> None:
    first = write_set(tmp_path / "first", ["pin-hole", "nut"], {"0.png": 0, "val/1.png": 1})
    second = write_set(tmp_path / "second", ["Pin hole"], {"2.png": 2, "val/3.png": 3})
    notes = open_sets([first, second]).notes
    assert notes[0].startswith("classes 'pin-hole', 'Pin hole' differ only in case, spaces")
    assert not any("differ only" in note for note in open_sets([first]).notes)


def test_a_class_is_declared_with_or_without_the_spaces_around_it(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", [" nut", "bolt"], {"0.png": 0, "1.png": 1})
    assert open_sets([root], {root: [" nut", " bolt "]}).train.labels[0].unknown_ids == ()
    with pytest.raises(
        DatasetError, match=r"class 'other=nut' is not .*'other' is a set, it must be"
    ):
        open_sets([root], {root: ["other=nut"]})


def test_a_set_and_its_description_are_one_set_given_twice(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "labels").mkdir()
    for number in range(2):
        path = tmp_path / "set" / "images" / f"{number}.png"
        assert cv2.imwrite(str(path), np.full((80, 80, 3), number, np.uint8))
        (tmp_path / "set" / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "set" / "data.yaml").write_text("train: images\nnames: [nut]\n")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    for again in ("set/data.yaml", "link", "set/../set"):
        with pytest.raises(DatasetError, match=r"is given twice: .*set is read from the same"):
            open_sets([tmp_path / "set", tmp_path / again])


def test_a_check_of_several_sets_finds_copies_across_them(tmp_path: Path) -> None:
    nuts = write_set(tmp_path / "nuts", ["nut"], {"0.png": 0, "val/1.png": 1})
    bolts = write_set(tmp_path / "bolts", ["bolt"], {"0.png": 1, "2.png": 2, "val/3.png": 3})
    inspection = inspect_sets([nuts, bolts])
    (found,) = (one for one in inspection.findings if one.severity == "error")
    assert found.file == nuts / "images" / "val" / "1.png"
    copied = bolts / "images" / "0.png"
    assert f"is a byte-for-byte copy of the training picture {copied}" in found.message
    assert inspection.class_names == ("nut", "bolt")
    assert not [one for one in inspect_sets([nuts]).findings if one.severity == "error"]
