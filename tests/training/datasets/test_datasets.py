"""Sets of every format written to a folder and read back, and what is wrong with bad ones."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from spotlet.errors import DatasetError, ModelFileError
from spotlet.manifest import InputRule, Manifest
from spotlet.text.plain import is_plain
from spotlet_training.datasets import LabelledImages, Sample, Splits, open_dataset, open_splits
from spotlet_training.datasets.class_order import in_class_order

NAMES = ("bolt", "nut", "washer")
SIZES_HW = {"a.png": (48, 64), "b.png": (100, 80), "c.png": (30, 200)}
SPLIT_OF = {"a.png": "train", "b.png": "train", "c.png": "val"}
BOXES: dict[str, list[tuple[int, int, int, int, int]]] = {
    "a.png": [(0, 0, 64, 48, 0), (10, 12, 30, 20, 2)],
    "b.png": [(1, 2, 4, 99, 1)],
    "c.png": [(150, 3, 200, 30, 2), (5, 5, 6, 6, 0)],
}
"""Left, top, right, bottom on the pixel grid's edges, and the class."""

Writer = Callable[[Path], None]


def write_image(path: Path, size_hw: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size_hw, 3), (10, 20, 200), np.uint8)
    assert cv2.imwrite(str(path), image)


def write_coco(root: Path) -> None:
    # Neither dense nor in alphabetical order: the order of the ids is that of the classes.
    categories = [{"id": 10 * (3 - n), "name": NAMES[2 - n]} for n in range(3)]
    for split in ("train", "val"):
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number, (name, (height, width)) in enumerate(SIZES_HW.items()):
            if SPLIT_OF[name] != split:
                continue
            write_image(root / split / name, (height, width))
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            for left, top, right, bottom, class_id in BOXES[name]:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 10 * (class_id + 1),
                        "bbox": [left, top, right - left, bottom - top],
                        "iscrowd": 0,
                    }
                )
        path = root / "annotations" / f"{split}.json"
        path.parent.mkdir(exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": categories}
        path.write_text(json.dumps(content))


def write_yolo(root: Path) -> None:
    for name, (height, width) in SIZES_HW.items():
        write_image(root / "images" / SPLIT_OF[name] / name, (height, width))
        lines = [
            f"{class_id} {(left + right) / 2 / width} {(top + bottom) / 2 / height} "
            f"{(right - left) / width} {(bottom - top) / height}"
            for left, top, right, bottom, class_id in BOXES[name]
        ]
        labels = root / "labels" / SPLIT_OF[name] / f"{Path(name).stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("\n".join(lines) + "\n")
    (root / "data.yaml").write_text(
        f"path: .\ntrain: images/train\nval: images/val\nnc: 3\nnames: [{', '.join(NAMES)}]\n"
    )


def write_voc(root: Path) -> None:
    lists: dict[str, list[str]] = {"train": [], "val": []}
    (root / "Annotations").mkdir(parents=True)
    for name, (height, width) in SIZES_HW.items():
        write_image(root / "JPEGImages" / name, (height, width))
        lists[SPLIT_OF[name]].append(Path(name).stem)
        objects = "".join(
            f"<object><name>{NAMES[class_id]}</name><difficult>0</difficult><bndbox>"
            f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for left, top, right, bottom, class_id in BOXES[name]
        )
        (root / "Annotations" / f"{Path(name).stem}.xml").write_text(
            f"<annotation><filename>{name}</filename><size><width>{width}</width>"
            f"<height>{height}</height></size>{objects}</annotation>"
        )
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for split, stems in lists.items():
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems) + "\n")


WRITERS: dict[str, Writer] = {"coco": write_coco, "yolo": write_yolo, "voc": write_voc}


@pytest.fixture(params=sorted(WRITERS))
def any_set(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    WRITERS[request.param](tmp_path / "set")
    return request.param, tmp_path / "set"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def check_contents(splits: Splits) -> None:
    seen = []
    for split, dataset in (("train", splits.train), ("val", splits.val)):
        for index in range(len(dataset)):
            sample = dataset.load(index)
            seen.append(sample.name)
            assert SPLIT_OF[sample.name] == split
            assert sample.image_bgr.shape == (*SIZES_HW[sample.name], 3)
            assert sample.image_bgr[0, 0].tolist() == [10, 20, 200]
            expected = np.array(BOXES[sample.name], np.float32)
            np.testing.assert_allclose(sample.boxes_xyxy, expected[:, :4], atol=1e-4)
            assert sample.class_ids.tolist() == expected[:, 4].tolist()
            assert not sample.ignored.any()
    assert sorted(seen) == sorted(SIZES_HW)


def test_the_same_boxes_read_equal_in_every_format(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    splits = open_splits(root)
    assert (splits.format, splits.class_names) == (name, NAMES)
    check_contents(splits)


def test_a_split_can_be_opened_alone(any_set: tuple[str, Path]) -> None:
    assert len(open_dataset(any_set[1], "train")) == 2
    assert open_dataset(any_set[1], "val").class_names == NAMES


def test_the_caller_may_change_what_load_returned(any_set: tuple[str, Path]) -> None:
    dataset = open_dataset(any_set[1], "train")
    before = dataset.load(0).boxes_xyxy.copy()
    dataset.load(0).boxes_xyxy[:] = -1
    np.testing.assert_array_equal(dataset.load(0).boxes_xyxy, before)


def test_a_set_without_validation_split_gives_some_images_to_one(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    edit(tmp_path / "data.yaml", "train: images/train\nval: images/val", "train: images")
    splits = open_splits(tmp_path)
    again = open_splits(tmp_path)
    assert len(splits.train) + len(splits.val) == 3
    assert len(splits.val) >= 1
    assert [one.path for one in splits.val.labels] == [one.path for one in again.val.labels]
    assert "no validation split" in splits.notes[0]


def test_the_chosen_validation_images_stay_when_others_are_added(tmp_path: Path) -> None:
    def validation_names(count: int) -> set[str]:
        for number in range(count):
            write_image(tmp_path / "images" / f"{number}.png", (8, 8))
            (tmp_path / "labels").mkdir(exist_ok=True)
            (tmp_path / "labels" / f"{number}.txt").write_text("0 0.5 0.5 1 1\n")
        (tmp_path / "data.yaml").write_text("train: images\nnames: [bolt]\n")
        return {one.path.name for one in open_splits(tmp_path).val.labels}

    few, many = validation_names(60), validation_names(120)
    assert few == {name for name in many if int(name.removesuffix(".png")) < 60}
    assert 0.1 < len(many) / 120 < 0.3


def test_an_image_in_both_splits_is_told(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    edit(tmp_path / "data.yaml", "val: images/val", "val: [images/val, images/train]")
    assert any("images in both splits: 2" in note for note in open_splits(tmp_path).notes)


def test_images_without_objects_are_kept_and_told(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "b.txt").unlink()
    splits = open_splits(tmp_path)
    assert len(splits.train) == 2
    assert len(splits.train.load(1).class_ids) == 0
    assert splits.notes == ("training images without a labelled object: 1 of 2",)


@pytest.mark.parametrize("there", ["nothing", "file", "empty folder"])
def test_what_is_no_set_is_told_with_what_was_looked_for(tmp_path: Path, there: str) -> None:
    root = tmp_path / "set"
    if there == "file":
        root.write_text("")
    elif there == "empty folder":
        root.mkdir()
    with pytest.raises(DatasetError, match="data.yaml" if there == "empty folder" else "no such"):
        open_splits(root)


def test_two_formats_in_one_folder_are_an_error_unless_one_is_named(tmp_path: Path) -> None:
    write_coco(tmp_path)
    write_yolo(tmp_path)
    with pytest.raises(DatasetError, match=r"more than one format \(yolo, coco\)"):
        open_splits(tmp_path)
    assert open_splits(tmp_path / "data.yaml").format == "yolo"


LABEL_FILES = {
    "coco": "annotations/train.json",
    "yolo": "labels/train/a.txt",
    "voc": "Annotations/a.xml",
}


def test_an_empty_split_is_an_error(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    if name == "coco":
        content = json.loads((root / LABEL_FILES[name]).read_text())
        content["images"] = content["annotations"] = []
        (root / LABEL_FILES[name]).write_text(json.dumps(content))
    elif name == "yolo":
        for path in root.glob("*/train/*"):
            path.unlink()
    else:
        (root / "ImageSets" / "Main" / "train.txt").write_text("\n")
    with pytest.raises(DatasetError, match="no images in the train split"):
        open_splits(root)


def test_a_split_without_any_object_is_an_error(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels" / "val" / "c.txt").write_text("")
    with pytest.raises(DatasetError, match="1 images but no labelled object in the val split"):
        open_splits(tmp_path)


def test_a_missing_image_is_an_error_that_names_it(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    next(root.rglob("a.png")).unlink()
    with pytest.raises(DatasetError, match=r"no image|no such file") as raised:
        open_splits(root)
    assert LABEL_FILES[name] in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("edges", "what"),
    [
        ((10, 12, 90, 20), "outside its image"),
        ((70, 12, 90, 20), "outside its image"),
        ((-30, -30, -5, -5), "outside its image"),
        ((10, 12, 10, 20), "has no area"),
        ((30, 12, 10, 20), "has no area"),
        ((float("nan"), 12, 10, 20), "not a number"),
        ((0, 12, float("inf"), 20), "not a number"),
    ],
)
def test_a_bad_box_is_an_error_that_names_file_and_place(
    any_set: tuple[str, Path], edges: tuple[float, float, float, float], what: str
) -> None:
    name, root = any_set
    left, top, right, bottom = edges
    path = root / LABEL_FILES[name]
    if name == "coco":
        values = json.dumps([left, top, right - left, bottom - top])
        edit(path, "[10, 12, 20, 8]", values)
        place = "train.json: annotation 2: box"
    elif name == "yolo":
        path.write_text(
            path.read_text().splitlines()[0]
            + f"\n2 {(left + right) / 128} {(top + bottom) / 96} "
            + f"{(right - left) / 64} {(bottom - top) / 48}"
        )
        place = "a.txt:2: box"
    else:
        edit(
            path,
            "<xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>20</ymax>",
            f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax>",
        )
        place = "a.xml: object 2: box"
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert place in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_box_that_sticks_out_by_rounding_is_cut(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    path = root / LABEL_FILES[name]
    if name == "coco":
        edit(path, "[0, 0, 64, 48]", "[-1.5, 0, 66, 49]")
    elif name == "yolo":
        rest = path.read_text().splitlines()[1]
        path.write_text(f"0 0.5 0.5 1.0000005 1.01\n{rest}\n")
    else:
        edit(path, "<xmin>1</xmin>", "<xmin>0</xmin>")
    check_contents(open_splits(root))


def test_an_unknown_class_is_an_error(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    if name == "coco":
        edit(root / LABEL_FILES[name], '"category_id": 30', '"category_id": 31')
    elif name == "yolo":
        edit(root / LABEL_FILES[name], "\n2 ", "\n3 ")
    else:
        (root / "labels.txt").write_text("nut\nbolt\n")
    with pytest.raises(DatasetError, match="unknown class"):
        open_splits(root)


def test_an_image_listed_twice_is_an_error(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    if name == "coco":
        edit(root / LABEL_FILES[name], '"b.png"', '"a.png"')
    elif name == "yolo":
        edit(root / "data.yaml", "train: images/train", "train: [images/train, images/train]")
    else:
        (root / "ImageSets" / "Main" / "train.txt").write_text("a\nb\na\n")
    with pytest.raises(DatasetError, match="duplicate image"):
        open_splits(root)


def test_a_damaged_label_file_is_an_error(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    (root / LABEL_FILES[name]).write_bytes(b"\xff\xfe{<")
    with pytest.raises(DatasetError, match="is not"):
        open_splits(root)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_labels_may_be_any_unicode(any_set: tuple[str, Path], encoding: str) -> None:
    root = any_set[1]
    for path in [*root.rglob("*.txt"), *root.rglob("*.json"), *root.rglob("*.yaml")]:
        path.write_bytes(path.read_text().encode(encoding))
    if not encoding.startswith("utf-32"):
        mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
        for path in root.rglob("*.xml"):
            path.write_bytes((mark + path.read_text()).encode(encoding))
    check_contents(open_splits(root))


def test_a_set_in_a_folder_of_a_folder_is_found_unless_there_are_several(
    any_set: tuple[str, Path], tmp_path: Path
) -> None:
    name, root = any_set
    root.rename(tmp_path / "archive")
    (tmp_path / "outer").mkdir()
    (tmp_path / "archive").rename(tmp_path / "outer" / "archive")
    splits = open_splits(tmp_path)
    assert splits.format == name
    check_contents(splits)
    if name != "voc":
        assert splits.notes[0] == "the set is that in outer/archive"
        WRITERS[name](tmp_path / "other")
        with pytest.raises(DatasetError, match=r"several labelled sets \(other, outer/archive\)"):
            open_splits(tmp_path)


def test_a_name_that_the_system_refuses_is_one_line(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    long = "x" * 300
    if name == "coco":
        edit(root / LABEL_FILES[name], '"a.png"', f'"{long}.png"')
    elif name == "yolo":
        edit(root / "data.yaml", "images/train", long)
    else:
        (root / "ImageSets" / "Main" / "train.txt").write_text(long)
    with pytest.raises(DatasetError, match=r"xxx.*: cannot be read \(File name too long\)"):
        open_splits(root)


def test_broken_links_are_no_pictures(any_set: tuple[str, Path]) -> None:
    name, root = any_set
    image = next(root.rglob("a.png"))
    image.unlink()
    image.symlink_to(image.name)
    with pytest.raises(DatasetError, match=r"no image|no such file"):
        open_splits(root)
    if name == "voc":
        (root / LABEL_FILES[name]).unlink()
        (root / LABEL_FILES[name]).symlink_to("a.xml")
        with pytest.raises(DatasetError, match="Too many levels of symbolic links"):
            open_splits(root)


def test_many_problems_are_one_line_that_names_five(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0 0\n" * 7)
    with pytest.raises(DatasetError) as raised:
        open_splits(tmp_path)
    assert str(raised.value).endswith("; and 2 more")
    assert str(raised.value).count("has no area") == 5
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"this is no picture"])
def test_a_file_that_is_no_image_is_an_error_when_it_is_loaded(
    any_set: tuple[str, Path], content: bytes
) -> None:
    path = next(any_set[1].rglob("a.png"))
    path.write_bytes(content)
    dataset = open_dataset(any_set[1], "train")
    with pytest.raises(DatasetError, match=r"a\.png: not an image"):
        dataset.load(0)


def test_an_image_of_another_size_than_declared_is_an_error(tmp_path: Path) -> None:
    write_coco(tmp_path)
    write_image(tmp_path / "train" / "a.png", (48, 65))
    with pytest.raises(DatasetError, match=r"is 65 x 48 pixels, but its labels say 64 x 48"):
        open_dataset(tmp_path, "train").load(0)


def write_turned_jpeg(path: Path, size_hw: tuple[int, int]) -> None:
    """Writes a picture whose EXIF orientation is 6: to be turned by 90 degrees."""
    encoded = cv2.imencode(".jpg", np.zeros((*size_hw, 3), np.uint8))[1].tobytes()
    orientation = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    body = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + orientation + b"\x00\x00\x00\x00"
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    path.write_bytes(encoded[:2] + segment + encoded[2:])


def test_labels_made_on_the_picture_before_exif_turned_it_are_an_error(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "train" / "a.png").unlink()
    write_turned_jpeg(tmp_path / "train" / "a.jpg", (48, 64))
    edit(tmp_path / "annotations" / "train.json", "a.png", "a.jpg")
    with pytest.raises(DatasetError, match="EXIF orientation"):
        open_dataset(tmp_path, "train").load(0)


def test_labels_made_on_the_picture_as_it_is_shown_are_read(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "images" / "train" / "a.png").unlink()
    write_turned_jpeg(tmp_path / "images" / "train" / "a.jpg", (64, 48))
    sample = open_dataset(tmp_path, "train").load(0)
    assert sample.image_bgr.shape == (48, 64, 3)
    assert sample.boxes_xyxy[0].tolist() == [0, 0, 64, 48]


def test_a_sample_of_arrays_that_do_not_belong_together_is_an_error() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    boxes = np.zeros((2, 4), np.float32)
    class_ids, ignored = np.zeros(2, np.int64), np.zeros(2, np.bool_)
    Sample(image, boxes, class_ids, ignored, "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: boxes of shape \(1, 4\)"):
        Sample(image, boxes[:1], class_ids, ignored, "a.png")
    with pytest.raises(DatasetError, match=r"boxes .* type float64"):
        Sample(image, boxes.astype(np.float64), class_ids, ignored, "a.png")
    with pytest.raises(DatasetError, match=r"ignored of shape \(0,\)"):
        Sample(image, boxes, class_ids, ignored[:0], "a.png")
    with pytest.raises(DatasetError, match="an image of shape"):
        Sample(image[..., :1], boxes, class_ids, ignored, "a.png")


@pytest.mark.parametrize("name", ["red\r", "a\nb", "x" * 201, "\u202eder", "\x1b[2J"])
def test_a_class_name_that_no_model_can_have_is_an_error_before_training(
    tmp_path: Path, name: str
) -> None:
    write_coco(tmp_path)
    for split in ("train", "val"):
        path = tmp_path / "annotations" / f"{split}.json"
        content = json.loads(path.read_text())
        content["categories"][0]["name"] = name
        path.write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match="without control characters"):
        Manifest(name="m", classes=(name,), input=InputRule(name="x", size_hw=(64, 64)))
    with pytest.raises(DatasetError, match="could not be exported; rename it") as raised:
        open_splits(tmp_path)
    assert is_plain(str(raised.value))


def test_an_empty_class_name_is_an_error_before_training(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    edit(tmp_path / "data.yaml", "washer", "''")
    with pytest.raises(DatasetError, match="class '': classes must be"):
        open_splits(tmp_path)


def test_a_set_is_read_in_the_order_of_a_model(any_set: tuple[str, Path]) -> None:
    order = ("washer", "bolt", "nut")
    own = open_dataset(any_set[1], "train")
    other = in_class_order(own, order)
    assert isinstance(other, LabelledImages)  # whose labels can be read without images
    for index in range(len(own)):
        names = [NAMES[class_id] for class_id in own.load(index).class_ids]
        assert [order[class_id] for class_id in other.load(index).class_ids] == names


def test_a_name_in_another_case_or_composition_names_the_same_file(
    any_set: tuple[str, Path],
) -> None:
    name, root = any_set
    for image in list(root.rglob("[abc].png")):
        image.rename(image.with_name(image.stem.upper() + ".PNG"))
    if name == "yolo":
        (root / "data.yaml").write_text(
            f"train: train.txt\nval: images/val\nnames: [{', '.join(NAMES)}]\n"
        )
        (root / "train.txt").write_text("images/train/a.png\nimages/train/b.png\n")
        for label in list(root.rglob("[abc].txt")):
            label.rename(label.with_name(label.stem.upper() + ".txt"))
    if name == "voc":
        (root / "Annotations" / "a.xml").rename(root / "Annotations" / "A.XML")
    splits = open_splits(root)
    found = {one.path.name for part in (splits.train, splits.val) for one in part.labels}
    assert found == {"A.PNG", "B.PNG", "C.PNG"}
    assert all(len(one.class_ids) for one in (*splits.train.labels, *splits.val.labels))


@pytest.mark.parametrize("there", [["A.png"], ["A.png", "a.PNG"]])
def test_of_several_spellings_none_is_guessed(tmp_path: Path, there: list[str]) -> None:
    write_coco(tmp_path)
    (tmp_path / "train" / "a.png").unlink()
    for name in there:
        write_image(tmp_path / "train" / name, SIZES_HW["a.png"])
    if len(there) == 1:
        assert len(open_splits(tmp_path).train) == 2
        return
    with pytest.raises(DatasetError, match=r"no such file 'a\.png'"):
        open_splits(tmp_path)
