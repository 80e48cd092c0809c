"""`spotlet data convert`: the same labels in another format, and a line on what it cannot hold."""

import json
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import with_orientation
from labelled_sets import FORMATS, clean_pictures, image_file, write_set

from spotlet.cli import main
from spotlet.coco_labels import CocoPicture, coco_content
from spotlet.errors import DatasetError, OutputError, UsageError
from spotlet.image_files import read_image
from spotlet_training.converting import coco, convert_set, voc, yolo
from spotlet_training.datasets import open_splits
from spotlet_training.datasets.discover import read_labels
from spotlet_training.datasets.labels import ImageLabels, LabelledImages, LabelledSet

NAMES = ("nut, M6", "Möwe 🐦", "010", "yes: it is", "bolt")
TOLERANCE_PIXELS = 0.01
LEAST_PIXELS = 0.002
"""A box may be that thin: four steps of a float32 near the end of 8K."""

Sides = list[tuple[float, float, float, float, int]]


def picture(
    name: str, boxes: Any, size_hw: tuple[int, int] = (96, 128), **more: Any
) -> CocoPicture:
    array = np.array(boxes, np.float32).reshape(-1, 5)
    return CocoPicture(
        file_name=name,
        size_hw=size_hw,
        boxes_xyxy=array[:, :4],
        class_ids=array[:, 4].astype(np.int64),
        ignored=more.pop("ignored", np.zeros(len(array), np.bool_)),
        **more,
    )


def write_coco(root: Path, pictures: list[CocoPicture], names: tuple[str, ...] = NAMES) -> Path:
    (root / "annotations").mkdir(parents=True)
    content = coco_content(names, pictures)
    (root / "annotations" / "instances_default.json").write_text(json.dumps(content))
    for number, one in enumerate(pictures):
        path = root / "images" / one.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((*one.size_hw, 3), number, np.uint8)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return root


def read(root: Path) -> LabelledSet:
    content = read_labels(root)[1]
    content.problems.raise_if_any()
    return content


def in_pixels(labels: ImageLabels) -> Any:
    """Returns boxes as the training gets them."""
    return LabelledImages(("any",), [labels]).load(0).boxes_xyxy


def converted(root: Path, to: str) -> LabelledSet:
    convert_set(root, root.with_name(to), to)
    return read(root.with_name(to))


@st.composite
def boxes_in_picture(draw: st.DrawFn) -> tuple[tuple[int, int], Sides]:
    """Draws a size and boxes in it: on its edges, thin, between pixels."""
    height, width = draw(st.integers(1, 40)), draw(st.sampled_from([1, 2, 97, 7680]))
    boxes: Sides = []
    for _ in range(draw(st.integers(0, 4))):
        sides = []
        for side in (width, height):
            edge = st.one_of(
                st.floats(0, side, width=32), st.integers(0, side).map(float), st.just(0.0)
            )
            low, high = sorted((draw(edge), draw(edge)))
            if high - low < LEAST_PIXELS:
                low = min(low, side - LEAST_PIXELS)
                high = low + LEAST_PIXELS
            sides.append((low, high))
        (left, right), (top, bottom) = sides
        boxes.append((left, top, right, bottom, draw(st.integers(0, len(NAMES) - 1))))
    return (height, width), boxes


@settings(max_examples=25, deadline=None)
@given(st.lists(boxes_in_picture(), min_size=1, max_size=3), st.permutations(FORMATS))
def test_boxes_pass_through_all_formats_and_back(
    drawn: list[tuple[tuple[int, int], Sides]], formats: list[str]
) -> None:
    pictures = [picture(f"p{at}.png", boxes, size) for at, (size, boxes) in enumerate(drawn)]
    with tempfile.TemporaryDirectory() as folder:
        root = write_coco(Path(folder) / "set", pictures)
        for number, to in enumerate([*formats, "coco"]):
            convert_set(root, out := Path(folder) / f"{number}", to)
            root = out
        found = read(root)
        assert found.class_names == NAMES
        assert [one.path.name for one in found.train] == [one.file_name for one in pictures]
        for one, wanted in zip(found.train, pictures, strict=True):
            assert one.class_ids.tolist() == wanted.class_ids.tolist()
            np.testing.assert_allclose(
                in_pixels(one), wanted.boxes_xyxy, rtol=0, atol=TOLERANCE_PIXELS
            )


@pytest.mark.parametrize("to", FORMATS)
def test_the_thinnest_boxes_of_a_wide_picture_stay_in_place(to: str, tmp_path: Path) -> None:
    lefts = np.linspace(1, 7679, 500, dtype=np.float32)
    rights = np.nextafter(lefts, np.float32(7680))
    boxes = [(left, 0, right, 1, 0) for left, right in zip(lefts, rights, strict=True)]
    root = write_coco(tmp_path / "set", [picture("a.png", boxes, (1, 7681))])
    found = in_pixels(converted(root, to).train[0])
    # A side of a millionth of the width, the least that YOLO is given, is 0.0077 pixels.
    np.testing.assert_allclose(found, picture("a.png", boxes).boxes_xyxy, rtol=0, atol=0.005)
    centres = (found[:, 0] + found[:, 2]) / 2
    np.testing.assert_allclose(centres, (lefts + rights) / 2, rtol=0, atol=0.001)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_the_command_keeps_splits_and_pictures_and_names_the_next_step(
    source: str, to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", source, clean_pictures())
    out = tmp_path / "new" / "out"
    assert main(["data", "convert", str(root), "--to", to, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"{root}: {source}, 2 classes\n  train  4 pictures, 8 objects\n" in printed
    assert printed.endswith(f"wrote {out}: {to}\nnext: spotlet data check {out}\n")
    assert "note:" not in printed
    assert main(["data", "check", str(out)]) == 0
    before, after = open_splits(root), open_splits(out)
    assert after.format == to
    for old, new in ((before.train, after.train), (before.val, after.val)):
        assert len(old) == len(new)
        for index in range(len(old)):
            one, other = old.load(index), new.load(index)
            assert one.name == other.name
            assert (one.image_bgr == other.image_bgr).all()
            np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-3)


def test_ignored_objects_are_kept_where_the_format_has_them_and_counted_where_not(
    tmp_path: Path,
) -> None:
    boxes = [(10, 10, 20, 20, 0), (30, 30, 60, 60, 1)]
    marks = np.array([False, True])
    root = write_coco(tmp_path / "set", [picture("a.png", boxes, ignored=marks)])
    for to in ("coco", "voc"):
        assert converted(root, to).train[0].ignored.tolist() == [False, True]
    notes = convert_set(root, tmp_path / "yolo", "yolo").notes
    assert read(tmp_path / "yolo").train[0].class_ids.tolist() == [0]
    assert any(note.startswith("ignored objects left out: 1;") for note in notes)


def test_suggestions_keep_their_scores_and_pictures_their_notes_in_coco(tmp_path: Path) -> None:
    boxes = [(10, 10, 20, 20, 0), (30, 30, 60, 60, 1)]
    scores = np.array([0.75, np.nan], np.float32)  # the second one was added by a person
    about = {"reasons": ["flicker"], "frame": 7}
    root = write_coco(tmp_path / "set", [picture("deep/a.png", boxes, scores=scores, about=about)])
    assert not convert_set(root, tmp_path / "coco", "coco").notes
    written = (tmp_path / "coco/annotations/instances_default.json").read_text()
    content = json.loads(written)
    assert [row.get("score") for row in content["annotations"]] == [0.75, None]
    assert content["images"][0]["spotlet"] == about
    for to in ("yolo", "voc"):
        notes = convert_set(root, tmp_path / to, to).notes
        assert any("scores of suggestions (1), notes on pictures (1)" in note for note in notes)


@pytest.mark.parametrize("ids", [(7, 7, 8, 8), (None, None, None, None)])
def test_scores_stay_with_their_objects_whatever_their_ids(
    ids: tuple[int | None, ...], tmp_path: Path
) -> None:
    boxes = [(10, 10, 20, 20, 0), (30, 30, 60, 60, 1)]
    pictures = [picture("a.png", boxes), picture("b.png", boxes)]
    root = write_coco(tmp_path / "set", pictures)
    file = root / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    scores = (0.5, 0.25, 7.5, None)
    rows = content["annotations"]
    for row, identity, score in zip(rows, ids, scores, strict=True):
        row |= {"score": score, "id": identity}
    file.write_text(json.dumps(content | {"annotations": rows[::-1]}))
    notes = convert_set(root, tmp_path / "coco", "coco").read_notes
    assert "scores left out, as they are not numbers from 0 to 1: 1" in notes
    written = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    found = {
        (row["image_id"], row["category_id"]): row.get("score") for row in written["annotations"]
    }
    assert found == {(1, 1): 0.5, (1, 2): 0.25, (2, 1): None, (2, 2): None}


def test_unknown_classes_stay_unknown_or_are_named(tmp_path: Path) -> None:
    names, boxes = ("a", "b", "c"), [(10, 10, 20, 20, 0)]
    same = {"train": [picture(f"{at}.png", boxes, unknown_ids=(1,)) for at in range(2)]}
    other = {"train": [*same["train"], picture("2.png", boxes, unknown_ids=(0,))]}
    notes = {}
    for write in (coco.write_labels, yolo.write_labels, voc.write_labels):
        for which, pictures in (("same", same), ("other", other)):
            folder = tmp_path / which / write.__module__
            folder.mkdir(parents=True)
            notes[write, which] = " ".join(write(folder, names, pictures))
    assert "completely" not in notes[coco.write_labels, "other"]
    assert "incomplete" not in notes[yolo.write_labels, "same"]
    assert ": a, b now count as incomplete" in notes[yolo.write_labels, "other"]
    assert "(a, b; pictures: 3)" in notes[voc.write_labels, "other"]
    written = (tmp_path / "same" / yolo.__name__ / "data.yaml").read_text()
    assert yaml.safe_load(written)["exhaustive"] == ["a", "c"]
    written = (tmp_path / "other" / yolo.__name__ / "data.yaml").read_text()
    assert yaml.safe_load(written)["exhaustive"] == ["c"]
    path = tmp_path / "other" / coco.__name__ / "annotations" / "instances_default.json"
    rows = json.loads(path.read_text())["images"]
    assert [row["neg_category_ids"] for row in rows] == [[3], [3], [2, 3]]
    assert [row["not_exhaustive_category_ids"] for row in rows] == [[], [], [1]]


def test_outlines_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set", [picture("a.png", [(10, 10, 20, 20, 0)] * 3)])
    file = root / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["segmentation"] = [[10, 10, 20, 10, 20, 20]]
    content["annotations"][1]["keypoints"] = [15, 15, 2]
    file.write_text(json.dumps(content))
    assert (
        convert_set(root, tmp_path / "out", "coco")
        .notes[0]
        .startswith("outlines and key points left out: 2;")
    )


def test_pictures_get_names_that_every_format_can_hold(tmp_path: Path) -> None:
    renamed = {
        "a/Bolt 1.png": "Bolt 1.png",
        "b/Bolt 1.png": "Bolt 1-2.png",
        "c/bolt 1.PNG": "bolt 1-3.PNG",
        ".hid#den.png": "_hid_den.png",
        "Möwe im Flug 3.png": "Möwe im Flug 3.png",
        "x.y.png": "x.y.png",
    }
    boxes = [(10, 10, 20, 20, 0)]
    root = write_coco(tmp_path / "set", [picture(name, boxes) for name in renamed])
    for to in FORMATS:
        done = convert_set(root, tmp_path / to, to)
        assert any(note.startswith("new file names: 3;") for note in done.notes)
        found = [one.path.name for one in read(tmp_path / to).train]
        assert sorted(found) == sorted(renamed.values())


@pytest.mark.parametrize("to", FORMATS)
def test_a_turned_picture_is_saved_upright(to: str, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set", [picture("a.jpg", [(0, 0, 20, 30, 0)], (96, 128))])
    stored = np.zeros((128, 96, 3), np.uint8)
    stored[-20:, :30] = 255  # turned clockwise, as orientation 6 says, at the upper left
    (root / "images" / "a.jpg").write_bytes(with_orientation(stored, ".jpg", 6))
    notes = convert_set(root, tmp_path / "out", to).notes
    assert any(note.startswith("pictures saved upright, encoded anew: 1;") for note in notes)
    file = image_file(tmp_path / "out", "a.jpg")
    plain = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert plain is not None
    assert plain.shape == (96, 128, 3)
    assert (plain == read_image(file)).all()
    assert plain[:25, :15].mean() > 250
    assert plain[40:, 30:].mean() < 5


def test_a_turned_png_is_saved_without_warnings(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = write_coco(tmp_path / "set", [picture("a.png", [(0, 0, 20, 30, 0)], (96, 128))])
    stored = np.zeros((128, 96, 3), np.uint8)
    (root / "images" / "a.png").write_bytes(with_orientation(stored, ".png", 6))
    notes = convert_set(root, tmp_path / "out", "coco").notes
    assert any(note.startswith("pictures saved upright, encoded anew: 1;") for note in notes)
    assert not capfd.readouterr().err


def test_an_unusual_picture_is_copied_and_named(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set", [picture("a.ppm", [(0, 0, 20, 30, 0)])])
    content = cv2.imencode(".ppm", np.zeros((96, 128, 3), np.uint8))[1].tobytes()
    (root / "images" / "a.ppm").write_bytes(content)
    assert "1 PNM" in convert_set(root, tmp_path / "out", "yolo").notes[0]
    assert image_file(tmp_path / "out", "a.ppm").read_bytes() == content


def test_what_is_wrong_is_counted_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = [(10, 10, 20, 20, 0)]
    root = write_coco(tmp_path / "set", [picture(f"{at}.png", boxes) for at in range(3)])
    (root / "images" / "0.png").write_bytes(b"not a picture")
    (root / "images" / "1.png").write_bytes((root / "images" / "2.png").read_bytes())
    image = np.zeros((50, 60, 3), np.uint8)
    (root / "images" / "2.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    words = ["data", "convert", str(root), "--to", "voc", "--out", str(tmp_path / "out")]
    assert main(words) == 4
    error = capsys.readouterr().err
    assert "images/0.png: " in error
    assert "images/2.png: is 60 x 50 pixels, but its labels say 128 x 96" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_wrong_labels_and_used_folders_are_refused(tmp_path: Path) -> None:
    pictures = clean_pictures()
    pictures[0].boxes += [(10, 10, 300, 20, 0)] * 30
    wrong = write_set(tmp_path / "wrong", "yolo", pictures)
    with pytest.raises(DatasetError, match="and 25 more"):
        convert_set(wrong, tmp_path / "out", "coco")
    good = write_set(tmp_path / "good", "yolo", clean_pictures())
    with pytest.raises(OutputError, match="holds other files"):
        convert_set(good, wrong, "coco")
    with pytest.raises(UsageError, match="in the set to convert"):
        convert_set(good / "data.yaml", good / "out", "coco")
    with pytest.raises(UsageError, match="must be one of coco, voc, yolo"):
        convert_set(good, tmp_path / "out", "kitti")
    empty = write_coco(tmp_path / "empty", [])
    with pytest.raises(DatasetError, match="nothing to convert"):
        convert_set(empty, tmp_path / "out", "coco")
    assert not (tmp_path / "out").exists()


def test_voc_names_what_it_loses_of_classes_and_edges(tmp_path: Path) -> None:
    names = (" bolt", "a:b", "nut")
    root = write_coco(tmp_path / "set", [picture("a.png", [(1.5, 2, 30, 40, 0)])], names)
    done = convert_set(root, tmp_path / "out", "voc")
    assert [note.partition(";")[0] for note in done.notes] == [
        "boxes with edges between pixels: 1",
        "class names that lose the spaces around them: 1",
        "class names with `:` or a leading `#`: 1",
    ]
    assert (tmp_path / "out" / "labelmap.txt").read_text().splitlines()[1:] == ["bolt:::", "nut:::"]
    assert read(tmp_path / "out").class_names == ("bolt", "a:b", "nut")
    root = write_coco(tmp_path / "twins", [picture("a.png", [(1, 2, 30, 40, 0)])], ("nut ", "nut"))
    with pytest.raises(DatasetError, match="cannot be told apart"):
        convert_set(root, tmp_path / "none", "voc")
    assert not (tmp_path / "none").exists()


def test_a_set_without_validation_split_stays_without(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set", [picture("a.png", []), picture("b.png", [])])
    for to in FORMATS:
        content = converted(root, to)
        assert content.val is None
        assert len(content.train) == 2
    assert any(
        "no validation split" in note for note in convert_set(root, tmp_path / "y", "yolo").notes
    )
