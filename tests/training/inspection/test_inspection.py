"""Sets with planted faults of each kind in each format, and what an inspection says of them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_sets import (
    FORMATS,
    Box,
    Picture,
    clean_pictures,
    image_file,
    scenery,
    write_set,
)

from spotlet_training.datasets import open_splits
from spotlet_training.inspection import Finding, Inspection, inspect_sets

LABELS = {
    "coco": "annotations/train.json",
    "voc": "Annotations/p0.xml",
    "yolo": "labels/train/p0.txt",
}
"""The file with the labels of the first picture."""

Inspect = Callable[..., Inspection]


@pytest.fixture(params=FORMATS)
def format_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    def write_and_inspect(format_name: str, pictures: list[Picture], *names: str) -> Inspection:
        root = write_set(tmp_path / "set", format_name, pictures, names or ("bolt", "nut"))
        return inspect_sets([root])

    return write_and_inspect


def of_kind(inspection: Inspection, severity: str, kind: str) -> list[Finding]:
    found = inspection.findings
    return [one for one in found if (one.severity, one.kind) == (severity, kind)]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_in_a_clean_set(format_name: str, seed: int, inspect: Inspect) -> None:
    inspection = inspect(format_name, clean_pictures(seed=seed))
    assert inspection.findings == ()
    assert (inspection.format, len(inspection.train), len(inspection.val)) == (format_name, 4, 2)


def test_every_wrong_label_is_listed_with_its_place(format_name: str, inspect: Inspect) -> None:
    pictures = clean_pictures()
    nan = float("nan")
    bad: list[Box] = [
        (10, 10, 300, 20, 0),  # outside
        (-90, 10, -60, 20, 0),  # outside
        (30, 30, 10, 50, 0),  # turned round
        (30, 30, 30, 50, 0),  # no width
        (30, 30, 50, 30, 0),  # no height
        (nan, 30, 50, 40, 0),
        (30, 30, 50, 60, 7),  # unknown class
        (30, 400, 50, 460, 1),  # outside
    ]
    # Between two good ones, so that a wrong count of places shows.
    pictures[0].boxes[1:1] = bad
    inspection = inspect(format_name, pictures)
    found = of_kind(inspection, "error", "labels")
    assert {str(one.file) for one in found} == {LABELS[format_name]}
    if format_name == "yolo":
        assert sorted(one.line or 0 for one in found) == list(range(2, 10))
    else:
        word = {"coco": "annotation", "voc": "object"}[format_name]
        expected = [f"{word} {place}: " for place in range(2, 10)]
        assert all(any(one.message.startswith(start) for one in found) for start in expected)
        assert len(found) == len(expected)
    for words, count in (
        ("outside its image", 3),
        ("no area", 3),
        ("not a number", 1),
        ("unknown class", 1),
    ):
        assert sum(words in one.message for one in found) == count
    # What is left is the good ones.
    assert len(inspection.train[0].class_ids) == 2


def test_a_missing_image_is_listed_and_hides_no_other_fault(
    format_name: str, tmp_path: Path
) -> None:
    pictures = clean_pictures()
    for picture in pictures[:3]:
        picture.boxes.append((10, 10, 300, 20, 0))
    root = write_set(tmp_path, format_name, pictures)
    for name in ("p0.png", "p1.png"):
        image_file(root, name).unlink()
    found = of_kind(inspect_sets([root]), "error", "labels")
    missing = [one for one in found if "no image" in one.message or "no such" in one.message]
    assert len(missing) == 2
    outside = [one for one in found if "outside its image" in one.message]
    # YOLO's labels of an image that is not there are in fractions of nothing.
    assert len(outside) == (1 if format_name == "yolo" else 3)


def test_an_image_that_cannot_be_decoded_is_an_error(format_name: str, tmp_path: Path) -> None:
    root = write_set(tmp_path, format_name, clean_pictures())
    image_file(root, "p1.png").write_bytes(b"")
    image_file(root, "p4.png").write_bytes(b"this is no picture")
    found = of_kind(inspect_sets([root]), "error", "image")
    assert [one.file and one.file.name for one in found] == ["p1.png", "p4.png"]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_jpeg_that_broke_off_is_an_error(format_name: str, share: float, tmp_path: Path) -> None:
    pictures = clean_pictures()
    pictures[1].name = "broken.jpg"
    root = write_set(tmp_path, format_name, pictures)
    path = image_file(root, "broken.jpg")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = of_kind(inspect_sets([root]), "error", "image")
    assert [one.file for one in found] == [path.relative_to(root)]


def test_an_image_of_another_size_than_labelled_is_an_error(tmp_path: Path) -> None:
    for name in ("coco", "voc"):
        root = write_set(tmp_path / name, name, clean_pictures())
        path = image_file(root, "p2.png")
        cv2.imwrite(str(path), scenery(77, (96, 130)))
        (found,) = of_kind(inspect_sets([root]), "error", "size")
        assert found.file == path.relative_to(root)
        assert "is 130 x 96 pixels, but its labels say 128 x 96" in found.message


def test_a_class_without_a_box_is_an_error_to_train_on_and_a_note_to_measure(
    format_name: str, inspect: Inspect
) -> None:
    pictures = clean_pictures()
    for picture in pictures:
        unwanted = 1 if picture.split == "train" else 0
        picture.boxes = [box for box in picture.boxes if box[4] != unwanted]
    inspection = inspect(format_name, pictures)
    (error,) = of_kind(inspection, "error", "class")
    (note,) = of_kind(inspection, "note", "class")
    assert "'nut' has no training box" in error.message
    assert "'bolt' has no validation box" in note.message


def test_an_object_marked_twice_is_told_with_both_places(
    format_name: str, inspect: Inspect
) -> None:
    pictures = clean_pictures()
    left, top, right, bottom, _ = pictures[0].boxes[0]
    pictures[0].boxes.append((left + 2, top + 2, right + 2, bottom + 2, 0))
    pictures[0].boxes.append((left + 25, top + 10, right + 25, bottom + 10, 0))  # a neighbour
    (found,) = of_kind(inspect(format_name, pictures), "note", "doubled box")
    word = {"coco": "annotation", "voc": "object", "yolo": "line"}[format_name]
    assert found.message.startswith(f"{word} 1 and {word} 3 (bolt)")
    assert str(found.file) == LABELS[format_name]
    assert found.line == (3 if format_name == "yolo" else None)


def test_images_without_objects_and_stray_clicks_are_told(
    format_name: str, inspect: Inspect
) -> None:
    pictures = clean_pictures()
    pictures[3].boxes.clear()
    pictures[0].boxes.append((60, 10, 61, 11, 0))
    inspection = inspect(format_name, pictures)
    (empty,) = of_kind(inspection, "note", "no objects")
    assert empty.file is not None
    assert empty.file.name == "p3.png"
    (stray,) = of_kind(inspection, "note", "tiny boxes")
    assert "a box under 2 pixels in p0.png" in stray.message


def reencoded(image: np.ndarray, scale: float, quality: int) -> np.ndarray:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))


@pytest.mark.parametrize(("scale", "quality"), [(1, 100), (1, 40), (0.5, 90), (2, 80)])
def test_a_copy_across_the_splits_is_an_error(
    format_name: str, scale: float, quality: int, inspect: Inspect
) -> None:
    pictures = clean_pictures()
    copy = reencoded(pictures[2].image, scale, quality)
    boxes: list[Box] = [(2, 2, 30, 40, 0), (32, 2, 60, 40, 1)]
    pictures.append(Picture("copy.png", "val", copy, boxes))
    (found,) = of_kind(inspect(format_name, pictures), "error", "copies")
    assert found.file is not None
    assert found.file.name == "copy.png"
    assert "p2.png" in found.message


def test_a_copy_across_splits_that_spotlet_chose_is_not_the_fault_of_the_set(
    tmp_path: Path,
) -> None:
    pictures = clean_pictures(train=10, val=0)
    for number, picture in enumerate(pictures[:5]):
        copy = reencoded(picture.image, 1.0, 90)
        pictures.append(Picture(f"copy{number}.png", "train", copy, picture.boxes))
    root = write_set(tmp_path, "yolo", pictures)
    (root / "data.yaml").write_text("train: images/train\nnames: [bolt, nut]\n")
    inspection = inspect_sets([root])
    assert not [one for one in inspection.findings if one.severity == "error"]
    assert any("give the set a validation split" in one.message for one in inspection.findings)


def test_an_equal_file_across_the_splits_is_told_as_one(format_name: str, inspect: Inspect) -> None:
    pictures = clean_pictures()
    pictures.append(Picture("copy.png", "val", pictures[2].image, pictures[2].boxes))
    (found,) = of_kind(inspect(format_name, pictures), "error", "copies")
    assert "byte-for-byte copy" in found.message


def test_one_file_in_both_splits_is_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path, "voc", clean_pictures())
    (root / "ImageSets" / "Main" / "val.txt").write_text("p4\np5\np0\n")
    (found,) = of_kind(inspect_sets([root]), "error", "copies")
    assert str(found).startswith("JPEGImages/p0.png: is in both splits")


def test_copies_within_a_split_are_one_note_a_group(format_name: str, inspect: Inspect) -> None:
    pictures = clean_pictures()
    for number, quality in enumerate((90, 70, 50)):
        copy = reencoded(pictures[1].image, 1, quality)
        pictures.append(Picture(f"copy{number}.png", "train", copy, pictures[1].boxes))
    inspection = inspect(format_name, pictures)
    (found,) = of_kind(inspection, "note", "copies")
    assert all(f"copy{number}.png" in str(found) for number in range(3))
    assert "p1.png" in str(found)
    assert not of_kind(inspection, "error", "copies")


def test_pictures_of_one_colour_are_copies_only_where_the_files_are_equal(
    inspect: Inspect,
) -> None:
    pictures = clean_pictures()
    for number, grey in enumerate((20, 20, 90)):
        flat = np.full((96, 128, 3), grey, np.uint8)
        pictures.append(Picture(f"flat{number}.png", "train", flat, pictures[0].boxes))
    (found,) = of_kind(inspect("coco", pictures), "note", "copies")
    assert "flat1.png" in found.message
    assert "flat2.png" not in found.message


def test_mostly_tiny_boxes_are_an_error_whose_remedy_helps(
    format_name: str, tmp_path: Path
) -> None:
    pictures = clean_pictures()
    for number, picture in enumerate(pictures):
        picture.image = scenery(number + 1, (600, 800))
        picture.boxes = [(50, 50, 60, 58, 0), (100, 90, 108, 100, 1)]
    root = write_set(tmp_path, format_name, pictures)
    # 10 pixels of 800 are 4 of 320: twice the canvas makes them 8.
    (found,) = of_kind(inspect_sets([root]), "error", "tiny boxes")
    assert "8 of 8 training boxes are under 8 pixels on a canvas of 320 x 320" in found.message
    assert "--image-size 640 or more" in found.message
    assert inspect_sets([root], (640, 640)).findings == ()


def test_a_class_of_mostly_tiny_boxes_is_a_note(inspect: Inspect) -> None:
    pictures = clean_pictures(train=8)
    for number, picture in enumerate(pictures):
        picture.image = scenery(number + 1, (300, 400))
        picture.boxes = [(50, 50, 58, 58, 0), (100, 90, 180, 140, 1), (10, 90, 80, 140, 1)]
    inspection = inspect("yolo", pictures)
    (found,) = of_kind(inspection, "note", "tiny boxes")
    assert "8 of 8 training boxes of class 'bolt'" in found.message
    assert not of_kind(inspection, "error", "tiny boxes")


@pytest.mark.parametrize(
    ("thickness", "severity", "words", "larger"),
    [
        # On 320 pixels 0.8 and 1.6; on the canvas of the remedy 1 and 2.
        (4, "error", "may not be drawn on it at all; use --image-size 416 or more", 416),
        (8, "note", "are found less reliably; use --image-size 416 or more", 416),
    ],
)
def test_a_class_of_mostly_thin_boxes_is_told_with_the_size_that_helps(
    thickness: int, severity: str, words: str, larger: int, format_name: str, tmp_path: Path
) -> None:
    pictures = clean_pictures()
    for number, picture in enumerate(pictures):
        picture.image = scenery(number + 1, (1200, 1600))
        picture.boxes = [
            (100, 100, 900, 100 + thickness, 0),
            (100, 300, 100 + thickness, 900, 0),
            (300, 300, 600, 600, 1),
        ]
    root = write_set(tmp_path, format_name, pictures)
    (found,) = inspect_sets([root]).findings
    assert (found.severity, found.kind) == (severity, "tiny boxes")
    assert (
        f"8 of 8 training boxes of class 'bolt' are under {thickness // 4} pixel" in found.message
    )
    assert words in found.message
    after = inspect_sets([root], (larger, larger)).findings
    assert not [one for one in after if one.severity == "error"]
    assert severity == "error" or not after


def test_a_set_without_a_usable_image_is_told_and_no_crash(tmp_path: Path) -> None:
    for format_name in FORMATS:
        root = write_set(tmp_path / format_name, format_name, clean_pictures())
        for number in range(6):
            image_file(root, f"p{number}.png").unlink()
        inspection = inspect_sets([root])
        assert len(of_kind(inspection, "error", "set")) == 2
        assert len(of_kind(inspection, "error", "labels")) == 6


def test_what_is_inspected_without_error_can_be_opened(format_name: str, tmp_path: Path) -> None:
    root = write_set(tmp_path, format_name, clean_pictures())
    inspection, splits = inspect_sets([root]), open_splits(root)
    for ours, theirs in ((inspection.train, splits.train), (inspection.val, splits.val)):
        assert [one.path for one in ours] == [one.path for one in theirs.labels]


DATA = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "leaked", "kinds"),
    [
        # Each is one still life photographed twice, one of the two set aside to validate on.
        ("cards-yolo", ["IMG_2464.jpg", "IMG_2471.jpg", "cam_image54.jpg"], {"copies": 2}),
        ("cells-voc", [], {"doubled box": 7, "tiny boxes": 2}),
        ("pcb-coco", [], {}),
    ],
)
def test_a_real_set_has_what_was_seen_in_it(
    name: str, leaked: list[str], kinds: dict[str, int]
) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"the real set {name} is not on this machine")
    findings = inspect_sets([DATA / name]).findings
    wrong = [one.file.name for one in findings if one.severity == "error" and one.file]
    assert wrong == leaked
    notes = [one.kind for one in findings if one.severity == "note"]
    assert {kind: notes.count(kind) for kind in set(notes)} == kinds


def test_pictures_of_a_coco_set_without_an_entry_are_counted(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "coco", clean_pictures())
    for name in ("p9.png", "p7.png"):
        (root / "train" / name).write_bytes(image_file(root, "p0.png").read_bytes())
    inspection = inspect_sets([root])
    (note,) = of_kind(inspection, "note", "set")
    assert note.file == Path("train/p7.png")
    assert "the first of 2 pictures beside labelled ones that have no entry" in note.message
    assert len(inspection.train) == 4
