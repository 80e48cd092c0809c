"""Scenes: exact boxes, honest splits, the same scene for the same seed."""

import cv2
import numpy as np
import pytest
from benchmarks.shipped_data.sample import choose_objects, sheet_of

from spotlet.errors import DatasetError, UsageError
from spotlet_training.scenes import (
    CLASS_NAMES,
    FashionObjects,
    SceneDataset,
    SceneSettings,
    compose_scene,
    training_scenes,
    validation_scenes,
)
from spotlet_training.scenes.bundled import (
    HELD_OUT_PHOTOGRAPHS,
    SAMPLE_FOLDER,
    TRAINING_PHOTOGRAPHS,
    load_photographs,
    load_sample,
)
from spotlet_training.scenes.cutout import Pose, cut_out, place
from spotlet_training.scenes.paint import SHADOW_MARGIN, Dye, Ownership, paint

WHITE = Dye(first_bgr=np.full(3, 255, np.float32), second_bgr=np.full(3, 255, np.float32))
"""No shadow: nothing but the garment changes a pixel."""


@pytest.fixture(scope="module")
def garments() -> FashionObjects:
    return load_sample("train")


@pytest.mark.parametrize("class_id", range(10))
@pytest.mark.parametrize("scale", [1.0, 1.7, 3.3])
def test_a_box_is_tight_about_the_pixels_that_a_garment_changes(
    garments: FashionObjects, class_id: int, scale: float
) -> None:
    cutout = cut_out(garments.photos[garments.by_class[class_id][3]], class_id)
    pose = Pose(center_xy=(70.3, 64.8), scale=scale, angle_degrees=17, mirrored=True)
    black, magenta = np.zeros((140, 150, 3), np.uint8), np.full((140, 150, 3), 255, np.uint8)
    magenta[..., 1] = 0
    owner, layer = Ownership((140, 150)), place(cutout, pose)
    owner.add(layer)
    for canvas in (black, magenta):
        paint(canvas, layer, WHITE)
    # On two backgrounds at once, the difference that is left is 1 - opacity, by definition.
    opacity = 1 - (magenta[..., 2].astype(float) - black[..., 2]) / 255
    rows, columns = np.nonzero(opacity > 0.5)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(owner.boxes()[0], expected, atol=1)
    # Where a garment is not, the background is untouched, but for a soft edge.
    rows, columns = np.nonzero(opacity > 0.05)
    assert np.all(np.abs(np.array([columns.min(), rows.min()]) - owner.boxes()[0][:2]) <= 3)


def test_a_garment_in_the_middle_of_its_photo_lands_where_its_pose_says() -> None:
    photo = np.zeros((28, 28), np.uint8)
    photo[9:19, 4:24] = 255
    owner = Ownership((100, 120))
    owner.add(place(cut_out(photo, 7), Pose(center_xy=(50.0, 40.0), scale=2.0)))
    np.testing.assert_allclose(owner.boxes()[0], [30, 30, 70, 50], atol=1)


def test_a_small_garment_leaves_its_backdrop_transparent(garments: FashionObjects) -> None:
    cutout = cut_out(garments.photos[0], 0)
    layer = place(cutout, Pose(center_xy=(40.0, 40.0), scale=0.4))
    border = [layer.alpha[0], layer.alpha[-1], layer.alpha[:, 0], layer.alpha[:, -1]]
    assert max(edge.max() for edge in border) == 0


def test_white_cloth_inside_a_garment_is_not_see_through() -> None:
    shirt = np.zeros((28, 28), np.uint8)
    shirt[4:24, 4:24] = 200
    shirt[11:17, 11:17] = 0
    filled = place(cut_out(shirt, 6), Pose(center_xy=(40.0, 40.0), scale=2.0))
    opened = place(cut_out(shirt, 8), Pose(center_xy=(40.0, 40.0), scale=2.0))
    row, column = 40 - filled.top, 40 - filled.left
    assert filled.alpha[row, column] == 1
    assert opened.alpha[row, column] == 0, "a bag's handle encloses backdrop"


def test_a_garment_that_is_covered_keeps_the_box_of_what_is_seen() -> None:
    photo = np.full((28, 28), 255, np.uint8)
    cutout, owner = cut_out(photo, 0), Ownership((100, 100))
    scale = 40 / cutout.long_side
    owner.add(place(cutout, Pose(center_xy=(40.0, 40.0), scale=scale)))
    whole = owner.boxes()[0].copy()
    owner.add(place(cutout, Pose(center_xy=(60.0, 40.0), scale=scale)))
    seen, over = owner.boxes()
    assert seen[2] == over[0], "the left one ends where the right one begins"
    assert (seen[0], over[0]) == (whole[0], whole[0] + 20)
    np.testing.assert_allclose(owner.visible_share(), [0.5, 1.0], atol=0.03)


def test_a_garment_half_outside_the_canvas_has_the_box_of_its_inner_half() -> None:
    owner = Ownership((60, 60))
    cutout = cut_out(np.full((28, 28), 255, np.uint8), 0)
    owner.add(place(cutout, Pose(center_xy=(0.0, 30.0), scale=1.0)))
    assert owner.boxes()[0][0] == 0
    assert owner.boxes()[0][2] == pytest.approx(cutout.long_side / 2, abs=1)
    assert owner.visible_share()[0] == pytest.approx(0.5, abs=0.03)


def test_visible_after_foretells_what_add_does(garments: FashionObjects) -> None:
    rng, owner = np.random.default_rng(5), Ownership((80, 80))
    for index in rng.choice(len(garments), 6):
        cutout = cut_out(garments.photos[index], int(garments.class_ids[index]))
        x, y = rng.uniform(0, 80, 2)
        layer = place(cutout, Pose(center_xy=(x, y), scale=1.3), SHADOW_MARGIN)
        foretold = owner.visible_after(layer)
        owner.add(layer)
        np.testing.assert_array_equal(owner.visible_share(), foretold)
    counted = [np.count_nonzero(owner.mask_of(index)) > 0 for index in range(6)]
    assert counted == (owner.visible_share() > 0).tolist()


def test_the_same_seed_and_index_give_the_same_scene() -> None:
    first, again = (training_scenes(10, seed=3, objects="sample") for _ in range(2))
    _ = first.load(0)
    a, b, other = first.load(7), again.load(7), first.load(8)
    np.testing.assert_array_equal(a.image_bgr, b.image_bgr)
    np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
    np.testing.assert_array_equal(a.class_ids, b.class_ids)
    assert not np.array_equal(a.image_bgr, other.image_bgr)
    moved = training_scenes(10, seed=4, objects="sample").load(7)
    assert not np.array_equal(a.image_bgr, moved.image_bgr)


@pytest.mark.parametrize("size_hw", [(320, 320), (96, 200)])
def test_scenes_hold_boxes_inside_them_of_the_sides_that_were_set(size_hw: tuple[int, int]) -> None:
    scenes = training_scenes(60, seed=0, objects="sample", size_hw=size_hw)
    samples = [scenes.load(index) for index in range(60)]
    boxes = np.concatenate([sample.boxes_xyxy for sample in samples])
    height, width = size_hw
    assert all(sample.image_bgr.shape == (height, width, 3) for sample in samples)
    assert boxes.min() >= 0
    assert boxes[:, [0, 2]].max() <= width
    assert boxes[:, [1, 3]].max() <= height
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) * 320 / min(size_hw)
    assert sides.min() >= 4
    assert sides.max() <= 160 * 1.4, "a diagonal is longer than a side"
    assert np.percentile(sides, 10) < 40 < 100 < np.percentile(sides, 95)
    assert set(np.concatenate([sample.class_ids for sample in samples])) == set(range(10))


def test_no_garment_of_a_scene_is_hidden_more_than_was_set() -> None:
    settings = SceneSettings(size_hw=(96, 96), objects=(8, 8), min_visible=0.9, max_shadow=0)
    objects, photographs = load_sample("train"), load_photographs("training")
    scenes = SceneDataset(objects, photographs, count=20, seed=0, settings=settings)
    counts = [len(scenes.load(index).boxes_xyxy) for index in range(20)]
    assert max(counts) <= 8
    assert 1 <= min(counts) < 8, "where there is no room, a garment is left out"


def test_a_scene_changes_only_inside_its_boxes_when_there_is_no_shadow() -> None:
    settings = SceneSettings(max_shadow=0, objects=(3, 3), size_hw=(160, 160))
    bare = SceneSettings(max_shadow=0, objects=(0, 0), size_hw=(160, 160))
    objects, photographs = load_sample("train"), load_photographs("held-out")
    scene, boxes, class_ids = compose_scene(
        np.random.default_rng(1), objects, photographs, settings
    )
    empty, none, _ = compose_scene(np.random.default_rng(1), objects, photographs, bare)
    assert (len(boxes), len(class_ids), none.shape) == (3, 3, (0, 4))
    changed = np.any(scene != empty, axis=2)
    inside = np.zeros_like(changed)
    for left, top, right, bottom in boxes.astype(int).tolist():
        assert changed[top:bottom, left:right].any()
        inside[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = True
    assert not (changed & ~inside).any()


def test_training_and_validation_share_no_garment_and_no_photograph() -> None:
    train, held_out = (
        {photo.tobytes() for photo in load_sample(split).photos} for split in ("train", "t10k")
    )
    assert (len(train), len(held_out)) == (1600, 400)
    assert not train & held_out
    assert not set(TRAINING_PHOTOGRAPHS) & set(HELD_OUT_PHOTOGRAPHS)
    assert validation_scenes(1, 0, "sample").load(0).image_bgr.shape == (320, 320, 3)


def test_the_sample_is_balanced_whole_small_and_licensed() -> None:
    for split, each in (("train", 160), ("t10k", 40)):
        objects = load_sample("train" if split == "train" else "t10k")
        assert np.bincount(objects.class_ids).tolist() == [each] * 10
        assert objects.photos.max(axis=(1, 2)).min() > 50
    assert sum(path.stat().st_size for path in SAMPLE_FOLDER.iterdir()) < 2_200_000
    licences = (SAMPLE_FOLDER / "LICENSES.md").read_text()
    for path in SAMPLE_FOLDER.glob("*.[jp][pn]g"):
        assert f"`{path.name}`" in licences
        image = cv2.imread(str(path))
        assert image is not None
        assert path.suffix == ".png" or max(image.shape) <= 600
    assert "Zalando" in licences


def test_a_sheet_of_chosen_objects_reads_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (120, 28, 28), dtype=np.uint8)
    photos[100:] = photos[0]  # the same photo again and again must be chosen once at most
    objects = FashionObjects(photos, np.arange(120, dtype=np.int64) % 10)
    chosen = choose_objects(objects, 80, seed=1)
    assert np.bincount(chosen.class_ids).tolist() == [8] * 10
    assert len({photo.tobytes() for photo in chosen.photos}) == 80
    sheet = sheet_of(chosen.photos)
    np.testing.assert_array_equal(sheet[28:56, 56:84], chosen.photos[42])


def test_the_classes_are_spelt_as_everywhere() -> None:
    assert len(CLASS_NAMES) == 10
    assert CLASS_NAMES[0] == "t-shirt"
    assert CLASS_NAMES[9] == "ankle-boot"


def test_what_cannot_be_a_scene_is_refused() -> None:
    objects, photographs = load_sample("t10k"), load_photographs("held-out")
    with pytest.raises(UsageError, match="at least one object"):
        SceneDataset(objects, [], count=1, seed=0)
    with pytest.raises(UsageError, match="seed -1"):
        SceneDataset(objects, photographs, count=1, seed=-1)
    with pytest.raises(UsageError, match="at least 32"):
        SceneSettings(size_hw=(8, 320))
    with pytest.raises(UsageError, match="object sides"):
        SceneSettings(object_sides=(50, 20))
    with pytest.raises(IndexError, match="from 0 to 1"):
        SceneDataset(objects, photographs, count=2, seed=0).load(2)
    with pytest.raises(DatasetError, match="from 0 to 9"):
        FashionObjects(objects.photos[:1], np.array([10]))
