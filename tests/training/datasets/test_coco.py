"""What only COCO files have: where tools put them, crowds, ids, broken JSON."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spotlet.errors import DatasetError
from spotlet_training.datasets import open_splits

CATEGORIES: list[dict[str, Any]] = [{"id": 7, "name": "nut"}, {"id": 3, "name": "bolt"}]


def content_of(name: str, **changes: Any) -> dict[str, Any]:
    """One image of 40 x 30 pixels with one nut."""
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": name, "width": 40, "height": 30}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}],
        "categories": CATEGORIES,
    }
    return {**content, **changes}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))


def write_set(root: Path, train: object = None) -> Path:
    for split in ("train", "val"):
        write(root / "annotations" / f"{split}.json", content_of(f"{split}.png"))
        write_image(root / split / f"{split}.png")
    if train is not None:
        write(root / "annotations" / "train.json", train)
    return root


@pytest.mark.parametrize(
    ("labels", "image", "file_name"),
    [
        ("annotations/{}.json", "{}/{}.png", "{}.png"),
        ("annotations/{}.json", "images/{}/{}.png", "{}.png"),
        ("annotations/{}.json", "images/{}.png", "{}.png"),
        ("annotations/{}.json", "annotations/{}.png", "{}.png"),
        ("annotations/{}.json", "deep/{}/{}.png", "deep/{}/{}.png"),
        ("annotations/{}.json", "images/a/{}.png", "images\\a\\{}.png"),
        ("annotations/instances_{}2017.json", "{}2017/{}.png", "{}.png"),
        ("annotations/instances_{}2017.json", "images/{}2017/{}.png", "{}.png"),
        ("{}/_annotations.coco.json", "{}/{}.png", "{}.png"),
    ],
)
def test_labels_and_images_are_found_where_tools_put_them(
    tmp_path: Path, labels: str, image: str, file_name: str
) -> None:
    for split in ("train", "val"):
        write(tmp_path / labels.replace("{}", split), content_of(file_name.replace("{}", split)))
        write_image(tmp_path / image.replace("{}", split))
    splits = open_splits(tmp_path)
    assert splits.class_names == ("bolt", "nut")
    assert splits.train.load(0).name == "train.png"
    assert splits.val.load(0).name == "val.png"


def test_the_validation_folder_may_be_called_valid(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write(tmp_path / split / "_annotations.coco.json", content_of("a.png"))
        write_image(tmp_path / split / "a.png")
    assert open_splits(tmp_path).val.labels[0].path == tmp_path / "valid" / "a.png"


def test_one_file_for_the_whole_set_is_split(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in range(1, 21)]
    boxes = [{"id": n, "image_id": n, "category_id": 7, "bbox": [1, 2, 3, 4]} for n in range(1, 21)]
    write(tmp_path / "result.json", content_of("", images=images, annotations=boxes))
    for number in range(1, 21):
        write_image(tmp_path / "images" / f"{number}.png")
    splits = open_splits(tmp_path)
    assert len(splits.train) + len(splits.val) == 20
    assert "no validation split" in splits.notes[0]


def test_crowds_are_ignored_objects(tmp_path: Path) -> None:
    boxes = [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": crowd}
        for crowd in (1, 0)
    ]
    root = write_set(tmp_path, content_of("train.png", annotations=boxes))
    assert open_splits(root).train.load(0).ignored.tolist() == [True, False]


def test_the_parent_category_of_an_export_is_left_out(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "parts", "supercategory": "none"},
        {"id": 1, "name": "bolt", "supercategory": "parts"},
        {"id": 7, "name": "nut", "supercategory": "parts"},
    ]
    for split in ("train", "val"):
        write_image(tmp_path / split / "a.png")
        content = content_of("a.png", categories=categories)
        write(tmp_path / "annotations" / f"{split}.json", content)
    splits = open_splits(tmp_path)
    assert splits.class_names == ("bolt", "nut")
    assert splits.train.load(0).class_ids.tolist() == [1]
    assert "category 0 'parts' is skipped" in splits.notes[0]


def test_a_category_that_is_its_own_parent_stays(tmp_path: Path) -> None:
    categories = [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 7, "name": "car", "supercategory": "vehicle"},
    ]
    for split in ("train", "val"):
        write_image(tmp_path / split / "a.png")
        content = content_of("a.png", categories=categories)
        write(tmp_path / "annotations" / f"{split}.json", content)
    assert open_splits(tmp_path).class_names == ("person", "car")


@pytest.mark.parametrize(
    ("train", "what"),
    [
        ([], "no list 'images'"),
        (content_of("a.png", images=None), "no list 'images'"),
        (content_of("a.png", annotations=[3]), "no list 'annotations'"),
        (content_of("train.png", categories=[{"id": "1", "name": "nut"}]), "integer `id`"),
        (content_of("train.png", categories=[*CATEGORIES, CATEGORIES[0]]), "duplicate category"),
        (content_of("train.png", categories=CATEGORIES[:1]), "categories differ"),
        (content_of("train.png", images=[{"id": [], "file_name": "a"}]), "integer `id`"),
        (content_of("train.png", images=[{"id": 1, "file_name": "train.png"}]), "`width`"),
        (
            content_of("train.png", annotations=[{"id": 9, "image_id": [2], "category_id": 7}]),
            r"annotation 9: image \[2\] is not in `images`",
        ),
        (
            content_of("train.png", annotations=[{"id": 9, "image_id": 1, "category_id": {}}]),
            "annotation 9: unknown class",
        ),
        *(
            (
                content_of(
                    "train.png",
                    annotations=[{"id": 9, "image_id": 1, "category_id": 7, "bbox": box}],
                ),
                "annotation 9: ",
            )
            for box in (None, [1, 2, 3], [1, 2, "3", 4], [1, 2, True, 4], [0, 0, 10**400, 4])
        ),
    ],
)
def test_what_breaks_the_format_is_one_clear_line(tmp_path: Path, train: object, what: str) -> None:
    root = write_set(tmp_path, train)
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert "train.json" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_not_json_is_an_error(tmp_path: Path, text: str) -> None:
    root = write_set(tmp_path)
    (root / "annotations" / "val.json").write_text(text)
    with pytest.raises(DatasetError, match=r"val\.json: is not JSON"):
        open_splits(root)


def test_two_files_of_one_split_are_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    write(root / "annotations" / "instances_train2017.json", content_of("train.png"))
    with pytest.raises(DatasetError, match="several COCO files of the train split"):
        open_splits(root)


def test_a_set_with_only_a_validation_split_is_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "annotations" / "train.json").unlink()
    with pytest.raises(DatasetError, match="train split"):
        open_splits(root)


@pytest.mark.parametrize(
    ("value", "ignored"),
    [("0", False), ("1", True), (False, False), (True, True), (0.0, False), (None, False)],
)
def test_the_mark_of_a_crowd_may_be_text(tmp_path: Path, value: object, ignored: bool) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": value}
    root = write_set(tmp_path, content_of("train.png", annotations=[box]))
    assert open_splits(root).train.load(0).ignored.tolist() == [ignored]


def test_another_mark_of_a_crowd_is_an_error(tmp_path: Path) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": "no"}
    root = write_set(tmp_path, content_of("train.png", annotations=[box]))
    with pytest.raises(DatasetError, match="annotation 1: iscrowd 'no' must be 0 or 1"):
        open_splits(root)


@pytest.mark.parametrize("spelled", ["./train.png", ".\\train.png", "train/train.png"])
def test_one_picture_under_two_spellings_is_an_error(tmp_path: Path, spelled: str) -> None:
    first = {"id": 1, "file_name": "train.png", "width": 40, "height": 30}
    images = [first, first | {"id": 2, "file_name": spelled}]
    root = write_set(tmp_path, content_of("train.png", images=images))
    with pytest.raises(DatasetError, match=r"duplicate image 2 .*: the same file as image 1"):
        open_splits(root)


def test_a_rotated_box_becomes_the_upright_one_around_it_and_is_counted(tmp_path: Path) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 13, 20, 4]}
    turned = [box | {"attributes": {"rotation": degrees}} for degrees in (0.0, 90.0, 30.0)]
    root = write_set(tmp_path, content_of("train.png", annotations=turned))
    splits = open_splits(root)
    # Centre 20, 15; at 30 degrees, 20 cos + 4 sin wide and 20 sin + 4 cos high.
    wide, high = 20 * 0.8660254 + 4 * 0.5, 20 * 0.5 + 4 * 0.8660254
    expected: list[list[float]] = [
        [10, 13, 30, 17],
        [18, 5, 22, 25],
        [20 - wide / 2, 15 - high / 2, 20 + wide / 2, 15 + high / 2],
    ]
    np.testing.assert_allclose(splits.train.load(0).boxes_xyxy, expected, atol=1e-4)
    assert splits.notes == ("2 rotated boxes are taken as the upright boxes around them",)


def test_categories_that_each_split_numbers_anew_are_matched_by_name(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    turned = [{"id": 7, "name": "bolt"}, {"id": 3, "name": "nut"}]
    write(root / "annotations" / "val.json", content_of("val.png", categories=turned))
    splits = open_splits(root)
    assert splits.class_names == ("bolt", "nut")
    assert splits.train.load(0).class_ids.tolist() == [1]
    assert splits.val.load(0).class_ids.tolist() == [0]
