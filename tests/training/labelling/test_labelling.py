import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from image_bytes import with_orientation
from label_calls import BOX, CAT, FAR, images_of, label_with, rows_of, write_pictures
from labelled_sets import clean_pictures, scenery, write_set
from teachers import FakeTeacher, Row, bright_parts

from spotlet.coco_labels import LABEL_FILE, CocoPicture, coco_content
from spotlet.errors import (
    DatasetError,
    InputError,
    OutputError,
    SourceError,
    UsageError,
)
from spotlet.letterbox import ImageArray
from spotlet_training.datasets import open_splits
from spotlet_training.datasets.discover import read_labels
from spotlet_training.labelling import (
    LabelCallbacks,
    LabelSettings,
    label,
    labelling,
)
from spotlet_training.labelling.fusion import Labels
from spotlet_training.labelling.input import source_name
from spotlet_training.labelling.picture import completed
from spotlet_training.labelling.settings import parse_classes


def test_a_folder_becomes_a_set_with_suggestions_and_regions_of_doubt(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in")
    summary = label_with([CAT], [pictures], tmp_path / "set")
    assert (summary.added, summary.kept, summary.skipped) == (3, 0, ())
    one = summary.classes[0]
    assert (one.name, one.objects, one.ignored, one.pictures) == ("cat", 3, 3, 3)
    splits = open_splits(tmp_path / "set")
    assert splits.class_names == ("cat",)
    sample = splits.train.load(0)
    assert sample.ignored.tolist() == [False, True]
    assert sample.boxes_xyxy.tolist() == [list(BOX), list(FAR)]
    assert (tmp_path / "set/images/p1.png").read_bytes() == (pictures / "p1.png").read_bytes()
    about = images_of(tmp_path / "set")["p0.png"]["spotlet"]
    assert about["suggested"] is True
    assert about["teachers"] == ["fake"]
    assert about["source"] == "in/p0.png"
    assert [row["score"] for row in rows_of(tmp_path / "set")["p0.png"]] == [0.9, 0.3]
    assert "neg_category_ids" not in images_of(tmp_path / "set")["p0.png"]


def test_pictures_of_one_name_get_numbers_and_folders_are_searched_deep(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in/a", 1)
    write_pictures(tmp_path / "in/b/c", 1)
    assert cv2.imwrite(str(tmp_path / "in/b/c/p0.png"), scenery(9))
    label_with([CAT], [tmp_path / "in"], tmp_path / "set")
    assert sorted(rows_of(tmp_path / "set")) == ["p0-2.png", "p0.png"]


def test_a_picture_that_is_given_twice_is_labelled_once(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 2)
    both = [pictures, pictures / "p1.png"]
    assert label_with([CAT], both, tmp_path / "set").added == 2


def test_a_labelled_set_below_a_folder_is_noted(tmp_path: Path) -> None:
    write_set(tmp_path / "in/deep", "coco", clean_pictures(2, 0))
    notes: list[str] = []
    settings = LabelSettings(pictures=(tmp_path / "in",), out=tmp_path / "set")
    label(settings, LabelCallbacks(on_note=notes.append), teachers=[CAT])
    assert [note for note in notes if "its labels are not used" in note]


def test_a_second_call_keeps_what_a_person_corrected_and_adds_what_is_new(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 2)
    out = tmp_path / "set"
    label_with([CAT], [pictures], out)
    content = json.loads((out / LABEL_FILE).read_text())
    content["annotations"][0]["bbox"] = [1, 2, 3, 4]
    del content["images"][0]["spotlet"]  # as other tools do
    (out / LABEL_FILE).write_text(json.dumps(content))
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    teacher = replace(CAT, asked=[])
    summary = label_with([teacher], [pictures], out)
    assert (summary.added, summary.kept) == (1, 2)
    assert len(teacher.asked) == 1
    assert rows_of(out)["p0.png"][0]["bbox"] == [1, 2, 3, 4]
    assert sorted(rows_of(out)) == ["p0.png", "p1.png", "p7.png"]


def test_a_set_of_other_classes_is_not_continued(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 1)
    label_with([CAT], [pictures], tmp_path / "set")
    before = (tmp_path / "set" / LABEL_FILE).read_bytes()
    with pytest.raises(UsageError, match="has the classes cat, not dog; give the same"):
        label_with([FakeTeacher(("dog",))], [pictures], tmp_path / "set")
    assert (tmp_path / "set" / LABEL_FILE).read_bytes() == before


def test_a_set_whose_categories_another_tool_renumbered_is_continued(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 1)
    teacher = FakeTeacher(("cat", "dog"), [("cat", 0.9, BOX), ("dog", 0.9, FAR)])
    out = tmp_path / "set"
    label_with([teacher], [pictures], out)
    content = json.loads((out / LABEL_FILE).read_text())
    content["categories"] = [{"id": 0, "name": "dog"}, {"id": 7, "name": "cat"}]
    for row in content["annotations"]:
        row["category_id"] = {1: 7, 2: 0}[row["category_id"]]
    (out / LABEL_FILE).write_text(json.dumps(content))
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    label_with([teacher], [pictures], out)
    _, content_read = read_labels(out)
    names = content_read.class_names
    for one in content_read.train:
        found = {names[each]: box.tolist() for each, box in zip(one.class_ids, one.boxes_xyxy)}  # noqa: B905
        assert found == {"cat": list(BOX), "dog": list(FAR)}


def test_labels_of_a_person_stay_and_teachers_add_the_classes_that_they_lack(
    tmp_path: Path,
) -> None:
    write_set(tmp_path / "in", "coco", clean_pictures(2, 1))
    teacher = FakeTeacher(
        ("bolt", "cat"), [("bolt", 0.9, (0, 0, 9, 9)), ("cat", 0.9, (100.0, 0.0, 120.0, 30.0))]
    )
    label_with([teacher], [tmp_path / "in"], tmp_path / "set")
    _, before = read_labels(tmp_path / "in")
    _, after = read_labels(tmp_path / "set")
    assert after.class_names == ("bolt", "cat", "nut")
    theirs = {one.path.name: one for one in [*before.train, *(before.val or [])]}
    for one in after.train:
        own = theirs[one.path.name]
        assert one.boxes_xyxy[:2].tolist() == own.boxes_xyxy.tolist()
        assert [after.class_names[each] for each in one.class_ids] == ["bolt", "nut", "cat"]
    rows = rows_of(tmp_path / "set")["p0.png"]
    assert ["score" in row for row in rows] == [False, False, True]
    about = images_of(tmp_path / "set")["p0.png"]["spotlet"]
    assert "suggested" not in about
    assert about["added"] == ["cat"]


def test_a_teachers_class_on_a_labelled_object_is_not_added() -> None:
    own = Labels(*labels([BOX], [0]))
    near = (12.0, 10.0, 52.0, 60.0)
    found = Labels(*labels([near, near, FAR], [0, 1, 1]))
    assert completed(own, found, {0, 1}).class_ids.tolist() == [0, 1]
    assert completed(own, found, {0}).boxes_xyxy.tolist() == [list(BOX)]


def labels(boxes: list[tuple[float, ...]], class_ids: list[int]) -> tuple[Any, ...]:
    ones = np.ones(len(boxes), np.float32)
    return np.array(boxes, np.float32), ones, np.array(class_ids), ones < 0, ones


def test_a_class_that_no_teacher_knows_is_unknown_in_pictures_without_labels(
    tmp_path: Path,
) -> None:
    write_set(tmp_path / "labelled", "coco", clean_pictures(2, 0))
    write_pictures(tmp_path / "plain", 1)
    (tmp_path / "plain/p0.png").rename(tmp_path / "plain/q.png")
    teacher = FakeTeacher(("bolt", "cat"), [("bolt", 0.9, BOX)])
    chosen = (("bolt", "bolt"), ("cat", "cat"))
    pictures = [tmp_path / "labelled", tmp_path / "plain"]
    label_with([teacher], pictures, tmp_path / "set", classes=chosen)
    images = images_of(tmp_path / "set")
    # bolt is found, cat is looked for, nut is unknown: it is in neither list and has no box.
    assert images["q.png"]["neg_category_ids"] == [2]
    assert images["q.png"]["not_exhaustive_category_ids"] == []
    assert "neg_category_ids" not in images["p0.png"]
    assert "1 pictures may show objects of classes" in (tmp_path / "set/report.html").read_text()


def test_suggestions_of_a_collected_folder_are_replaced(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in/images", 2).parent
    pictures = [
        CocoPicture(
            file_name=f"p{number}.png",
            size_hw=(96, 128),
            boxes_xyxy=np.array([FAR], np.float32),
            class_ids=np.zeros(1, np.int64),
            ignored=np.zeros(1, np.bool_),
            scores=None if reviewed else np.ones(1, np.float32),
            about={} if reviewed else {"suggested": True},
        )
        for number, reviewed in enumerate((False, True))
    ]
    (folder / "annotations").mkdir()
    (folder / LABEL_FILE).write_text(json.dumps(coco_content(("cat",), pictures)))
    label_with([FakeTeacher(("cat",), [("cat", 0.9, BOX)])], [folder], tmp_path / "set")
    rows = rows_of(tmp_path / "set")
    assert [row["bbox"][0] for row in rows["p0.png"]] == [BOX[0]]
    assert [row["bbox"][0] for row in rows["p1.png"]] == [FAR[0]]


def test_yolo_labels_become_pixels(tmp_path: Path) -> None:
    write_set(tmp_path / "in", "yolo", clean_pictures(2, 1))
    label_with([FakeTeacher(("cat",))], [tmp_path / "in"], tmp_path / "set")
    (tmp_path / "coco").mkdir()
    write_set(tmp_path / "coco", "coco", clean_pictures(2, 1))
    _, expected = read_labels(tmp_path / "coco")
    _, found = read_labels(tmp_path / "set")
    by_name = {one.path.name: one.boxes_xyxy for one in found.train}
    for one in expected.train:
        assert by_name[one.path.name] == pytest.approx(one.boxes_xyxy, abs=0.01)


def test_each_nth_frame_of_a_video_is_labelled(
    tmp_path: Path,
    moving_square: Callable[[int], list[ImageArray]],
    write_clip: Callable[..., Path],
    squares_model: Path,
) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_square(25))
    settings = LabelSettings(pictures=(clip,), out=tmp_path / "set", models=(squares_model,))
    assert label(settings).added == 3
    rows = rows_of(tmp_path / "set")
    assert sorted(rows) == [f"clip-{n:06d}.jpg" for n in (0, 10, 20)]
    for number, name in enumerate(sorted(rows)):
        (row,) = rows[name]
        assert row["bbox"] == pytest.approx([20 + 40 * number, 80, 60, 60], abs=4)
    about = images_of(tmp_path / "set")["clip-000010.jpg"]["spotlet"]
    assert about["frame"] == 10
    assert about["teachers"][0].startswith("squares.onnx@")
    again = label(replace(settings, every=5))
    assert (again.added, again.kept) == (2, 3)


def test_by_change_takes_frames_that_differ_from_all_before(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    one, other = scenery(1, (240, 320)), scenery(2, (240, 320))
    clip = write_clip(tmp_path / "clip.avi", [one] * 6 + [other] * 6 + [one] * 2)
    label_with([CAT], [clip], tmp_path / "set", by_change=True)
    assert sorted(rows_of(tmp_path / "set")) == [f"clip-{n:06d}.jpg" for n in (0, 6)]


def test_boxes_of_a_turned_photograph_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    image = np.zeros((60, 100, 3), np.uint8)
    image[10:20, 70:90] = 255
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(with_orientation(image, ".png", 6))  # a quarter clockwise
    teacher = FakeTeacher(("cat",), bright_parts("cat", 0.9))
    label_with([teacher], [tmp_path / "in"], tmp_path / "set")
    row = images_of(tmp_path / "set")["a.png"]
    assert (row["height"], row["width"]) == (100, 60)
    assert rows_of(tmp_path / "set")["a.png"][0]["bbox"] == [40, 70, 10, 20]
    _, content = read_labels(tmp_path / "set")
    assert content.problems.found == []
    assert content.train[0].boxes_xyxy.tolist() == [[40, 70, 50, 90]]


def test_pictures_that_cannot_be_read_are_skipped_and_named(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 1)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    summary = label_with([CAT], [pictures], tmp_path / "set")
    assert summary.added == 1
    assert len(summary.skipped) == 1
    assert "broken.jpg" in summary.skipped[0]
    (pictures / "p0.png").unlink()
    with pytest.raises(SourceError, match=r"no picture can be read \(1 tried\).*broken.jpg"):
        label_with([CAT], [pictures], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pictures = write_pictures(tmp_path / "in", 1)
    out = tmp_path / "set"
    for given, teachers, error in (
        (tmp_path / "empty", [CAT], SourceError),
        (tmp_path / "nowhere", [CAT], SourceError),
        (pictures, [], UsageError),
    ):
        with pytest.raises(error) as caught:
            label_with(teachers, [given], out)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"a camera is not labelled.*--collect"):
        label(LabelSettings(pictures=("rtsp://10.0.0.7/door",), out=out), teachers=[CAT])
    with pytest.raises(UsageError, match="which is labelled; give a folder elsewhere"):
        label_with([CAT], [pictures], pictures / "set")
    assert not out.exists()
    out.mkdir()
    (out / "diary.txt").write_text("dear")
    with pytest.raises(OutputError, match="holds other files"):
        label_with([CAT], [pictures], out)


def test_a_damaged_label_file_is_not_replaced(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 1)
    (tmp_path / "set/annotations").mkdir(parents=True)
    (tmp_path / "set" / LABEL_FILE).write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        label_with([CAT], [pictures], tmp_path / "set")
    assert (tmp_path / "set" / LABEL_FILE).read_text() == "{"


@pytest.mark.parametrize("failure", [InputError("runner: ended"), KeyboardInterrupt()])
def test_a_teacher_that_fails_leaves_a_valid_set_that_continues(
    tmp_path: Path, failure: BaseException
) -> None:
    pictures = write_pictures(tmp_path / "in", 4)
    calls = 0

    def fails_at_third(_image: ImageArray) -> list[Row]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise failure
        return [("cat", 0.9, BOX)]

    teacher = FakeTeacher(("cat",), fails_at_third)
    with pytest.raises(type(failure)) as caught:
        label_with([teacher], [pictures], tmp_path / "set")
    if isinstance(failure, InputError):
        assert "runner: ended; 2 pictures are new in" in str(caught.value)
    assert sorted(rows_of(tmp_path / "set")) == ["p0.png", "p1.png"]
    assert read_labels(tmp_path / "set")[1].problems.found == []
    summary = label_with([teacher], [pictures], tmp_path / "set")
    assert (summary.added, summary.kept) == (2, 2)
    calls = 2
    with pytest.raises(type(failure)):
        label_with([teacher], [pictures], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_the_label_file_is_written_during_long_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(labelling, "MOST_SAVING", float("inf"))
    seen = []
    callbacks = LabelCallbacks(on_picture=lambda: seen.append(len(rows_of(tmp_path / "set"))))
    settings = LabelSettings(pictures=(write_pictures(tmp_path / "in"),), out=tmp_path / "set")
    label(settings, callbacks, teachers=[CAT])
    assert seen == [1, 2, 3]


def test_a_picture_without_entry_in_the_label_file_is_taken_up_again(tmp_path: Path) -> None:
    """A kill may come between a picture and the label file."""
    pictures = write_pictures(tmp_path / "in", 2)
    out = tmp_path / "set"
    (out / "images").mkdir(parents=True)
    (out / "images/p0.png").write_bytes((pictures / "p0.png").read_bytes())
    assert label_with([CAT], [pictures], out).added == 2
    assert sorted(rows_of(out)) == ["p0.png", "p1.png"]


def test_thresholds_are_measured_on_a_labelled_set(tmp_path: Path) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(3, 1))
    _, known = read_labels(tmp_path / "known")
    sure = {one.path.name: one for one in [*known.train, *(known.val or [])]}
    first = next(iter(sure.values()))
    box = tuple(first.boxes_xyxy[1].tolist())  # of the nut, nearly the same in all
    rows: list[Row] = [("nut", 0.31, box), ("nut", 0.2, (0, 0, 9, 9)), ("other", 0.9, (0, 0, 9, 9))]
    teacher = FakeTeacher(("nut", "other"), rows)
    settings: dict[str, Any] = {"thresholds_from": tmp_path / "known"}
    pictures = write_pictures(tmp_path / "in", 1)
    summary = label_with([teacher], [pictures], tmp_path / "set", **settings)
    nut, other = summary.classes
    assert 0.2 < nut.thresholds[0] <= 0.31
    assert other.thresholds == (0.5,)
    assert nut.objects == 1
    given = {"class_scores": {"nut": 0.4}}
    summary = label_with([teacher], [pictures], tmp_path / "two", **settings, **given)
    assert summary.classes[0].thresholds == pytest.approx((0.4,))
    with pytest.raises(UsageError, match="none of cat"):
        label_with([CAT], [pictures], tmp_path / "three", **settings)


def noted(teachers: list[FakeTeacher], **settings: Any) -> list[str]:
    """Labels, and returns the notes."""
    notes: list[str] = []
    label(LabelSettings(**settings), LabelCallbacks(on_note=notes.append), teachers=teachers)
    return notes


@pytest.mark.parametrize("names", ["nut=bolt,bolt", "nut=part,bolt=part"])
def test_thresholds_of_merged_classes_are_measured_on_both(tmp_path: Path, names: str) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(3, 1))
    box = read_labels(tmp_path / "known")[1].train[0].boxes_xyxy[1].tolist()
    teacher = FakeTeacher(("bolt", "nut"), [("nut", 0.31, box), ("bolt", 0.2, (0, 0, 9, 9))])
    settings: dict[str, Any] = {"classes": parse_classes(names)}
    pictures = [write_pictures(tmp_path / "in", 1)]
    settings["thresholds_from"] = tmp_path / "known"
    summary = label_with([teacher], pictures, tmp_path / "set", **settings)
    assert 0.2 < summary.classes[0].thresholds[0] <= 0.31


def test_classes_that_cannot_be_measured_are_named(tmp_path: Path) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(3, 1))
    pictures = write_pictures(tmp_path / "in", 1)
    teacher = FakeTeacher(("nut", "cat", "dog"))
    notes = noted(
        [teacher],
        pictures=(pictures,),
        out=tmp_path / "set",
        thresholds_from=tmp_path / "known",
        class_scores={"dog": 0.3},
    )
    assert [note for note in notes if note.startswith("fake: nut, cat: cannot be measured")]


def test_a_merged_class_is_not_measured_where_a_part_is_not_labelled(tmp_path: Path) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(3, 1), names=("tie", "nut"))
    box = read_labels(tmp_path / "known")[1].train[0].boxes_xyxy[1].tolist()
    teacher = FakeTeacher(("nut", "bolt"), [("nut", 0.31, box), ("bolt", 0.2, (0, 0, 9, 9))])
    settings: dict[str, Any] = {"classes": parse_classes("nut=part,bolt=part")}
    settings["thresholds_from"] = tmp_path / "known"
    pictures = [write_pictures(tmp_path / "in", 1)]
    summary = label_with([teacher], pictures, tmp_path / "set", **settings)
    assert summary.classes[0].thresholds == (0.5,)


def test_own_labels_of_merged_classes_are_renamed(tmp_path: Path) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(2, 0))
    settings = {"classes": parse_classes("bolt=part,nut=part")}
    label_with([FakeTeacher(("bolt",))], [tmp_path / "known"], tmp_path / "set", **settings)
    rows = rows_of(tmp_path / "set")["p0.png"]
    assert [row["category_id"] for row in rows] == [1, 1]
    assert read_labels(tmp_path / "set")[1].class_names == ("part",)
    assert "neg_category_ids" not in images_of(tmp_path / "set")["p0.png"]


def test_agreement_on_a_class_of_different_names_is_noted(tmp_path: Path) -> None:
    teachers = [FakeTeacher(("bag",)), FakeTeacher(("king",))]
    settings: dict[str, Any] = {"pictures": (write_pictures(tmp_path / "in", 1),), "agree": "all"}
    merged = {"classes": parse_classes("bag=thing,king=thing")}
    assert (
        "agree all: thing: put together"
        in noted(teachers, out=tmp_path / "a", **settings, **merged)[0]
    )
    assert noted(teachers, out=tmp_path / "b", **settings) == []


def test_choosing_frames_of_no_video_is_noted(tmp_path: Path) -> None:
    pictures = (write_pictures(tmp_path / "in", 1),)
    for choice in ({"every": 3}, {"by_change": True}):
        notes = noted([CAT], pictures=pictures, out=tmp_path / "set", **choice)
        assert notes[0].startswith("no video is given")


@pytest.mark.parametrize("pattern", ["", "*", "*.avi"])
def test_films_of_a_folder_or_a_glob_are_taken(
    tmp_path: Path, write_clip: Callable[..., Path], pattern: str
) -> None:
    folder = write_pictures(tmp_path / "in", 1)
    write_clip(folder / "b.avi", [scenery(number) for number in range(3)])
    (folder / "diary.txt").write_text("dear")
    label_with([CAT], [folder / pattern], tmp_path / "set", every=2)
    pictures = [] if pattern == "*.avi" else ["p0.png"]
    assert sorted(rows_of(tmp_path / "set")) == ["b-000000.jpg", "b-000002.jpg", *pictures]
    with pytest.raises(SourceError, match="give a film of another kind by its own name"):
        label_with([CAT], [folder / "*.txt"], tmp_path / "other")


def test_an_animation_in_a_folder_is_a_film(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    picture = b"!\xf9\4\0\n\0\0\0,\0\0\0\0\2\0\1\0\0\2\2D\n\0"
    start = b"GIF89a\2\0\1\0\x80\0\0\xff\0\0\0\0\xff"
    (tmp_path / "in/a.gif").write_bytes(start + picture * 3 + b";")
    label_with([CAT], [tmp_path / "in"], tmp_path / "set", every=1)
    assert len(rows_of(tmp_path / "set")) == 3


def test_a_name_that_is_too_long_is_cut(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", 2)
    for number in range(2):
        (folder / f"p{number}.png").rename(folder / (f"{number}".rjust(124, "\xe4") + ".png"))
    assert label_with([CAT], [folder], tmp_path / "set").added == 2
    assert label_with([CAT], [folder], tmp_path / "set").kept == 2


def test_small_objects_are_found_in_tiles(tmp_path: Path) -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[200:206, 300:308] = 255
    (tmp_path / "in").mkdir()
    assert cv2.imwrite(str(tmp_path / "in/a.png"), image)

    def near_sighted(part: ImageArray) -> list[Row]:
        return bright_parts("cat", 0.9)(part) if part.shape[1] < 400 else []

    teacher = FakeTeacher(("cat",), near_sighted)
    summary = label_with(
        [teacher], [tmp_path / "in"], tmp_path / "set", passes=("tiled",), tile_pixels=128
    )
    assert summary.classes[0].objects == 1
    assert rows_of(tmp_path / "set")["a.png"][0]["bbox"] == [300, 200, 8, 6]


def test_the_page_shows_the_most_doubtful_pictures_first_and_needs_no_other_file(
    tmp_path: Path,
) -> None:
    pictures = write_pictures(tmp_path / "in", 3)
    doubtful = {0: 0.9, 1: 0.45, 2: 0.8}
    calls = iter(doubtful.values())
    teacher = FakeTeacher(("<cat>",), lambda _image: [("<cat>", next(calls), BOX)])
    page = label_with([teacher], [pictures], tmp_path / "set").page.read_text()
    assert page.index("p1.png") < page.index("p2.png") < page.index("p0.png")
    assert "&lt;cat&gt;" in page
    assert "<cat>" not in page
    assert page.count("stroke-dasharray") == 1
    assert 'src="' not in page.replace('src="data:', "")
    assert page.count('href="data:image/jpeg;base64,') == 3


def test_the_page_is_bounded(tmp_path: Path) -> None:
    page = label_with([CAT], [write_pictures(tmp_path / "in", 70)], tmp_path / "set").page
    assert page.read_text().count("<figure>") == 48


def test_pictures_are_named_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    assert source_name(tmp_path / "a/b/c.png") == "b/c.png"


def test_the_command_needs_no_library_of_the_workshops() -> None:
    heavy = ("torch", "yaml", "faster_coco_eval", "matplotlib", "onnx", "safetensors", "PIL")
    code = (
        "import sys\nimport spotlet_training.commands.label\n"
        f"sys.exit(', '.join(name for name in {heavy} if name in sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
