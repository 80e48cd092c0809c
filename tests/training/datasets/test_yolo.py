"""What only YOLO sets have: the description's many spellings, outlines, lists, stray files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from spotlet.errors import DatasetError
from spotlet_training.datasets import open_splits
from spotlet_training.datasets.yolo_labels import label_path


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))


def write_set(root: Path, description: str, labels: str = "0 0.5 0.5 1 1") -> Path:
    for split in ("train", "valid"):
        write_image(root / split / "images" / "a.png")
        path = root / split / "labels" / "a.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0 0.5 0.5 1 1")
    (root / "train" / "labels" / "a.txt").write_text(labels)
    (root / "data.yaml").write_text(description)
    return root


SPLITS = "train: train/images\nval: valid/images\n"


@pytest.mark.parametrize(
    "entries",
    [
        SPLITS,
        "train: ../train/images\nval: ../valid/images\n",
        "path: .\n" + SPLITS,
        "path: ''\n" + SPLITS,
        "path: /content/of/another/machine\n" + SPLITS,
        "path: ../datasets/elsewhere\n" + SPLITS,
        "train: [train/images]\nval: valid/images/\n",
        "train: train\nval: valid\n",
        "train: lists/train.txt\nval: valid/images\n",
    ],
)
def test_the_splits_are_found_however_they_are_written(tmp_path: Path, entries: str) -> None:
    root = write_set(tmp_path, entries + "names: [bolt]\n")
    (root / "lists").mkdir()
    (root / "lists" / "train.txt").write_text("../train/images/a.png\n\n")
    splits = open_splits(root)
    assert (len(splits.train), len(splits.val)) == (1, 1)
    assert splits.train.load(0).boxes_xyxy.tolist() == [[0, 0, 40, 30]]


def test_a_list_may_name_images_from_the_folder_of_the_set(tmp_path: Path) -> None:
    root = write_set(tmp_path, "train: lists/train.txt\nval: valid/images\nnames: [bolt]\n")
    (root / "lists").mkdir()
    (root / "lists" / "train.txt").write_text("./train/images/a.png\n")
    assert len(open_splits(root).train) == 1


def test_a_list_that_names_a_missing_image_is_an_error_with_its_line(tmp_path: Path) -> None:
    root = write_set(tmp_path, "train: train.txt\nval: valid/images\nnames: [bolt]\n")
    (root / "train.txt").write_text("train/images/a.png\ntrain/images/b.png\n")
    with pytest.raises(DatasetError, match=r"train\.txt:2: no such image 'train/images/b\.png'"):
        open_splits(root)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[bolt, nut]", ("bolt", "nut")),
        ("{1: nut, 0: bolt}", ("bolt", "nut")),
        ("[10, 3.5]", ("10", "3.5")),
        ("{'1': nut, '0': bolt}", ("bolt", "nut")),
        ("{'0': bolt, 1: nut}", ("bolt", "nut")),
        ("[010, 1.10]", ("010", "1.10")),
        ("{0: 1_0, 1: 12:30}", ("1_0", "12:30")),
        ("\n  0: 007\n  1: 0x7", ("007", "0x7")),
    ],
)
def test_names_may_be_a_list_or_numbered(
    tmp_path: Path, names: str, expected: tuple[str, ...]
) -> None:
    root = write_set(tmp_path, f"{SPLITS}names: {names}\nnc: 2\n")
    assert open_splits(root).class_names == expected


@pytest.mark.parametrize(
    ("description", "what"),
    [
        ("names: [", "is not YAML"),
        ("- a", "must have the keys"),
        (SPLITS, "no `names`"),
        (SPLITS + "names: []", "no `names`"),
        (SPLITS + "names: bolt", "no `names`"),
        (SPLITS + "names: {1: bolt, 2: nut}", "must be 0 to 1"),
        (SPLITS + "names: {'0': bolt, 0: nut}", "must be 0 to 1"),
        (SPLITS + "names: {a: bolt, b: nut}", "must be 0 to 1"),
        (SPLITS + "names: [yes, no]", "put it in quotes"),
        (SPLITS + "names: [bolt, bolt]", "duplicate in `names`"),
        (SPLITS + "names: [bolt]\nnc: 2", "`nc` is 2, but `names` has 1"),
        (SPLITS + "names: [bolt]\nkpt_shape: [17, 3]", "key points"),
        ("val: valid/images\nnames: [bolt]", "no `train`"),
        ("train: 3\nnames: [bolt]", "must be names of folders"),
        ("train: trian/images\nnames: [bolt]", "'trian/images': no such"),
    ],
)
def test_a_wrong_description_is_one_clear_line(tmp_path: Path, description: str, what: str) -> None:
    root = write_set(tmp_path, description)
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert "data.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_outline_becomes_the_box_around_it(tmp_path: Path) -> None:
    outline = "0 0.5 0.1 0.75 0.5 0.5 0.9 0.25 0.5"
    root = write_set(tmp_path, SPLITS + "names: [bolt]", outline)
    np.testing.assert_allclose(open_splits(root).train.load(0).boxes_xyxy, [[10, 3, 30, 27]])


@pytest.mark.parametrize(
    "line",
    [
        "0,0.5,0.5,0.2,0.4",
        "0, 0.5, 0.5, 0.2, 0.4,",
        "0;0.5;0.5;0.2;0.4",
        "0 0,5 0,5 0,2 0,4",
        "0;0,5;0,5;0,2;0,4",
        "0\t0.5\t0.5\t0.2\t0.4\r",
        "0.0 .5 5e-1 +0.2 0.40 ",
    ],
)
def test_numbers_may_be_written_as_other_programs_do(tmp_path: Path, line: str) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]", f"{line}\n")
    boxes = open_splits(root).train.load(0).boxes_xyxy
    np.testing.assert_allclose(boxes, [[16, 9, 24, 21]], atol=1e-4)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0,0,5,0,5,0,2,0,2", "must be numbers"),
        ("0, 0,5, 0,5, 0,2, 0,2", "must be numbers"),
        ("0 0.5,0.5 0,2 0.2", "5 numbers after"),
        ("0 1.024,5 0.5 1 1", "5 numbers after"),
        ("bolt 0.5 0.5 1 1", "must be numbers, the class too"),
        ("0 0.5 0.5 1", "3 numbers after the class"),
        ("0 0.5 0.5 1 1 0.87", "5 numbers after the class"),
        ("1 0.5 0.5 1 1", "unknown class 1; must be from 0 to 0"),
        ("-1 0.5 0.5 1 1", "unknown class -1"),
        ("0.5 0.5 0.5 1 1", "unknown class 0.5"),
        ("nan 0.5 0.5 1 1", "unknown class nan"),
        ("0 20 15 40 30", "outside its image .edges are fractions, 0 to 1"),
        ("0 0.5 0.5 1e-12 1", "has no area"),
    ],
)
def test_a_wrong_line_is_an_error_with_its_number(tmp_path: Path, line: str, what: str) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]", f"0 0.5 0.5 1 1\n\n{line}\n")
    with pytest.raises(DatasetError, match=what) as raised:
        open_splits(root)
    assert "train/labels/a.txt:3: " in str(raised.value)


def test_labels_without_their_image_are_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    (root / "train" / "labels" / "b.txt").write_text("")
    with pytest.raises(DatasetError, match=r"train/labels/b\.txt: no image for these labels"):
        open_splits(root)


def test_what_tools_leave_beside_images_and_labels_is_passed_over(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    (root / "train" / "labels" / "classes.txt").write_text("bolt\n")
    (root / "train" / "labels" / "LICENSE.txt").write_text("\n\nPublic domain\n")
    (root / "train" / "labels" / "train.txt").write_text("images/a.png\nimages/b.png\n")
    (root / "train" / "labels" / "drawing.txt").write_bytes(b"\xff\xfe\x00\x80")
    (root / "train" / "labels.cache").write_text("")
    (root / "train" / "images" / "._a.png").write_text("")
    (root / "train" / "images" / "Thumbs.db").write_text("")
    assert len(open_splits(root).train) == 1


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("set/images/train/a.jpg", "set/labels/train/a.txt"),
        ("images/set/images/a.b.jpg", "images/set/labels/a.b.txt"),
        ("set/my-images/a.jpg", "set/my-images/a.txt"),
    ],
)
def test_the_last_images_folder_becomes_labels(image: str, labels: str, tmp_path: Path) -> None:
    (tmp_path / labels).parent.mkdir(parents=True)
    assert label_path(tmp_path / image) == tmp_path / labels


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("Images", "Labels"),
        ("IMAGES", "LABELS"),
        ("images", "Labels"),
        ("Images", "labels"),
        ("images/Images", "images/Labels"),
        ("Images/images", "Labels/images"),
    ],
)
@pytest.mark.parametrize("written", ["as it is", "lower case", "upper case"])
def test_folders_in_capitals_are_found(
    tmp_path: Path, images: str, labels: str, written: str
) -> None:
    for split in ("train", "val"):
        write_image(tmp_path / images / split / "a.png")
        path = tmp_path / labels / split / "a.txt"
        path.parent.mkdir(parents=True)
        path.write_text("0 0.5 0.5 1 1\n")
    entry = {"lower case": images.lower(), "upper case": images.upper()}.get(written, images)
    (tmp_path / "data.yaml").write_text(f"train: {entry}/train\nval: {entry}/val\nnames: [bolt]\n")
    splits = open_splits(tmp_path)
    assert [len(one.class_ids) for one in (*splits.train.labels, *splits.val.labels)] == [1, 1]


@pytest.mark.parametrize(
    ("names", "image", "labels", "val"),
    [
        ("classes.txt", "a.png", "a.txt", ""),  # LabelImg
        ("classes.txt", "images/a.png", "labels/a.txt", ""),  # Label Studio
        ("labels/classes.txt", "images/a.png", "labels/a.txt", ""),
        (
            "obj.names",
            "obj_train_data/a.png",
            "obj_train_data/a.txt",
            "obj_Validation_data",
        ),  # CVAT
        ("classes.txt", "images/train/a.png", "labels/train/a.txt", "images/val"),
        ("classes.txt", "train/images/a.png", "train/labels/a.txt", "valid/images"),
        ("coco8.yaml", "images/a.png", "labels/a.txt", ""),
        ("my set.yml", "images/a.png", "labels/a.txt", ""),
    ],
)
def test_a_set_without_its_usual_description_is_read(
    tmp_path: Path, names: str, image: str, labels: str, val: str
) -> None:
    for folder in filter(None, (str(Path(image).parent), val)):
        for name in ("a", "b"):
            write_image(tmp_path / folder / f"{name}.png")
            path = tmp_path / (labels if folder != val else folder.replace("images", "labels"))
            path = (path if folder == val else path.parent) / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1 0.5 0.5 1 1\r\n")
    described = "train: images\nnames: [bolt, nut]" if ".y" in names else "bolt\r\nnut\r\n\r\n"
    (tmp_path / names).write_bytes(described.encode())
    (tmp_path / "other.yaml").write_text("a: 1")
    splits = open_splits(tmp_path)
    assert splits.class_names == ("bolt", "nut")
    assert (len(splits.train), len(splits.val)) == ((2, 2) if val else (1, 1))
    found = [one.class_ids.tolist() for one in (*splits.train.labels, *splits.val.labels)]
    assert found == [[1]] * len(found)
    assert splits.notes[0] == f"the set is described by {names}"


def test_of_two_descriptions_none_is_guessed_and_names_alone_are_no_set(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "classes.txt").write_text("bolt")
    with pytest.raises(DatasetError, match="not a labelled set"):
        open_splits(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("train: images\nnames: [bolt]")
    with pytest.raises(DatasetError, match=r"several descriptions of a set \(a.yaml, b.yaml\)"):
        open_splits(tmp_path)


def test_labels_may_lie_beside_their_images_under_any_folder(tmp_path: Path) -> None:
    assert label_path(tmp_path / "images" / "birds" / "a.jpg") == tmp_path / "images/birds/a.txt"


def test_two_pictures_of_one_label_file_are_an_error(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    write_image(root / "train" / "images" / "a.bmp")
    with pytest.raises(DatasetError, match=r"a\.png: has the same label file as a\.bmp"):
        open_splits(root)
    (root / "train" / "labels" / "a.txt").write_text("")  # two pictures of the background
    write_image(root / "train" / "images" / "b.png")
    (root / "train" / "labels" / "b.txt").write_text("0 0.5 0.5 1 1")
    assert len(open_splits(root).train) == 3


@pytest.mark.parametrize("second", ["./train/images/a.png", "train/../train/images/a.png", "link"])
def test_one_picture_under_two_spellings_of_its_path_is_an_error(
    tmp_path: Path, second: str
) -> None:
    root = write_set(tmp_path, "train: train.txt\nval: valid/images\nnames: [bolt]\n")
    (root / "linked").symlink_to(root / "train" / "images", target_is_directory=True)
    second = "linked/a.png" if second == "link" else second
    (root / "train.txt").write_text(f"train/images/a.png\n{second}\n")
    with pytest.raises(DatasetError, match="duplicate image in `train`"):
        open_splits(root)


@pytest.mark.parametrize(
    "line",
    [
        "0 0.618 0.25 0.09 0.18 0.625 0.297 0.601 0.247 0.628 0.236",  # three points
        "0 0.3 0.6 0.2 0.3 0.31 0.7 0 0",  # the second one is not labelled
        "0 0.5 0.5 0.4 0.6 0.4 0.4 0 0.6 0.7 1",  # with visibility
        "0 0.5 0.5 0.4 0.6 0.4 0.4 2 0.6 0.7 1",
        "0 0.5 0.5 0.4 0.6 0.4 0.4 2 0.6 0.7 1 0.5 0.5 0",
        "0 0.4 0.5 0.3 0.5 0.3 0.4 0.5 0.6 0.31 0.7 0.5 0.35",  # whose size is a place in it
    ],
)
def test_key_points_are_an_error_even_if_the_description_has_no_shape_of_them(
    tmp_path: Path, line: str
) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]", f"0 0.5 0.5 1 1\n{line}\n")
    with pytest.raises(
        DatasetError, match=r"train/labels/a\.txt:2: \d+ numbers after .* key points"
    ):
        open_splits(root)


@pytest.mark.parametrize("seed", range(30))
def test_outlines_are_not_taken_for_key_points_and_are_counted(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = []
    for corners in (4, 12):
        centre, radius = rng.uniform(0.25, 0.75, 2), rng.uniform(0.02, 0.2, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        points = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        lines.append("0 " + " ".join(f"{value:.4f}" for value in points.ravel()))
    root = write_set(tmp_path, SPLITS + "names: [bolt]", "\n".join(lines))
    splits = open_splits(root)
    assert len(splits.train.load(0).class_ids) == 2
    assert splits.notes == (
        "outlines, taken as the upright boxes around them: 1",
        "rotated boxes or outlines, taken as the upright boxes around them: 1",
    )


def test_hidden_files_and_folders_are_left_out_and_counted_in_one_note(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    for name in (".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/a.png", "._a.png"):
        write_image(root / "train" / "images" / name)
        label = root / "train" / "labels" / name
        label.parent.mkdir(exist_ok=True)
        label.with_suffix(".txt").write_text("0 0.5 0.5 1 1")
    (root / "train" / "images" / ".DS_Store").write_text("")
    splits = open_splits(root)
    assert len(splits.train) == 1
    (note,) = splits.notes
    assert note.startswith("3 hidden pictures are left out (train/images/._a.png, ")


def test_a_linked_folder_is_followed_and_its_labels_are_found(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", SPLITS + "names: [bolt]")
    write_image(tmp_path / "more" / "images" / "b.png")
    (tmp_path / "more" / "labels").mkdir()
    (tmp_path / "more" / "labels" / "b.txt").write_text("0 0.5 0.5 0.5 0.5")
    link = root / "train" / "images" / "more"
    link.symlink_to(tmp_path / "more" / "images", target_is_directory=True)
    splits = open_splits(root)
    assert [one.path.name for one in splits.train.labels] == ["a.png", "b.png"]
    assert [len(one.class_ids) for one in splits.train.labels] == [1, 1]
    assert splits.notes == ("1 linked folders are followed (train/images/more)",)
    # Labels that lie where the link's own path says are found too.
    link.unlink()
    (tmp_path / "more" / "labels").rename(tmp_path / "more" / "txt")
    link.symlink_to(tmp_path / "more" / "images", target_is_directory=True)
    (root / "train" / "labels" / "more").symlink_to(tmp_path / "more" / "txt")
    assert [len(one.class_ids) for one in open_splits(root).train.labels] == [1, 1]


@pytest.mark.parametrize("target", ["train/images/a", "train/images", "train", "."])
def test_no_picture_is_found_twice_through_a_link(tmp_path: Path, target: str) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    write_image(root / "train" / "images" / "a" / "b.png")
    (root / "train" / "images" / "0").symlink_to(root / target, target_is_directory=True)
    assert [one.path.name for one in open_splits(root).train.labels] == ["b.png", "a.png"]


def test_links_to_themselves_or_nowhere_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    images = root / "train" / "images"
    for link, target in {
        "b": "c",
        "c": "b",
        "d.png": "d.png",
        "e.png": "gone.png",
        "up": "..",
        "self": ".",
        "f": "/nowhere/at/all",
    }.items():
        (images / link).symlink_to(target)
    splits = open_splits(root)
    assert [one.path.name for one in splits.train.labels] == ["a.png"]
    assert splits.notes == (
        "5 broken links are left out (train/images/b, train/images/c, train/images/d.png, …)",
    )


def test_labels_behind_a_broken_link_are_an_error_not_a_background(tmp_path: Path) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    write_image(root / "train" / "images" / "b.png")
    (root / "train" / "labels" / "b.txt").symlink_to("gone.txt")
    with pytest.raises(DatasetError, match=r"train/labels/b\.txt: is a broken link"):
        open_splits(root)


@pytest.mark.parametrize(
    "entries",
    [
        "train: train/images\nvalid: valid/images\nnc: '1'",
        "train: train/images\nvalidation: valid/images\nnc: 1.0",
        "train: train\\images\nval: .\\valid\\images\nnc: 1",
        'train: "train\\images"\nval: "..\\valid\\images"',
        "path: C:\\Users\\me\\set\ntrain: train\\images\nval: valid\\images",
        "train: C:\\Users\\me\\set\\train\\images\nval: D:\\set\\valid\\images",
        "train: /home/me/set/train/images\nval: /home/me/set/valid/images",
        "train: train.txt\nval: valid/images",
    ],
)
def test_a_description_of_another_tool_or_system_is_read(tmp_path: Path, entries: str) -> None:
    root = write_set(tmp_path, entries + "\nnames: [bolt]\n")
    (root / "train.txt").write_text("train\\images\\a.png\n")
    splits = open_splits(root)
    assert [one.path for one in splits.train.labels] == [root / "train" / "images" / "a.png"]
    assert [one.path for one in splits.val.labels] == [root / "valid" / "images" / "a.png"]
    assert splits.notes == ()


def test_labels_in_another_case_than_their_image_are_found_unless_they_are_another_ones(
    tmp_path: Path,
) -> None:
    root = write_set(tmp_path, SPLITS + "names: [bolt]")
    labels = root / "train" / "labels"
    (labels / "a.txt").rename(labels / "A.txt")
    assert [len(one.class_ids) for one in open_splits(root).train.labels] == [1]
    (labels / "a.txt").write_text("")
    with pytest.raises(DatasetError, match=r"train/labels/A\.txt: no image for these labels"):
        open_splits(root)
