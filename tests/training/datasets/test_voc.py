"""What only Pascal VOC sets have: inclusive pixel indices, difficult objects, class order."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_bytes import with_orientation

from spotlet.errors import DatasetError
from spotlet_training.datasets import open_splits
from spotlet_training.datasets.voc import read_voc
from spotlet_training.pretraining.pictures import find_pictures

SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"


def an_object(name: str = "nut", edges: tuple[int, ...] = (1, 1, 40, 30), rest: str = "") -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
    box = "".join(f"<{tag}>{edge}</{tag}>" for tag, edge in tags)
    return f"<object><name>{name}</name>{rest}<bndbox>{box}</bndbox></object>"


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))


def write_set(root: Path, train: str = SIZE + an_object(), val: str = SIZE + an_object()) -> Path:
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, body in (("train", train), ("val", val)):
        write_image(root / "JPEGImages" / f"{split}1.jpg")
        (root / "Annotations" / f"{split}1.xml").write_text(f"<annotation>{body}</annotation>")
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{split}1\n")
    return root


def test_indices_of_pixels_become_edges(tmp_path: Path) -> None:
    body = SIZE + an_object() + an_object(edges=(5, 6, 5, 7))
    sample = open_splits(write_set(tmp_path, body)).train.load(0)
    assert sample.boxes_xyxy.tolist() == [[0, 0, 40, 30], [4, 5, 5, 7]]


def test_a_box_of_one_pixel_is_kept_and_told(tmp_path: Path) -> None:
    body = SIZE + an_object() + an_object(edges=(5, 6, 5, 6))
    splits = open_splits(write_set(tmp_path, body))
    assert len(splits.train.load(0).boxes_xyxy) == 2
    assert "boxes smaller than 2 pixels, likely stray clicks, which are kept: 1" in splits.notes[0]


def test_difficult_objects_are_ignored_and_truncated_ones_are_not(tmp_path: Path) -> None:
    flags = ("<difficult>1</difficult>", "<difficult>0</difficult>", "<truncated>1</truncated>")
    body = SIZE + "".join(an_object(rest=flag) for flag in flags)
    sample = open_splits(write_set(tmp_path, body)).train.load(0)
    assert sample.ignored.tolist() == [True, False, False]


def test_classes_are_the_names_of_both_splits_in_alphabetical_order(tmp_path: Path) -> None:
    root = write_set(tmp_path, SIZE + an_object("nut"), SIZE + an_object("bolt"))
    splits = open_splits(root)
    assert splits.class_names == splits.val.class_names == ("bolt", "nut")
    assert splits.train.load(0).class_ids.tolist() == [1]


def test_a_class_that_only_an_annotation_without_image_has_does_not_count(tmp_path: Path) -> None:
    root = write_set(tmp_path, SIZE + an_object("washer"), SIZE + an_object("bolt"))
    (root / "JPEGImages" / "train1.jpg").unlink()
    content = read_voc(root)
    assert content.class_names == ("bolt",)
    assert [labels.class_ids.tolist() for labels in content.val or []] == [[0]]


@pytest.mark.parametrize("name", ["labels.txt", "classes.txt"])
def test_a_file_of_classes_fixes_their_order(tmp_path: Path, name: str) -> None:
    root = write_set(tmp_path)
    (root / name).write_text("washer\nnut\nbolt\n\n")
    assert open_splits(root).class_names == ("washer", "nut", "bolt")


def test_the_lists_of_one_class_may_carry_a_flag(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "ImageSets" / "Main" / "train.txt").write_text("train1 -1\n")
    assert len(open_splits(root).train) == 1


def test_a_set_without_lists_is_split(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for path in (root / "ImageSets" / "Main").iterdir():
        path.unlink()
    splits = open_splits(root)
    assert (len(splits.train), len(splits.val)) == (1, 1)
    assert "no validation split" in splits.notes[0]


def test_images_and_annotations_may_lie_side_by_side(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_image(tmp_path / split / "a.png")
        (tmp_path / split / "a.xml").write_text(f"<annotation>{SIZE}{an_object()}</annotation>")
    splits = open_splits(tmp_path)
    assert (splits.format, len(splits.train), len(splits.val)) == ("voc", 1, 1)


def test_a_stale_file_name_does_not_win_over_the_image_of_the_same_name(tmp_path: Path) -> None:
    root = write_set(tmp_path, f"<filename>val1.jpg</filename>{SIZE}{an_object()}")
    assert open_splits(root).train.labels[0].path.name == "train1.jpg"


def test_the_file_name_is_used_where_no_image_has_the_same_name(tmp_path: Path) -> None:
    root = write_set(tmp_path, f"<filename>C:\\photos\\x.jpeg</filename>{SIZE}{an_object()}")
    image = root / "JPEGImages" / "train1.jpg"
    image.rename(image.with_name("x.jpeg"))
    assert open_splits(root).train.load(0).name == "x.jpeg"


def test_a_file_in_another_encoding_than_utf_8_is_read(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?><annotation>{SIZE}{an_object("Mü")}'
    (root / "Annotations" / "train1.xml").write_bytes((text + "</annotation>").encode("latin-1"))
    assert "Mü" in open_splits(root).class_names


GBK = '<?xml version="1.0" encoding="GBK"?>'


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        (GBK, "gbk"),
        ("<?xml version='1.0' encoding='Big5'?>", "big5"),
        ('<?xml version="1.0" encoding="shift_jis" standalone="yes"?>', "shift_jis"),
        ('<?xml version="1.0" encoding="utf-16"?>', "utf-8"),  # as .NET writes it
        ('<?xml version="1.0" encoding="utf-16"?>', "utf-16"),
        ('<?xml version="1.0" encoding="utf-8"?>', "utf-16"),
        (GBK, "utf-8-sig"),
        ('\r\n <?xml version="1.0"?>', "utf-8"),
        ("", "utf-16"),
        ("", "utf-8-sig"),
    ],
)
def test_a_file_in_the_encoding_that_it_declares_or_in_unicode_is_read(
    tmp_path: Path, declaration: str, encoding: str
) -> None:
    root = write_set(tmp_path)
    text = f"{declaration}<annotation>{SIZE}{an_object('中心')}</annotation>"
    (root / "Annotations" / "train1.xml").write_bytes(text.encode(encoding))
    assert "中心" in open_splits(root).class_names


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="utf-8"?>'])
def test_a_file_in_an_encoding_that_it_does_not_declare_is_named(
    tmp_path: Path, declaration: str
) -> None:
    root = write_set(tmp_path)
    text = f"{declaration}<annotation>{SIZE}{an_object('中心')}</annotation>"
    (root / "Annotations" / "train1.xml").write_bytes(text.encode("gbk"))
    with pytest.raises(DatasetError, match=r"train1\.xml: is not UTF-8 text; save it as UTF-8, or"):
        open_splits(root)


@pytest.mark.parametrize(
    "size", ["", SIZE.replace("40", "0").replace("30", "0"), "<size><width>40</width></size>"]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_size_that_is_not_stated_is_that_of_the_picture_as_it_is_shown(
    tmp_path: Path, size: str, suffix: str
) -> None:
    root = write_set(tmp_path, size + an_object(edges=(3, 4, 30, 40)))
    (root / "JPEGImages" / "train1.jpg").unlink()
    picture = np.zeros((30, 40, 3) if suffix != ".bmp" else (40, 30, 3), np.uint8)
    content = cv2.imencode(suffix, picture)[1].tobytes()
    if suffix != ".bmp":
        content = with_orientation(picture, suffix, 6)
    (root / "JPEGImages" / f"train1{suffix}").write_bytes(content)
    splits = open_splits(root)
    assert splits.train.labels[0].size_hw == (40, 30)
    assert splits.train.load(0).boxes_xyxy.tolist() == [[2, 3, 30, 40]]
    assert "XML files without a picture's size, which is read instead: 1" in splits.notes


def test_without_a_size_and_a_picture_the_picture_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path, an_object())
    (root / "JPEGImages" / "train1.jpg").write_bytes(b"none")
    with pytest.raises(DatasetError, match=r"train1\.xml: .*train1\.jpg: not an image"):
        open_splits(root)
    (root / "JPEGImages" / "train1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"train1\.xml: no image 'train1'[^;]*; [^;]*$"):
        open_splits(root)


def test_a_size_may_have_decimals(tmp_path: Path) -> None:
    root = write_set(tmp_path, SIZE.replace("40", "40.0") + an_object())
    assert open_splits(root).train.labels[0].size_hw == (30, 40)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (SIZE.replace("40", "wide") + an_object(), "<size/width> is 'wide'"),
        (SIZE.replace("40", "-4") + an_object(), "<size/width> is '-4'"),
        (SIZE + "<object></object>", "object 1: no <name>"),
        (SIZE + "<object><name>nut</name></object>", "object 1: no <bndbox>"),
        (SIZE + an_object().replace("40", "forty"), "object 1: no <bndbox>"),
        (SIZE + an_object(edges=(5, 5, 4, 8)), "object 1: box .* has no area"),
        (SIZE + an_object(edges=(5, 5, 60, 8)), "object 1: box .* is outside"),
        (SIZE + "<object>", "is not XML"),
    ],
)
def test_what_breaks_the_format_is_one_clear_line(tmp_path: Path, body: str, what: str) -> None:
    root = write_set(tmp_path, body)
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert "Annotations/train1.xml: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_listed_annotation_that_is_missing_is_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "Annotations" / "val1.xml").unlink()
    with pytest.raises(DatasetError, match=r"val1\.xml: cannot be read"):
        open_splits(root)


def test_a_file_of_classes_with_a_name_twice_is_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "labels.txt").write_text("nut\nnut\n")
    with pytest.raises(DatasetError, match=r"labels\.txt: must be class names"):
        open_splits(root)


def test_a_set_with_only_a_validation_list_is_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "ImageSets" / "Main" / "train.txt").unlink()
    with pytest.raises(DatasetError, match="train split"):
        open_splits(root)


@pytest.mark.parametrize(
    ("edges", "expected", "what"),
    [
        # A 0 can't be an index from 1; the last column and row are 39 and 29, or the ends 40, 30.
        ([(0, 0, 9, 9), (20, 10, 39, 29)], [[0, 0, 10, 10], [20, 10, 40, 30]], "the last pixel"),
        ([(0, 0, 9, 9), (20, 10, 40, 30)], [[0, 0, 9, 9], [20, 10, 40, 30]], "the end of the box"),
        # As many 1 as 0: one slip in a set that counts from 1.
        ([(0, 1, 9, 9), (20, 10, 39, 29)], [[0, 0, 9, 9], [19, 9, 39, 29]], None),
    ],
)
def test_boxes_counted_from_0_are_read_as_such(
    tmp_path: Path, edges: list[tuple[int, ...]], expected: list[list[int]], what: str | None
) -> None:
    body = SIZE + "".join(an_object(edges=each) for each in edges)
    splits = open_splits(write_set(tmp_path, body, SIZE + an_object(edges=(5, 6, 15, 16))))
    assert splits.train.load(0).boxes_xyxy.tolist() == expected
    first = 4 if what is None else 5
    last = 16 if what == "the last pixel" else 15
    assert splits.val.load(0).boxes_xyxy[0, [0, 2]].tolist() == [first, last]
    assert any(what in note for note in splits.notes) if what else not splits.notes


LAYOUTS = [
    ("Annotations/a.xml", "images/a.png", ""),
    ("annotations/a.xml", "images/A.JPG", ""),
    ("Annotations/A.xml", "JPEGImages/a.JPEG", ""),
    ("annotations/xmls/../a.xml", "deep/below/a.png", ""),
    ("a.xml", "a.png", ""),
    ("images/a.xml", "images/a.png", ""),
    ("train/annotations/a.xml", "train/images/a.png", "valid/annotations/b.xml"),
    ("Annotations/train/a.xml", "images/train/a.png", "Annotations/val/b.xml"),
    ("images/train/a.xml", "images/train/a.png", "images/val/b.xml"),
    ("Annotations/ä.xml", "images/a\u0308.png", ""),  # macOS writes two characters
    ("VOCdevkit/VOC2012/Annotations/a.xml", "VOCdevkit/VOC2012/JPEGImages/a.png", ""),
    ("VOC2007/Annotations/a.xml", "VOC2007/JPEGImages/a.png", ""),
    ("annotations/xmls/a.xml", "images/a.png", ""),
    ("Annotation/a.xml", "JPEGImages/a.png", ""),
    ("ANNOTATIONS/a.xml", "Pictures/a.png", ""),
    ("labels/a.xml", "images/a.png", ""),
    ("data/a.xml", "data/a.png", ""),
    ("set/data/a.xml", "set/data/a.png", ""),
    ("Annotations/x/a.xml", "JPEGImages/x/a.png", ""),
    ("train/a.xml", "train/a.png", "validation/b.xml"),
    ("set/train/a.xml", "set/train/a.png", "set/valid/b.xml"),
    ("set/train/labels/a.xml", "set/train/images/a.png", "set/val/labels/b.xml"),
    ("Train/a.xml", "Train/a.png", "Val/b.xml"),
    ("train_annotations/a.xml", "train_images/a.png", "val_annotations/b.xml"),
    ("data-train/xml/a.xml", "data-train/img/a.png", "data-val/xml/b.xml"),
]


@pytest.mark.parametrize(("xml", "image", "val"), LAYOUTS)
def test_pictures_that_are_there_are_found(tmp_path: Path, xml: str, image: str, val: str) -> None:
    """Whatever <filename> says, the case of the suffix, and the layout of the folders."""
    body = f"<annotation><filename>image.jpg</filename>{SIZE}{an_object()}</annotation>"
    other = "b" + Path(image).suffix
    second = val or str(Path(xml).with_name("b.xml"))
    places = [(xml, image), (second, str(Path(image).with_name(other)))]
    if val:
        folder = next(word for word in re.split(r"[^A-Za-z]", val) if word[:3].lower() == "val")
        elsewhere = str(Path(image).with_name(other)).replace("train", folder)
        places[1] = second, elsewhere.replace("Train", folder)
    for label, picture in places:
        (tmp_path / label).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / label).write_text(body)
        write_image(tmp_path / picture)
    (tmp_path / Path(xml).parent / "._a.xml").write_bytes(b"\0\5\26\7")
    splits = open_splits(tmp_path)
    assert splits.format == "voc"
    found = {one.path.name for part in (splits.train, splits.val) for one in part.labels}
    assert found == {Path(image).name, other}
    if val:
        assert [one.path.name for one in splits.val.labels] == [other]


def test_kits_side_by_side_are_one_set_with_their_own_lists(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        write_set(tmp_path / "VOCdevkit" / year, SIZE + an_object(year))
    (tmp_path / "VOCdevkit" / "notes.xml").write_text("<notes/>")
    splits = open_splits(tmp_path)
    assert splits.class_names == ("VOC2007", "VOC2012", "nut")
    for part in (splits.train, splits.val):
        years = [one.path.parent.parent.name for one in part.labels]
        assert years == [one.label_file.parent.parent.name for one in part.labels]
        assert years == ["VOC2007", "VOC2012"]


def test_equal_names_in_sub_folders_are_different_pictures(tmp_path: Path) -> None:
    for way, name in (("a", "nut"), ("b", "bolt"), ("b/c", "pin")):
        write_image(tmp_path / "JPEGImages" / way / "1.jpg")
        path = tmp_path / "Annotations" / way / "1.xml"
        path.parent.mkdir(parents=True)
        path.write_text(f"<annotation>{SIZE}{an_object(name)}</annotation>")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    lists = {"train": "a/1\r\n/home/me/JPEGImages/b/1.jpg\r\n", "val": "b\\c\\1.jpg\n"}
    for split, lines in lists.items():
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_bytes(lines.encode())
    splits = open_splits(tmp_path)
    found = [
        (one.path.parent.name, splits.class_names[one.class_ids[0]])
        for part in (splits.train, splits.val)
        for one in part.labels
    ]
    assert found == [("a", "nut"), ("b", "bolt"), ("c", "pin")]


@pytest.mark.parametrize(
    "line",
    [
        "train1.jpg",
        "train1  -1",
        "train1.jpg 1",
        "train1 1 1 1",
        "JPEGImages/train1.jpg",
        "./JPEGImages/train1.jpg ./Annotations/train1.xml",
        "C:\\VOC\\JPEGImages\\train1.JPG",
        "/data/VOC/Annotations/train1.xml",
        "TRAIN1",
        "train1 \r\n\r\n  ",
    ],
)
@pytest.mark.parametrize("folder", ["Annotations", "Annotations/deep", "Annotation", "labels"])
def test_a_list_may_name_pictures_paths_and_flags(tmp_path: Path, line: str, folder: str) -> None:
    root = write_set(tmp_path)
    (root / folder).mkdir(exist_ok=True)
    (root / "Annotations" / "train1.xml").rename(root / folder / "train1.xml")
    (root / "ImageSets" / "Main" / "train.txt").write_bytes(f"{line}\n".encode())
    splits = open_splits(root)
    assert [one.path.name for one in splits.train.labels] == ["train1.jpg"]
    assert [len(one.class_ids) for one in splits.train.labels] == [1]


@pytest.mark.parametrize("stem", ["train1 1", "train.1", "train1.jpg", "1 -1"])
def test_a_name_that_looks_like_one_with_a_flag_or_suffix_is_itself(
    tmp_path: Path, stem: str
) -> None:
    root = write_set(tmp_path)
    write_image(root / "JPEGImages" / f"{stem}.jpg")
    (root / "Annotations" / "train1.xml").rename(root / "Annotations" / f"{stem}.xml")
    (root / "ImageSets" / "Main" / "train.txt").write_text(f"{stem}\n")
    assert open_splits(root).train.labels[0].path.name == f"{stem}.jpg"


def test_the_lists_of_single_classes_are_not_splits(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    lists = root / "ImageSets" / "Main"
    (lists / "nut_train.txt").write_text("train1 1\nval1 -1\n")
    (lists / "nut_val.txt").write_text("train1 1\n")
    splits = open_splits(root)
    assert [one.path.name for one in splits.train.labels] == ["train1.jpg"]
    assert [one.path.name for one in splits.val.labels] == ["val1.jpg"]
    (lists / "train.txt").unlink()
    (lists / "val.txt").unlink()
    assert "no validation split in the set" in open_splits(root).notes[0]


@pytest.mark.parametrize("folder", ["ImageSets", "."])
def test_lists_of_splits_may_lie_above_their_usual_folder(tmp_path: Path, folder: str) -> None:
    root = write_set(tmp_path)
    for split in ("train", "val"):
        list_file = root / "ImageSets" / "Main" / f"{split}.txt"
        list_file.write_text(f"./JPEGImages/{split}1.jpg ./Annotations/{split}1.xml\n")
        list_file.rename(root / folder / f"{split}.txt")
    splits = open_splits(root)
    assert [one.path.name for one in splits.val.labels] == ["val1.jpg"]
    assert splits.notes == ()
    (root / folder / "val.txt").write_text("images/of/another/set.jpg\n")
    assert "no validation split in the set" in open_splits(root).notes[0]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    other = write_set(tmp_path / "other")
    root = tmp_path / "set"
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True)
        (root / folder / "a").symlink_to(other / folder, target_is_directory=True)
        (root / folder / "up").symlink_to("..", target_is_directory=True)
        (root / folder / "b").symlink_to("b")
    splits = open_splits(root)
    found = [one.path.name for one in (*splits.train.labels, *splits.val.labels)]
    assert sorted(found) == ["train1.jpg", "val1.jpg"]
    (other / "self").symlink_to(".", target_is_directory=True)
    (tmp_path / "kits" / "2012").mkdir(parents=True)
    (tmp_path / "kits" / "2012" / "VOC2012").symlink_to(other)
    (tmp_path / "kits" / "again").symlink_to(other)
    assert len(open_splits(tmp_path / "kits").train) == 1


def test_a_test_split_is_left_out(tmp_path: Path) -> None:
    for folder in ("train_zip/train", "test_zip/test"):
        for name in ("a", "b"):
            write_image(tmp_path / folder / f"{name}.png")
            body = f"<annotation>{SIZE}{an_object()}</annotation>"
            (tmp_path / folder / f"{name}.xml").write_text(body)
    splits = open_splits(tmp_path)
    assert len(splits.train) + len(splits.val) == 2


def test_a_picture_of_the_other_split_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "Annotations" / split).mkdir(parents=True)
        body = f"<annotation>{SIZE}{an_object()}</annotation>"
        (tmp_path / "Annotations" / split / "1.xml").write_text(body)
    write_image(tmp_path / "images" / "val" / "1.png")
    with pytest.raises(DatasetError, match=r"Annotations/train/1\.xml: no image '1'"):
        open_splits(tmp_path)


def test_of_two_pictures_of_one_name_the_file_name_decides_or_it_is_an_error(
    tmp_path: Path,
) -> None:
    root = write_set(tmp_path, f"<filename>train1.png</filename>{SIZE}{an_object()}")
    write_image(root / "JPEGImages" / "train1.png")
    assert open_splits(root).train.labels[0].path.name == "train1.png"
    (root / "Annotations" / "train1.xml").write_text(f"<annotation>{SIZE}</annotation>")
    with pytest.raises(DatasetError, match=r"train1\.xml: several pictures have this name"):
        open_splits(root)


def test_xml_files_in_unusual_places_are_no_second_format(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    write_image(tmp_path / "images" / "b.png")
    for name in ("a", "b"):
        for folder, text in (("labels", "0 0.5 0.5 1 1"), ("annotations", "<annotation/>")):
            (tmp_path / folder).mkdir(exist_ok=True)
            suffix = "txt" if folder == "labels" else "xml"
            (tmp_path / folder / f"{name}.{suffix}").write_text(text)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [bolt]\n")
    assert open_splits(tmp_path).format == "yolo"


def test_rotated_boxes_become_upright_ones_and_are_counted(tmp_path: Path) -> None:
    rotation = "<attributes><attribute><name>rotation</name><value>90.0</value></attribute>"
    first = an_object(edges=(11, 14, 30, 17), rest=rotation + "</attributes>")
    second = (
        "<object><name>nut</name><robndbox><cx>20</cx><cy>15</cy><w>20</w><h>4</h>"
        f"<angle>{np.pi / 2}</angle></robndbox></object>"
    )
    splits = open_splits(write_set(tmp_path, SIZE + first + second))
    expected = [[18, 5, 22, 25]] * 2
    np.testing.assert_allclose(splits.train.load(0).boxes_xyxy, expected, atol=1e-4)
    assert splits.notes == ("rotated boxes, taken as the upright boxes around them: 2",)


@pytest.mark.parametrize(("value", "ignored"), [("true", True), ("False", False)])
def test_difficult_may_be_a_word(tmp_path: Path, value: str, ignored: bool) -> None:
    body = SIZE + an_object(rest=f"<difficult>{value}</difficult>")
    assert open_splits(write_set(tmp_path, body)).train.load(0).ignored.tolist() == [ignored]


def test_other_xml_files_beside_pictures_are_no_labelled_set(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "a.xml").write_text("<metadata/>")
    (tmp_path / "b.xml").write_text("nothing")
    with pytest.raises(DatasetError, match="not a labelled set"):
        open_splits(tmp_path)
    assert len(find_pictures(tmp_path)) == 1


def test_hidden_names_in_a_list_are_left_out(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "ImageSets" / "Main" / "train.txt").write_text("._train1\ntrain1\n")
    assert len(open_splits(root).train) == 1


def test_listed_xml_files_may_lie_beside_their_pictures(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for path in list((root / "Annotations").iterdir()):
        path.rename(root / "JPEGImages" / path.name)
    (root / "Annotations").rmdir()
    splits = open_splits(root)
    assert (len(splits.train), len(splits.val)) == (1, 1)
