"""What the generator writes: a COCO set, and the demo's clip with its truth."""

import itertools
import json
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from benchmarks.shipped_data.demo_clip import SHOTS, ClipSettings, render_clip, write_clip
from benchmarks.shipped_data.typical import is_typical

from spotlet.boxes import box_iou
from spotlet.cli import main
from spotlet.errors import UsageError
from spotlet_training.datasets import open_dataset
from spotlet_training.scenes import CLASS_NAMES, training_scenes
from spotlet_training.scenes.bundled import load_photograph, load_sample
from spotlet_training.scenes.fashion import FashionObjects

DEMO = Path(str(resources.files("spotlet_models"))) / "demo"


def test_the_command_writes_a_set_that_reads_back(tmp_path: Path) -> None:
    out = tmp_path / "garments"
    words = ["--count", "6", "--val", "3", "--image-size", "160", "--seed", "5"]
    assert main(["scenes", str(out), *words, "--objects", "sample"]) == 0
    train, val = open_dataset(out, "train"), open_dataset(out, "val")
    assert (len(train), len(val), train.class_names) == (6, 3, CLASS_NAMES)
    scenes = training_scenes(6, 5, "sample", (160, 160))
    for index in range(6):
        wanted, found = scenes.load(index), train.load(index)
        np.testing.assert_array_equal(found.boxes_xyxy, wanted.boxes_xyxy)
        np.testing.assert_array_equal(found.class_ids, wanted.class_ids)
        difference = found.image_bgr.astype(float) - wanted.image_bgr
        assert np.abs(difference).mean() < 8, "but for the JPEG"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    words = ["--count", "1", "--val", "1", "--objects", "sample"]
    assert main(["scenes", str(tmp_path), *words]) == UsageError.exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_numbers_out_of_range_are_wrong_usage(tmp_path: Path) -> None:
    words = ["--objects", "sample", "--count", "0"]
    assert main(["scenes", str(tmp_path / "out"), *words]) == UsageError.exit_code
    assert not (tmp_path / "out").exists()


def frames_of(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame)
    capture.release()
    return frames


def overlaps(box: list[float], others: list[list[float]]) -> bool:
    """Returns whether a box comes near one of the others."""
    return any(
        box[0] < other[2] + 6
        and other[0] < box[2] + 6
        and box[1] < other[3] + 6
        and other[1] < box[3] + 6
        for other in others
    )


def test_a_clip_shows_what_its_truth_says(tmp_path: Path) -> None:
    settings = ClipSettings(size_hw=(480, 640), frames=9, seed=1)
    # In front of black, whatever the decoded video shows is a garment.
    black = [np.zeros((40, 40, 3), np.uint8)] * 3
    truth = write_clip(tmp_path, render_clip(load_sample("t10k"), black, settings), settings)
    assert json.loads((tmp_path / "truth.json").read_text()) == truth
    frames, errors = frames_of(tmp_path / "clip.mp4"), []
    assert isinstance(truth["frames"], list)
    assert len(frames) == len(truth["frames"]) == 9
    for image, labels in zip(frames, truth["frames"], strict=True):
        assert len(labels["boxes"]) == len(labels["class_ids"])
        for number, box in enumerate(labels["boxes"]):
            others = [other for index, other in enumerate(labels["boxes"]) if index != number]
            left, top, right, bottom = (int(side) for side in box)
            apart = not overlaps(box, others) and min(left, top) > 0
            if apart and right < 640 and bottom < 480:
                first_row, first_column = max(top - 6, 0), max(left - 6, 0)
                near = image[first_row : bottom + 6, first_column : right + 6].max(axis=2) > 24
                rows, columns = np.nonzero(near)
                found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                moved = np.array(found) + [first_column, first_row] * 2 - box
                errors.append(np.abs(moved).max())
    assert len(errors) >= 10
    # The few others have a neighbour of which hardly a trace is seen.
    assert np.percentile(errors, 85) <= 2, errors


def test_a_garment_is_typical_where_its_nearest_neighbours_are_of_its_class() -> None:
    rng = np.random.default_rng(0)
    dark, bright = rng.integers(0, 60, (40, 28, 28)), rng.integers(180, 255, (40, 28, 28))
    photos = np.concatenate([dark, bright]).astype(np.uint8)
    known = FashionObjects(photos, np.repeat([0, 1], 40))
    asked = FashionObjects(photos[[0, 50, 1, 51]] // 2 * 2, np.array([0, 1, 1, 0]))
    assert is_typical(asked, known).tolist() == [True, True, False, False]


def test_the_same_seed_gives_the_same_clip_and_the_truth_of_it(tmp_path: Path) -> None:
    settings = ClipSettings(size_hw=(120, 160), frames=4, seed=2)
    photographs = [load_photograph(name) for name in SHOTS]
    first, again = (list(render_clip(load_sample("t10k"), photographs, settings)) for _ in range(2))
    truth = write_clip(tmp_path, iter(first), settings)
    assert isinstance(truth["frames"], list)
    for frame, same, labels in zip(first, again, truth["frames"], strict=True):
        np.testing.assert_array_equal(frame.image_bgr, same.image_bgr)
        np.testing.assert_array_equal(frame.boxes_xyxy, labels["boxes"])
        np.testing.assert_array_equal(frame.class_ids, labels["class_ids"])
        np.testing.assert_array_equal(frame.ignored, labels["ignored"])


def test_the_shipped_clip_is_small_and_aligned_with_its_truth() -> None:
    assert (DEMO / "clip.mp4").stat().st_size < 2_000_000
    truth = json.loads((DEMO / "truth.json").read_text())
    assert truth["schema"] == 1
    assert tuple(truth["classes"]) == CLASS_NAMES
    frames = frames_of(DEMO / "clip.mp4")
    assert [frame["frame"] for frame in truth["frames"]] == list(range(len(frames)))
    shown = np.concatenate(
        [
            np.array(frame["class_ids"])[~np.array(frame["ignored"], bool)]
            for frame in truth["frames"]
        ]
    )
    assert np.bincount(shown, minlength=10).min() > 100
    height, width = frames[0].shape[:2]
    sides = []
    for frame in truth["frames"]:
        boxes = np.array(frame["boxes"]).reshape(-1, 4)
        assert len(boxes) == len(frame["class_ids"]) == len(frame["ignored"])
        assert np.all(boxes >= 0)
        assert np.all(boxes <= [width, height, width, height])
        assert np.all(boxes[:, 2:] > boxes[:, :2])
        sides += (boxes[:, 2:] - boxes[:, :2]).max(axis=1).tolist()
    assert 60 < np.median(sides) < 170


def test_the_shipped_video_and_its_truth_cut_at_the_same_frames() -> None:
    truth = json.loads((DEMO / "truth.json").read_text())["frames"]
    frames = [cv2.resize(frame, (80, 60)).astype(float) for frame in frames_of(DEMO / "clip.mp4")]
    changes = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    cuts = sorted(np.argsort(changes)[-2:])
    lasting = []
    for before, after in itertools.pairwise(truth):
        boxes = [np.array(frame["boxes"], np.float32) for frame in (before, after)]
        lasting.append((box_iou(boxes[0], boxes[1]).max(axis=1) > 0.6).mean())
    assert sorted(np.argsort(lasting)[:2]) == cuts
