"""Labels that are complete for some classes only: read, declared, joined, counted."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spotlet.coco_labels import CocoPicture, coco_content
from spotlet.errors import DatasetError
from spotlet_training.datasets import Dataset, open_dataset, open_sets, open_splits
from spotlet_training.datasets.class_order import in_class_order
from spotlet_training.datasets.discover import read_labels
from spotlet_training.datasets.fingerprint import fingerprint
from spotlet_training.datasets.partial import Completeness, completeness
from spotlet_training.datasets.sample import Sample

CATEGORIES = [{"id": 7, "name": "nut"}, {"id": 3, "name": "bolt"}, {"id": 5, "name": "gear"}]
NUT, BOLT, GEAR = 7, 3, 5


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))


def write_coco(root: Path, *rows: dict[str, Any], categories: object = CATEGORIES) -> Path:
    """Writes pictures, each with one nut, with more keys in their rows."""
    images = [
        {"id": number, "file_name": f"{number}.png", "width": 40, "height": 30, **row}
        for number, row in enumerate(rows, start=1)
    ]
    boxes = [
        {"id": each["id"], "image_id": each["id"], "category_id": NUT, "bbox": [1, 2, 9, 9]}
        for each in images
    ]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_default.json").write_text(json.dumps(content))
    for each in images:
        write_picture(root / "images" / str(each["file_name"]))
    return root


def write_yolo(root: Path, names: Sequence[str], more: str = "", classes: int = 1) -> Path:
    """Writes two training pictures and one to validate on, each with the first classes."""
    for split, count in (("train", 2), ("val", 1)):
        for number in range(count):
            write_picture(root / "images" / split / f"{number}.png")
            labels = root / "labels" / split / f"{number}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("".join(f"{n} 0.5 0.5 0.{n + 2} 0.5\n" for n in range(classes)))
    listed = ", ".join(names)
    (root / "data.yaml").write_text(
        f"train: images/train\nval: images/val\nnames: [{listed}]\n{more}\n"
    )
    return root


def unknown_names(dataset: Dataset) -> list[list[str]]:
    names = dataset.class_names
    samples = [dataset.load(index) for index in range(len(dataset))]
    return [[names[index] for index in sample.unknown_ids] for sample in samples]


@pytest.mark.parametrize(
    ("row", "unknown"),
    [
        ({}, []),
        ({"neg_category_ids": [BOLT, GEAR], "not_exhaustive_category_ids": []}, []),
        ({"neg_category_ids": [], "not_exhaustive_category_ids": []}, ["bolt", "gear"]),
        ({"neg_category_ids": [GEAR], "not_exhaustive_category_ids": [NUT]}, ["bolt", "nut"]),
        ({"neg_category_ids": ["5"]}, ["bolt"]),
        ({"not_exhaustive_category_ids": [NUT]}, ["nut"]),
        ({"neg_category_ids": None, "not_exhaustive_category_ids": None}, []),
    ],
)
def test_the_lists_of_lvis_say_what_is_unknown_in_a_picture(
    tmp_path: Path, row: dict[str, Any], unknown: list[str]
) -> None:
    root = write_coco(tmp_path, row, row)
    assert unknown_names(open_dataset(root, "train")) == [unknown]


def test_a_class_with_only_a_crowd_box_is_known(tmp_path: Path) -> None:
    root = write_coco(tmp_path, {"neg_category_ids": [BOLT, GEAR]}, {})
    file = root / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    splits = open_splits(root)
    assert unknown_names(splits.train) == unknown_names(splits.val) == [[]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"neg_category_ids": [4]}, "image 1: neg_category_ids has 4, which is not in `categories"),
        ({"not_exhaustive_category_ids": 7}, "image 1: not_exhaustive_category_ids 7 is not a l"),
        ({"neg_category_ids": [True]}, "image 1: neg_category_ids has True"),
        ({"neg_category_ids": [GEAR, NUT]}, "image 1: .* none of category 7, which has a box;"),
        (
            {"neg_category_ids": [GEAR], "not_exhaustive_category_ids": [GEAR]},
            "image 1: .* none of category 5, which is in not_exhaustive_category_ids too;",
        ),
    ],
)
def test_lists_of_other_categories_are_problems(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match="instances_default.json: " + message):
        open_splits(write_coco(tmp_path, row, {}))


def test_images_that_contradict_themselves_are_counted_in_one_problem(tmp_path: Path) -> None:
    wrong = {"neg_category_ids": [NUT]}
    _, content = read_labels(write_coco(tmp_path, {}, wrong, wrong))
    (problem,) = content.problems.found
    assert problem.message.startswith("image 2: neg_category_ids says")
    assert problem.message.endswith("(2 such images)")


def test_what_is_written_as_unknown_is_read_as_unknown(tmp_path: Path) -> None:
    pictures = [
        CocoPicture(
            file_name=f"{number}.png",
            size_hw=(30, 40),
            boxes_xyxy=np.array([[1, 2, 10, 11]], np.float32),
            class_ids=np.array([1]),
            ignored=np.zeros(1, np.bool_),
            unknown_ids=unknown,
        )
        for number, unknown in enumerate([(), (0, 1), (2,)])
    ]
    (tmp_path / "annotations").mkdir()
    for number, picture in enumerate(pictures):
        write_picture(tmp_path / "images" / f"{number}.png")
        split = "train" if number < 2 else "val"
        chosen = pictures[:2] if number < 2 else [picture]
        content = coco_content(("nut", "bolt", "gear"), chosen)
        (tmp_path / "annotations" / f"{split}.json").write_text(json.dumps(content))
    splits = open_splits(tmp_path)
    assert unknown_names(splits.train) == [[], ["nut", "bolt"]]
    assert unknown_names(splits.val) == [["gear"]]


@pytest.mark.parametrize("entry", ["[nut, gear]", "[0, 2]"])
def test_the_classes_that_a_description_lists_are_complete_in_every_picture(
    tmp_path: Path, entry: str
) -> None:
    root = write_yolo(tmp_path, ["nut", "bolt", "gear"], f"exhaustive: {entry}")
    splits = open_splits(root)
    assert unknown_names(splits.train) == [["bolt"], ["bolt"]]
    assert unknown_names(splits.val) == [["bolt"]]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("[cog]", "exhaustive class 'cog' is not a class of the set; must be of nut, bolt"),
        ("[2]", "exhaustive class '2' is not"),
        ("nut", "`exhaustive` is 'nut'; must be a list"),
        ("", "`exhaustive` is None; must be a list"),
        ("[nut, on]", "`exhaustive` has True; must be .* in quotes"),
    ],
)
def test_other_classes_in_a_description_are_an_error(
    tmp_path: Path, entry: str, message: str
) -> None:
    root = write_yolo(tmp_path, ["nut", "bolt"], f"exhaustive: {entry}")
    with pytest.raises(DatasetError, match=message):
        open_splits(root)


def test_what_is_asked_for_replaces_what_the_files_say(tmp_path: Path) -> None:
    row = {"neg_category_ids": [], "not_exhaustive_category_ids": [NUT]}
    root = write_coco(tmp_path, row, row)
    assert unknown_names(open_splits(root, ["nut", "gear"]).train) == [["bolt"]]
    assert unknown_names(open_splits(root, []).train) == [["bolt", "gear", "nut"]]
    with pytest.raises(DatasetError, match="exhaustive class 'cog'"):
        open_splits(root, ["cog"])


def test_unknown_classes_follow_the_order_of_a_model(tmp_path: Path) -> None:
    root = write_coco(tmp_path, {"neg_category_ids": [GEAR]}, {"neg_category_ids": [GEAR]})
    own = open_dataset(root, "train")
    order = ("nut", "gear", "bolt")
    assert own.class_names != order
    assert unknown_names(in_class_order(own, order)) == [["bolt"]]

    class Loaded:
        class_names = own.class_names

        def __len__(self) -> int:
            return len(own)

        def load(self, index: int) -> Sample:
            return own.load(index)

    assert unknown_names(in_class_order(Loaded(), order)) == [["bolt"]]


def test_a_fingerprint_changes_with_what_is_unknown_and_only_then(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, ["nut", "bolt"])
    plain = open_splits(root).train
    assert fingerprint(plain) == fingerprint(open_splits(root, ["nut", "bolt"]).train)
    assert fingerprint(plain) != fingerprint(open_splits(root, ["nut"]).train)


def test_several_sets_are_one_with_classes_matched_by_name(tmp_path: Path) -> None:
    first = write_yolo(tmp_path / "first", ["nut", "bolt"])
    second = write_yolo(tmp_path / "second", ["gear", "nut"], classes=2)
    splits = open_sets([first, second])
    assert splits.class_names == ("nut", "bolt", "gear")
    assert splits.format == "yolo"
    assert [one.class_ids.tolist() for one in splits.train.labels] == [[0], [0], [2, 0], [2, 0]]
    assert unknown_names(splits.train) == [["gear"], ["gear"], ["bolt"], ["bolt"]]
    assert unknown_names(splits.val) == [["gear"], ["bolt"]]
    assert f"{second} does not list bolt: unknown in its images" in splits.notes


def test_a_set_may_be_complete_for_a_class_that_only_another_one_lists(tmp_path: Path) -> None:
    first = write_yolo(tmp_path / "first", ["nut", "bolt"])
    second = write_yolo(tmp_path / "second", ["gear"], "exhaustive: [gear]")
    splits = open_sets([first, second], {second: ["nut"]})
    assert unknown_names(splits.train)[2:] == [["bolt", "gear"]] * 2
    assert not any("does not list" in note for note in splits.notes if str(second) in note)
    with pytest.raises(DatasetError, match="exhaustive class 'cog' is not a class of the set"):
        open_sets([first, second], {first: ["cog"]})


def test_what_a_set_says_of_its_own_classes_stays_when_it_is_joined(tmp_path: Path) -> None:
    first = write_yolo(tmp_path / "first", ["nut", "bolt"], "exhaustive: [bolt]")
    second = write_yolo(tmp_path / "second", ["gear"])
    splits = open_sets([first, second])
    assert unknown_names(splits.train)[0] == ["nut", "gear"]


def test_one_set_opened_as_several_is_that_set(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, ["nut", "bolt"])
    one, same = open_sets([root]), open_splits(root)
    assert fingerprint(one.train, one.val) == fingerprint(same.train, same.val)
    assert one.notes == same.notes
    assert unknown_names(open_sets([root], {root: ["nut"]}).val) == [["bolt"]]


def test_a_set_given_twice_is_an_error(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set", ["nut"])
    with pytest.raises(DatasetError, match="is given twice"):
        open_sets([root, root.parent / "set" / ".." / "set"])


def test_completeness_is_counted_and_noted(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, ["nut", "bolt", "gear"], "exhaustive: [gear]")
    splits = open_splits(root)
    assert completeness(splits.train.labels, 3) == [
        Completeness(0, 2, 0),
        Completeness(0, 0, 2),
        Completeness(2, 0, 0),
    ]
    told = "\n".join(splits.notes)
    assert "of 2 training images, there may be more than is marked of nut in 2, bolt in 2" in told
    assert "no training image is complete for nut, bolt" in told
    assert "no validation image is complete for nut, bolt" in told
    one, other = splits.train.labels
    mixed = [one, replace(other, unknown_ids=())]
    assert completeness(mixed, 3)[0] == Completeness(1, 1, 0)
    assert not any(
        "complete for" in note for note in open_splits(root, ["nut", "bolt", "gear"]).notes
    )
