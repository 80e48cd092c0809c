"""The folder of a collected set: what is in it, and that nothing in it is lost."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from live_frames import live_frame

from spotlet.collecting import CollectSettings, CollectSink
from spotlet.collecting.choice import ChosenFrame
from spotlet.detections import Detections, ModelIdentity
from spotlet.errors import OutputError, UsageError
from spotlet.sinks.retry import RetriedSink

NAMES = ("cat", "dog")
LABELS = "annotations/instances_default.json"
SIZE_HW = (120, 160)


def frame(number: int) -> ChosenFrame:
    """A frame that is like no other of another number."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, SIZE_HW[::-1]), np.uint8)
    seen = replace(live_frame(number, float(number)), image=image)
    return ChosenFrame.of(seen, ("doubt",), None)


def cats(*scores: float) -> Detections:
    count = len(scores)
    boxes = np.array([[10.5, 20, 50, 90]] * count, np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.zeros(count, np.int64), NAMES)


@pytest.fixture
def settings(tmp_path: Path) -> CollectSettings:
    return CollectSettings(folder=tmp_path / "set")


def labels(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / LABELS).read_text("utf-8"))
    return content


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images").iterdir())


def test_a_frame_is_kept_as_it_was_with_its_suggestions_and_reasons(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, NAMES) as sink:
        model = ModelIdentity("m", "0123456789abcdef" * 4)
        sink.write(frame(3), replace(cats(0.9, 0.4), model=model))
    content = labels(tmp_path / "set")
    (image,), rows = content["images"], content["annotations"]
    assert image["file_name"] == "20231114T221323.000Z-10.0.0.7_door.jpg"
    assert (image["width"], image["height"]) == (160, 120)
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [row["score"] for row in rows] == [0.9, 0.4]
    assert rows[0]["bbox"] == [10.5, 20, 39.5, 70]
    # No class is complete: not the one with boxes, nor the one without.
    assert image["neg_category_ids"] == []
    assert image["not_exhaustive_category_ids"] == [1]
    about = image["spotlet"]
    assert about["suggested"] is True
    assert about["reasons"] == ["doubt"]
    assert about["source"] == "rtsp://10.0.0.7/door"
    assert (about["frame"], about["pts_s"], about["captured_at"]) == (3, None, 1_700_000_003.0)
    assert about["model"] == {"name": "m", "digest": "0123456789abcdef"}
    saved = cv2.imread(str(tmp_path / "set/images" / image["file_name"]))
    assert saved is not None
    assert np.abs(saved.astype(int) - frame(3).image).mean() < 6
    assert sink.written is not None
    assert sink.written.startswith(f"{tmp_path / 'set'} (1 frames to label: doubt 1); next: ")


def test_the_same_picture_is_not_kept_again_in_a_later_run_either(
    tmp_path: Path, settings: CollectSettings
) -> None:
    for _ in range(2):
        with CollectSink(settings, NAMES) as sink:
            for number in (0, 1, 0, 1):
                sink.write(frame(number), cats(0.9))
    assert len(pictures(tmp_path / "set")) == 2
    assert sink.written == f"nothing to {tmp_path / 'set'}: 4 frames alike"


def test_a_set_that_a_tool_exported_without_our_notes_is_compared_too(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(0), cats(0.9))
    content = labels(tmp_path / "set")
    del content["images"][0]["spotlet"]
    (tmp_path / "set" / LABELS).write_text(json.dumps(content))
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(0), cats(0.9))
        sink.write(frame(1), cats(0.9))
    assert len(pictures(tmp_path / "set")) == 2


def test_frames_of_one_moment_and_name_have_different_files(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, NAMES) as sink:
        for number in range(3):
            sink.write(replace(frame(0), image=frame(number).image), cats())
    names = [row["file_name"] for row in labels(tmp_path / "set")["images"]]
    assert len(set(names)) == len(pictures(tmp_path / "set")) == 3


def test_what_a_person_corrected_stays_and_new_frames_follow(
    tmp_path: Path, settings: CollectSettings
) -> None:
    """Other ids, another order and a class more, as a labelling tool may export it."""
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(0), cats(0.9))
    name = pictures(tmp_path / "set")[0]
    corrected = {
        "info": {"contributor": "me"},
        "licenses": [{"id": 0, "name": ""}],
        "categories": [
            {"id": 30, "name": "bird", "supercategory": ""},
            {"id": 20, "name": "dog"},
            {"id": 10, "name": "cat"},
        ],
        "images": [{"id": 7, "file_name": name, "width": 160, "height": 120, "license": 0}],
        "annotations": [
            {"id": 5, "image_id": 7, "category_id": 20, "bbox": [1, 2, 3.25, 4], "iscrowd": 0,
             "attributes": {"occluded": True}},
        ],
    }  # fmt: skip
    (tmp_path / "set" / LABELS).write_text(json.dumps(corrected))
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(1), cats(0.8))
    content = labels(tmp_path / "set")
    image, row = content["images"].pop(), content["annotations"].pop()
    assert content == corrected
    assert (image["id"], row["id"], row["image_id"], row["category_id"]) == (8, 6, 8, 10)
    assert image["not_exhaustive_category_ids"] == [10]
    assert image["neg_category_ids"] == []


def test_a_correction_during_the_run_stays(tmp_path: Path, settings: CollectSettings) -> None:
    path = tmp_path / "set" / LABELS
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(0), cats(0.9))
        content = labels(tmp_path / "set")
        content["annotations"] = []
        content["note"] = "corrected"
        path.write_text(json.dumps(content))
        sink.write(frame(1), cats(0.9))
    content = labels(tmp_path / "set")
    assert content["note"] == "corrected"
    assert [row["image_id"] for row in content["annotations"]] == [2]


def export(folder: Path, *numbers: int) -> None:
    """Replaces the labels by those of a tool that has only these pictures, and drops our notes."""
    rows = [
        {"id": 1 + number, "file_name": f"images\\0a1b2c3d-{pictures(folder)[number]}"}
        for number in numbers
    ]
    content = labels(folder) | {"images": rows, "annotations": [], "note": "exported"}
    (folder / LABELS).write_text(json.dumps(content))


@pytest.mark.parametrize("more", [0, 1])
def test_an_export_during_the_run_keeps_what_came_since_with_its_suggestions(
    tmp_path: Path, settings: CollectSettings, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlet.collecting.sink.LEAST_PAUSE", 0)
    with CollectSink(settings, NAMES) as sink:
        for number in range(6):
            sink.write(frame(number), cats(0.9))
        export(tmp_path / "set", 0, 3)
        for number in range(6, 6 + more):
            sink.write(frame(number), cats(0.9))
    content = labels(tmp_path / "set")
    names = pictures(tmp_path / "set")
    assert content["note"] == "exported"
    assert [row["file_name"] for row in content["images"][2:]] == names[4:]
    boxed = [row["id"] for row in content["images"][2:]]
    assert [row["image_id"] for row in content["annotations"]] == boxed
    assert content["images"][2]["spotlet"]["reasons"] == ["doubt"]


def test_after_an_export_a_start_enters_what_came_since_and_nothing_that_was_deleted(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, NAMES) as sink:
        for number in range(6):
            sink.write(frame(number), cats(0.9))
    export(tmp_path / "set", 0, 3)
    for _ in range(2):
        CollectSink(settings, NAMES).close()
        rows = labels(tmp_path / "set")["images"]
        assert [row["file_name"] for row in rows[2:]] == pictures(tmp_path / "set")[4:]


def test_a_set_without_one_of_the_classes_is_refused_and_left_as_it_was(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, ("human", "dog")) as sink:
        sink.write(frame(0), cats())
    before = (tmp_path / "set" / LABELS).read_bytes()
    with pytest.raises(UsageError, match=r"has no class 'cat'.*its classes are human, dog"):
        CollectSink(settings, NAMES)
    assert (tmp_path / "set" / LABELS).read_bytes() == before
    CollectSink(settings, ("dog",)).close()


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [], "annotations": []}', "\xff"])
def test_labels_that_cannot_be_read_are_an_error_and_stay(
    tmp_path: Path, settings: CollectSettings, text: str
) -> None:
    path = tmp_path / "set" / LABELS
    path.parent.mkdir(parents=True)
    path.write_text(text, "latin-1")
    with pytest.raises(OutputError, match=r"instances_default.json: (is not JSON|no list)"):
        CollectSink(settings, NAMES)
    assert path.read_text("latin-1") == text


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holds other files \(me.jpg\); collect into a new"):
        CollectSink(CollectSettings(folder=tmp_path / "photos"), NAMES)
    with pytest.raises(UsageError, match="is not a folder"):
        CollectSink(CollectSettings(folder=tmp_path / "photos" / "me.jpg"), NAMES)
    assert os.listdir(tmp_path / "photos") == ["me.jpg"]  # noqa: PTH208


@pytest.mark.parametrize("bound", ["frames", "megabytes"])
def test_a_bound_is_kept_over_several_runs_and_told_once_each(tmp_path: Path, bound: str) -> None:
    settings = (
        CollectSettings(folder=tmp_path / "set", frames=12)
        if bound == "frames"
        else CollectSettings(folder=tmp_path / "set", megabytes=0.1)
    )
    notices: list[str] = []
    for run in range(2):
        with CollectSink(settings, NAMES, on_notice=notices.append) as sink:
            for number in range(40):
                sink.write(frame(100 * run + number), cats(0.9))
        files = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
        if bound == "frames":
            assert len(files) == 13
        else:
            assert 50_000 < sum(path.stat().st_size for path in files) <= 100_000
    assert len(labels(tmp_path / "set")["images"]) == len(pictures(tmp_path / "set"))
    assert len(notices) == 2
    assert all(
        line.endswith("the most it may hold; no more frames are collected") for line in notices
    )


def test_a_full_disk_is_told_and_tried_again_and_nothing_is_half_written(
    tmp_path: Path, settings: CollectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    sink = CollectSink(settings, NAMES)
    retried = RetriedSink(sink, notices.append, retry_seconds=0)
    retried.write(frame(0), cats(0.9))

    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        for number in (1, 2):
            retried.write(frame(number), cats(0.9))
    assert len(labels(tmp_path / "set")["images"]) == len(pictures(tmp_path / "set")) == 1
    retried.write(frame(3), cats(0.9))
    retried.close()
    assert len(labels(tmp_path / "set")["images"]) == len(pictures(tmp_path / "set")) == 2
    assert len(notices) == 2
    assert "No space left on device" in notices[0]
    assert "writing again" in notices[1]


def test_labels_that_could_not_be_written_are_written_later(
    tmp_path: Path, settings: CollectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = CollectSink(settings, NAMES)
    real: Callable[[Path, bytes], int] = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        return real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            sink.write(frame(0), cats(0.9))
    assert labels(tmp_path / "set")["images"] == []
    sink.close()
    assert len(labels(tmp_path / "set")["annotations"]) == 1


def test_labels_are_not_written_all_the_time_but_always_at_the_end(
    tmp_path: Path, settings: CollectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def monotonic() -> float:
        clock[0] += 1.0  # each writing takes a second
        return clock[0]

    monkeypatch.setattr(time, "monotonic", monotonic)
    with CollectSink(settings, NAMES) as sink:
        counts = []
        for number in range(12):
            sink.write(frame(number), cats(0.9))
            counts.append(len(labels(tmp_path / "set")["images"]))
    assert len(set(counts)) <= 3
    assert len(labels(tmp_path / "set")["images"]) == 12


def test_a_picture_without_an_entry_is_entered_and_what_is_unfinished_deleted(
    tmp_path: Path, settings: CollectSettings
) -> None:
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(0), cats(0.9))
        sink.write(frame(1), cats(0.9))
    content = labels(tmp_path / "set")
    content["images"].pop()
    content["annotations"].pop()
    (tmp_path / "set" / LABELS).write_text(json.dumps(content))
    half = tmp_path / "set/images/.20231114T221323.000Z-door-ab12.jpg"
    fresh = tmp_path / "set/annotations/.instances_default-ab12.json"
    for path in (half, fresh):
        path.write_bytes(b"half")
    os.utime(half, (time.time() - 100,) * 2)
    with CollectSink(settings, NAMES) as sink:
        sink.write(frame(1), cats(0.9))
    assert not half.exists()
    assert fresh.exists()
    images = labels(tmp_path / "set")["images"]
    assert [row["file_name"] for row in images] == pictures(tmp_path / "set")
    assert images[1]["spotlet"]["reasons"] == []


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ({"per_hour": 0}, "`per_hour` 0: must be over 0"),
        ({"per_hour": float("nan")}, "`per_hour` nan: must be over 0"),
        ({"frames": 0}, "`frames` 0: must be a whole number from 1"),
        ({"megabytes": -1}, "`megabytes` -1: must be over 0"),
        ({"random_share": 1.5}, "`random_share` 1.5: must be from 0 to 1"),
        ({"folder": ""}, "folder must not be empty"),
    ],
)
def test_a_setting_outside_its_range_is_refused(words: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        CollectSettings(**{"folder": "f", **words})


def test_a_folder_moved_away_to_be_labelled_is_begun_anew(
    tmp_path: Path, settings: CollectSettings
) -> None:
    notices: list[str] = []
    moved = tmp_path / "batch-1"
    with CollectSink(replace(settings, frames=2), NAMES, on_notice=notices.append) as sink:
        for number in (1, 2, 3):
            sink.write(frame(number), cats(0.9))
        (tmp_path / "set").rename(moved)
        sink.write(frame(4), cats(0.9))
        assert [len(pictures(each)) for each in (moved, tmp_path / "set")] == [2, 1]
        (tmp_path / "set").rename(tmp_path / "batch-2")
    assert not (tmp_path / "set").exists()
    assert len(labels(moved)["images"]) == 2
    assert [row["file_name"] for row in labels(tmp_path / "batch-2")["images"]] == pictures(
        tmp_path / "batch-2"
    )
    assert "2 frames, the most it may hold" in notices[0]
    assert "was moved or deleted" in notices[1]
