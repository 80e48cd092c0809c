"""A set that is there: what a person, a tool or another program did to it stays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from label_calls import BOX, CAT, FAR, images_of, label_with, rows_of, write_pictures
from labelled_sets import clean_pictures, scenery, write_set
from teachers import FakeTeacher

from spotlet.coco_labels import LABEL_FILE
from spotlet.errors import DatasetError, OutputError, UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.labelling import LabelCallbacks, LabelSettings, label
from spotlet_training.labelling.folder import SetFolder
from spotlet_training.labelling.input import Input

BOLT = FakeTeacher(("bolt", "nut"), [("bolt", 0.9, BOX)])


def edit(out: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a label file as a person, or a tool, would."""
    content = json.loads((out / LABEL_FILE).read_text())
    change(content)
    (out / LABEL_FILE).write_text(json.dumps(content))


def as_a_tool_exports(content: dict[str, Any]) -> None:
    """Drops all that COCO does not have."""
    del content["spotlet"]
    for image in content["images"]:
        image.pop("spotlet", None)


def films(folder: Path, write_clip: Callable[..., Path], count: int = 2) -> list[Path]:
    """Films of one name, each of other pictures."""
    for number in range(count):
        (folder / f"cam{number}/day").mkdir(parents=True)
    return [
        write_clip(folder / f"cam{number}/day/12.avi", [scenery(number + 9 * n) for n in range(4)])
        for number in range(count)
    ]


@pytest.mark.parametrize("export", [False, True])
def test_films_of_one_name_are_told_apart_also_after_an_export(
    tmp_path: Path, write_clip: Callable[..., Path], export: bool
) -> None:
    *both, third = films(tmp_path, write_clip, 3)
    out = tmp_path / "set"
    assert label_with([CAT], both, out, every=2).added == 4
    assert len(rows_of(out)) == 4
    if export:
        edit(out, as_a_tool_exports)
    again = label_with([CAT], both, out, every=2)
    assert (again.added, again.kept) == (0, 4)
    assert label_with([CAT], [third], out, every=2).added == 2


def test_a_film_that_was_recorded_anew_is_labelled(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    one, other = films(tmp_path, write_clip)
    label_with([CAT], [one], tmp_path / "set", every=2)
    one.write_bytes(other.read_bytes())
    assert label_with([CAT], [one], tmp_path / "set", every=2).added == 2
    assert label_with([CAT], [one], tmp_path / "set", every=2).kept == 2


@pytest.mark.parametrize("together", [False, True])
def test_labels_of_a_person_replace_suggestions(tmp_path: Path, together: bool) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(3, 0))
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (tmp_path / "known/train").iterdir():
        (bare / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "set"
    calls = [[bare, tmp_path / "known"]] if together else [[bare], [tmp_path / "known"]]
    for pictures in calls:
        label_with([BOLT], pictures, out)
    assert sorted(rows_of(out)) == ["p0.png", "p1.png", "p2.png"]
    for rows in rows_of(out).values():
        assert len(rows) == 2
        assert not any("score" in row for row in rows)
    assert not any("suggested" in row.get("spotlet", {}) for row in images_of(out).values())
    ids = [row["id"] for rows in rows_of(out).values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_a_file_that_is_given_bare_and_in_a_set_has_the_labels_of_the_set(tmp_path: Path) -> None:
    write_set(tmp_path / "known", "coco", clean_pictures(2, 0))
    pictures = [tmp_path / "known/train/p0.png", tmp_path / "known"]
    assert label_with([BOLT], pictures, tmp_path / "set").added == 2
    assert not any("score" in row for rows in rows_of(tmp_path / "set").values() for row in rows)


def test_equal_pictures_are_one_before_the_first_is_written(tmp_path: Path) -> None:
    folder = SetFolder(tmp_path / "set", ("cat",))
    paths = [write_pictures(tmp_path / name, 1) / "p0.png" for name in ("a", "b")]
    placed = [folder.place(Input(path.name, str(path), path)) for path in paths]
    assert placed == [("p0.png", False), ("p0.png", True)]


def test_other_labels_of_a_person_stay_and_are_noted(tmp_path: Path) -> None:
    known = write_set(tmp_path / "known", "coco", clean_pictures(2, 0))
    out, notes = tmp_path / "set", list[str]()
    label_with([BOLT], [known], out)
    edit(out, as_a_tool_exports)
    edit(out, lambda content: content["annotations"].pop())
    asked = LabelSettings(pictures=(known,), out=out)
    label(asked, LabelCallbacks(on_note=notes.append), teachers=[BOLT])
    assert [len(rows) for rows in rows_of(out).values()] == [2, 1]
    assert [note for note in notes if note.startswith("2 pictures with labels are in")]


def test_corrections_that_a_person_saves_meanwhile_stay(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 2), tmp_path / "set"
    label_with([CAT], [pictures], out)
    calls = 0

    def while_labelling(_image: ImageArray) -> list[Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            edit(out, lambda content: content["annotations"][0].update(bbox=[1, 2, 3, 4]))
            edit(out, lambda content: content["images"][0].pop("spotlet"))
        return [("cat", 0.9, BOX)]

    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    label_with([FakeTeacher(("cat",), while_labelling)], [pictures], out)
    assert rows_of(out)["p0.png"][0]["bbox"] == [1, 2, 3, 4]
    assert sorted(rows_of(out)) == ["p0.png", "p1.png", "p7.png"]
    ids = [row["id"] for rows in rows_of(out).values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_only_one_program_labels_into_a_folder(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 1), tmp_path / "set"
    label_with([CAT], [pictures], out)
    folder = SetFolder(out, ("cat",))
    with pytest.raises(OutputError, match="another program is writing to it"):
        label_with([CAT], [pictures], out)
    folder.close()
    assert label_with([CAT], [pictures], out).kept == 1
    assert sorted(path.name for path in (out / "annotations").iterdir()) == [LABEL_FILE.name]


def test_rows_that_a_tool_writes_otherwise_are_continued(tmp_path: Path) -> None:
    """No sizes, folders in the names, outlines without boxes, numbers as text."""
    pictures, out = write_pictures(tmp_path / "in", 2), tmp_path / "set"
    label_with([CAT], [pictures], out)

    def change(content: dict[str, Any]) -> None:
        as_a_tool_exports(content)
        for image in content["images"]:
            image["file_name"] = "images/" + image["file_name"]
            del image["width"], image["height"]
        for row in content["annotations"]:
            left, top, width, height = row.pop("bbox")
            right, bottom = left + width, top + height
            row["segmentation"] = [[left, top, right, top, right, bottom]]
            row["iscrowd"], row["image_id"] = str(row["iscrowd"]), str(row["image_id"])

    edit(out, change)
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    summary = label_with([CAT], [pictures], out)
    assert (summary.added, summary.kept) == (1, 2)
    assert rows_of(out)["images/p0.png"][0]["bbox"] == [10, 10, 40, 50]
    assert images_of(out)["images/p0.png"]["height"] == 96
    assert summary.classes[0].ignored == 3
    # The others are reviewed: nothing is in doubt there.
    assert summary.page.read_text().count('href="data:image/jpeg') == 1


def test_a_picture_that_is_missing_is_said_before_the_work(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 2), tmp_path / "set"
    label_with([CAT], [pictures], out)
    (out / "images/p1.png").unlink()
    teacher = FakeTeacher(("cat",))
    with pytest.raises(DatasetError, match=r"no such file 'p1.png'"):
        label_with([teacher], [pictures], out)
    assert teacher.asked == []


@pytest.mark.parametrize("change", ["one box less", "a box by hand", "none"])
def test_a_correction_is_seen_though_the_note_stays(tmp_path: Path, change: str) -> None:
    pictures, first = write_pictures(tmp_path / "in", 1), tmp_path / "first"
    label_with([CAT], [pictures], first)

    def correct(content: dict[str, Any]) -> None:
        if change == "one box less":
            content["annotations"].pop()
        if change == "a box by hand":
            del content["annotations"][0]["score"]

    edit(first, correct)
    before = rows_of(first)["p0.png"]
    teacher = FakeTeacher(("cat",), [("cat", 0.8, (0.0, 0.0, 9.0, 9.0))])
    notes: list[str] = []
    asked = LabelSettings(pictures=(first,), out=tmp_path / "second")
    label(asked, LabelCallbacks(on_note=notes.append), teachers=[teacher])
    after = rows_of(tmp_path / "second")["p0.png"]
    if change == "none":
        assert [row["score"] for row in after] == [0.8]
        assert [note for note in notes if "of 1 of 1 pictures the labels are suggestions" in note]
    else:
        assert [row["bbox"] for row in after] == [row["bbox"] for row in before]
        assert notes == []


def test_thresholds_and_teachers_are_those_of_the_labels(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 1), tmp_path / "set"
    label_with([CAT], [pictures], out, score=0.6)
    other = FakeTeacher(("cat",), name="other")
    summary = label_with([other], [pictures], out, score=0.2)
    assert summary.classes[0].thresholds == (0.6,)
    assert summary.teachers == ("fake",)
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    summary = label_with([other], [pictures], out, score=0.2)
    assert summary.classes[0].thresholds == (0.6, 0.2)
    assert summary.teachers == ("fake", "other")
    assert "labelled by fake, other<" in summary.page.read_text()


DOUBTFUL_DOG = FakeTeacher(
    ("cow", "dog", "cat"), [("cat", 0.9, BOX), ("dog", 0.3, FAR)]
)  # never a cow


def test_a_class_without_an_object_is_not_listed_but_kept(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 1), tmp_path / "set"
    label_with([DOUBTFUL_DOG], [pictures], out)
    content = json.loads((out / LABEL_FILE).read_text())
    assert content["categories"] == [{"id": 3, "name": "cat"}]
    assert [row["category_id"] for row in content["annotations"]] == [3]
    assert content["images"][0]["spotlet"]["boxes"] == 1
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    dog = FakeTeacher(("cow", "dog", "cat"), [("dog", 0.9, BOX)])
    label_with([dog], [pictures], out)
    content = json.loads((out / LABEL_FILE).read_text())
    assert [row["name"] for row in content["categories"]] == ["dog", "cat"]
    # The region of doubt is back, and the picture is still one that nobody has reviewed.
    assert [row["iscrowd"] for row in rows_of(out)["p0.png"]] == [0, 1]
    assert images_of(out)["p0.png"]["spotlet"]["boxes"] == 2
    assert "neg_category_ids" not in images_of(out)["p0.png"]


def test_classes_that_are_chosen_are_all_listed(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 1), tmp_path / "set"
    chosen = (("cow", "cow"), ("cat", "cat"))
    label_with([DOUBTFUL_DOG], [pictures], out, classes=chosen)
    content = json.loads((out / LABEL_FILE).read_text())
    assert [row["name"] for row in content["categories"]] == ["cow", "cat"]


def test_a_class_that_an_export_does_not_list_is_unknown_in_its_pictures(tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "in", 1), tmp_path / "set"
    label_with([DOUBTFUL_DOG], [pictures], out)
    edit(out, as_a_tool_exports)
    assert cv2.imwrite(str(pictures / "p7.png"), scenery(7))
    dog = FakeTeacher(("cow", "dog", "cat"), [("dog", 0.9, BOX)])
    label_with([dog], [pictures], out)
    images = images_of(out)
    assert images["p0.png"]["neg_category_ids"] == []
    assert "neg_category_ids" not in images["p7.png"]
    with pytest.raises(UsageError, match="give the same classes"):
        label_with([CAT], [pictures], out)
