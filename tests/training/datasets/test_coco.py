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


def an_image(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "file_name": "train.png", "width": 40, "height": 30, **changes}


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
        (content_of("train.png", categories=[{"id": "one", "name": "nut"}]), "integer `id`"),
        (content_of("train.png", categories=[*CATEGORIES, CATEGORIES[0]]), "duplicate category"),
        (content_of("train.png", categories=CATEGORIES[:1]), "categories differ"),
        (content_of("train.png", images=[{"id": [], "file_name": "a"}]), "integer `id`"),
        (content_of("train.png", images=[{"id": 1.5, "file_name": "a.png"}]), "image 1.5: .*`id`"),
        *(
            (content_of("train.png", images=[an_image(width=side)]), "image 1: .*`width`")
            for side in (-40, "wide", 40.5, [40], True)
        ),
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
            for box in (None, [1, 2, 3], [1, 2, "three", 4], [1, 2, True, 4], [0, 0, 10**400, 4])
        ),
    ],
)
def test_what_breaks_the_format_is_one_clear_line(tmp_path: Path, train: object, what: str) -> None:
    root = write_set(tmp_path, train)
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert "train.json" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("images", "annotations", "categories"),
    [
        ({"id": "1"}, {}, {}),
        ({}, {"image_id": "1"}, {}),
        ({"id": 1.0}, {"image_id": 1, "category_id": 7.0}, {}),
        ({}, {"category_id": "7"}, {"id": 7.0}),
        ({"width": 40.0, "height": "30"}, {"id": "5"}, {"id": "7"}),
        ({"file_name": "train.png "}, {}, {}),
        ({"width": "40.0"}, {"bbox": ["1", "2.0", 3.0, " 4 "]}, {}),
    ],
)
def test_numbers_in_another_type_are_read(
    tmp_path: Path,
    images: dict[str, Any],
    annotations: dict[str, Any],
    categories: dict[str, Any],
) -> None:
    content = content_of("train.png")
    content["images"][0].update(images)
    content["annotations"][0].update(annotations)
    content["categories"] = [CATEGORIES[0] | categories, CATEGORIES[1]]
    splits = open_splits(write_set(tmp_path, content))
    (labels,) = splits.train.labels
    assert splits.class_names == ("bolt", "nut")
    assert (labels.size_hw, labels.places) == ((30, 40), (5,))
    assert (labels.boxes_xyxy.tolist(), labels.class_ids.tolist()) == ([[1, 2, 4, 6]], [1])


@pytest.mark.parametrize("size", [{}, {"width": 0, "height": 0}, {"width": 30, "height": None}])
def test_a_size_that_is_not_stated_is_that_of_the_picture(
    tmp_path: Path, size: dict[str, Any]
) -> None:
    content = content_of("train.png", images=[{"id": 1, "file_name": "train.png", **size}])
    splits = open_splits(write_set(tmp_path, content))
    assert splits.train.labels[0].size_hw == (30, 40)
    what = "images of train without width and height, which are read from the pictures: 1"
    assert splits.notes == (what,)
    (tmp_path / "train" / "train.png").write_bytes(b"none")
    with pytest.raises(DatasetError, match=r"train\.json: image 1: .*train\.png: not an image"):
        open_splits(tmp_path)


MOVED = [
    "/home/joe/x/a.png",
    "C:\\data\\train\\a.png",
    "\\\\server\\share\\a.png",
    "../../media/upload/1/a.png",
    "http://images.cocodataset.org/train2017/a.png",
    "https://x.org/a.png?token=/b/c.png",
    "s3://bucket/A.PNG",
    "/data/local-files/?d=x/a.png",
]


@pytest.mark.parametrize("name", MOVED)
@pytest.mark.parametrize("folder", ["train", "images/train", "images", "photos/2024"])
def test_a_path_of_another_machine_is_found_by_its_end(
    tmp_path: Path, name: str, folder: str
) -> None:
    root = write_set(tmp_path, content_of(name))
    write_image(root / "val" / "a.png")  # of the other split
    write_image(root / "test2017" / "a.png")
    write_image(root / folder / "a.png")
    splits = open_splits(root)
    assert [one.path for one in splits.train.labels] == [root / folder / "a.png"]
    (note,) = splits.notes
    assert note.startswith(
        "pictures of train that are not where the labels say: 1; each is the only"
    )
    assert note.endswith(f"({name!r} is {folder}/a.png)")


@pytest.mark.parametrize(
    ("name", "expected"), [("/x/a b.png", "a b.png"), ("http://x.org/a%20b.png", "a b.png")]
)
def test_a_url_may_stand_for_a_name(tmp_path: Path, name: str, expected: str) -> None:
    image = {"id": 1, "coco_url": name, "width": 40, "height": 30}
    root = write_set(tmp_path, content_of("", images=[image]))
    write_image(root / "photos" / expected)
    assert open_splits(root).train.labels[0].path.name == expected


def test_a_name_that_is_a_number_is_text(tmp_path: Path) -> None:
    categories = [{"id": 7, "name": 12}, {"id": 3, "name": "bolt"}]
    root = write_set(tmp_path, content_of("train.png", categories=categories))
    write(root / "annotations" / "val.json", content_of("val.png", categories=categories))
    assert open_splits(root).class_names == ("bolt", "12")


@pytest.mark.parametrize(
    ("labels", "image"),
    [
        ("{}/labels.json", "{}/data/{}.png"),
        ("{}.json", "{}/{}.png"),
        ("annotations/{}_annotations.json", "images/{}.png"),
        ("annotations/person_keypoints_{}2017.json", "{}2017/{}.png"),
        ("{}/annotations.json", "{}/images/{}.png"),
        ("set/{}-coco.json", "set/{}.png"),
    ],
)
def test_label_files_of_other_names_are_told_by_what_they_hold(
    tmp_path: Path, labels: str, image: str
) -> None:
    for split in ("train", "val", "test"):
        content = content_of(f"{split}.png", info={})
        write(tmp_path / labels.replace("{}", split), content)
        write_image(tmp_path / image.replace("{}", split))
        write(tmp_path / "captions" / f"{split}.json", {"images": [], "annotations": []})
    splits = open_splits(tmp_path)
    assert [one.path.name for one in splits.train.labels] == ["train.png"]
    assert [one.path.name for one in splits.val.labels] == ["val.png"]
    write(tmp_path / "more" / "train.json", content_of("train.png"))
    with pytest.raises(DatasetError, match="several COCO files of the train split"):
        open_splits(tmp_path)


@pytest.mark.parametrize("labels", ["labels.json", "annotations/coco.json", "set/instances.json"])
def test_one_label_file_of_any_name_is_the_whole_set(tmp_path: Path, labels: str) -> None:
    images = [an_image(id=n, file_name=f"{n}.png") for n in (1, 2)]
    boxes = [{"id": n, "image_id": n, "category_id": 7, "bbox": [1, 2, 3, 4]} for n in (1, 2)]
    write(tmp_path / labels, content_of("", images=images, annotations=boxes))
    for folder, number in (("train", 1), ("val", 2)):
        write_image(tmp_path / folder / f"{number}.png")
    splits = open_splits(tmp_path)
    assert (splits.format, len(splits.train) + len(splits.val)) == ("coco", 2)


def test_an_archive_of_windows_may_leave_backslashes_in_names(tmp_path: Path) -> None:
    root = write_set(tmp_path, content_of("images\\a.png"))
    write_image(root / "images\\a.png")
    splits = open_splits(root)
    assert splits.train.labels[0].path == root / "images\\a.png"
    assert splits.notes == ()


def test_the_longest_end_decides_and_of_equal_ones_none(tmp_path: Path) -> None:
    root = write_set(tmp_path, content_of("/home/joe/b/a.png"))
    for folder in ("b", "c", "d"):
        write_image(root / "photos" / folder / "a.png")
    assert open_splits(root).train.labels[0].path == root / "photos" / "b" / "a.png"
    write(root / "annotations" / "train.json", content_of("/home/joe/e/a.png"))
    what = r"'/home/joe/e/a.png', but several may be meant \(photos/b/a.png, photos/c/a.png\)"
    with pytest.raises(DatasetError, match=what):
        open_splits(root)


def as_text(lengths: list[int]) -> str:
    """Writes lengths as the COCO tools do: rleToString in maskApi.c."""
    text = ""
    for index, length in enumerate(lengths):
        value, more = length - (lengths[index - 2] if index > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != -1 if bits & 16 else value != 0
            text += chr((bits | 32 if more else bits) + 48)
    return text


def run_lengths(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> list[int]:
    """Lengths of runs down the columns, the first of them of zeros."""
    lengths, last = [0], False
    for value in mask.T.ravel().tolist():
        if value != last:
            lengths, last = [*lengths, 0], value
        lengths[-1] += 1
    return lengths


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}, {"bbox": [0, 0, 0, 0]}])
@pytest.mark.parametrize("kind", ["polygons", "flat", "text", "lengths", "coded", "column"])
def test_an_outline_without_a_box_becomes_the_box_around_it(
    tmp_path: Path, bbox: dict[str, Any], kind: str
) -> None:
    mask = np.zeros((30, 40), np.bool_)
    mask[6:20, 10:21], mask[5:9, 12:22] = True, True
    if kind == "column":
        mask[:] = False
        mask[:, 10:22] = True
    rle = {"size": [30, 40], "counts": run_lengths(mask)}
    segmentation: object = {
        "polygons": [[10, 6, 22, 6, 22, 20], [12.0, 5, 15, 5, 15, 9], []],
        "flat": [10, 5, 22, 6, 12, 20],
        "text": [["10", "5", "22", "6.0", "12", "20"]],
        "lengths": rle,
    }.get(kind, rle | {"counts": as_text(run_lengths(mask))})
    row = {"id": 5, "image_id": 1, "category_id": 7, "segmentation": segmentation, **bbox}
    other = row | {"bbox": [1, 2, 3, 4]}
    splits = open_splits(write_set(tmp_path, content_of("train.png", annotations=[row, other])))
    edges = [10, 0, 22, 30] if kind == "column" else [10, 5, 22, 20]
    assert splits.train.labels[0].boxes_xyxy.tolist() == [edges, [1, 2, 4, 6]]
    assert splits.notes == ("annotations without `bbox`, taken as the boxes around outlines: 1",)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[[1, 2], [3, 4], [5, 6]]],
        ["a"],
        "a",
        {"counts": [1200], "size": [30, 40]},
        {"counts": [600, 10], "size": [30, 40]},
        {"counts": [600, 600], "size": [40, 30]},
        {"counts": [1300, -100], "size": [30, 40]},
        {"counts": "zz", "size": [30, 40]},
        {"counts": None},
    ],
)
def test_an_outline_that_is_none_is_an_error(tmp_path: Path, segmentation: object) -> None:
    row = {"id": 5, "image_id": 1, "category_id": 7, "segmentation": segmentation}
    root = write_set(tmp_path, content_of("train.png", annotations=[row]))
    with pytest.raises(DatasetError, match=r"train\.json: annotation 5: no bbox, and an? "):
        open_splits(root)


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
    assert splits.notes == ("rotated boxes, taken as the upright boxes around them: 2",)


def test_categories_that_each_split_numbers_anew_are_matched_by_name(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    turned = [{"id": 7, "name": "bolt"}, {"id": 3, "name": "nut"}]
    write(root / "annotations" / "val.json", content_of("val.png", categories=turned))
    splits = open_splits(root)
    assert splits.class_names == ("bolt", "nut")
    assert splits.train.load(0).class_ids.tolist() == [1]
    assert splits.val.load(0).class_ids.tolist() == [0]
