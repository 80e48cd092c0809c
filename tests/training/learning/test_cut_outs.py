"""Cut-outs show what a tile on the device shows, with the objects in it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from shapes import Shapes

from spotlet.tiles import TileSettings
from spotlet_training.datasets import Sample
from spotlet_training.learning.batches import training_batches
from spotlet_training.learning.cut_outs import OBJECT_SHARE, TILED_SHARE, cut_out, perhaps_cut_out
from spotlet_training.learning.settings import TrainingSettings

TILES = TileSettings(layout="2x2")
CANVAS_HW = (64, 64)


def one_object(size_hw: tuple[int, int] = (100, 200)) -> Sample:
    """A picture whose one object, 10 x 20 pixels, is white."""
    image = np.zeros((*size_hw, 3), np.uint8)
    image[30:40, 150:170] = 255
    boxes = np.array([[150, 30, 170, 40]], np.float32)
    return Sample(image, boxes, np.array([1]), np.array([False]), "one")


def test_a_cut_out_has_its_objects_in_its_own_pixels() -> None:
    part = cut_out(one_object(), (100, 20, 190, 90), 0.25)
    assert part.image_bgr.shape == (70, 90, 3)
    assert part.boxes_xyxy.tolist() == [[50, 10, 70, 20]]
    assert part.image_bgr[10:20, 50:70].min() == 255
    assert part.image_bgr.sum() == 255 * 3 * 200


@pytest.mark.parametrize(
    ("right", "boxes", "ignored"),
    [(168, [[50, 10, 68, 20]], [False]), (154, [[50, 10, 54, 20]], [True]), (150, [], [])],
)
def test_an_object_that_a_border_cuts_is_ignored_if_little_is_left_and_gone_if_nothing(
    right: int, boxes: list[list[float]], ignored: list[bool]
) -> None:
    part = cut_out(one_object(), (100, 20, right, 90), 0.25)
    assert part.boxes_xyxy.tolist() == boxes
    assert part.ignored.tolist() == ignored


def test_cut_outs_have_the_size_of_a_tile_and_whole_pictures_stay_among_them() -> None:
    rng = np.random.default_rng(0)
    _, tile, *_ = TILES.parts((100, 200), CANVAS_HW)
    made = [perhaps_cut_out(one_object(), TILES, CANVAS_HW, 0.25, rng) for _ in range(400)]
    sizes = [each.image_bgr.shape[:2] for each in made]
    assert set(sizes) == {(100, 200), (tile[3], tile[2])}
    share = sizes.count((tile[3], tile[2])) / len(sizes)
    assert share == pytest.approx(TILED_SHARE, abs=0.1)
    cut = [each for each in made if each.image_bgr.shape[0] < 100]
    with_object = sum(len(each.class_ids) > 0 for each in cut) / len(cut)
    assert OBJECT_SHARE < with_object < 1
    for each in cut:
        for left, top, right, bottom in each.boxes_xyxy.astype(int).tolist():
            assert each.image_bgr[top:bottom, left:right].min() == 255


def test_a_picture_that_no_tile_would_cut_stays_whole() -> None:
    rng = np.random.default_rng(0)
    sample = one_object()
    for _ in range(20):
        assert perhaps_cut_out(sample, TileSettings(layout="300"), CANVAS_HW, 0.25, rng) is sample


def test_batches_have_larger_objects_with_tiles_and_are_the_same_each_time() -> None:
    plain = TrainingSettings(size_hw=CANVAS_HW, batch_size=8)
    plain = replace(plain, augmentation=replace(plain.augmentation, mosaic=0))
    sides = []
    with ThreadPoolExecutor(2) as pool:
        for settings in (plain, replace(plain, tiles=TILES)):
            (a,) = training_batches(Shapes(8), settings, 0, pool)
            (b,) = training_batches(Shapes(8), settings, 0, pool)
            assert a.images.equal(b.images)
            boxes = a.objects.boxes_xyxy[~a.objects.ignored]
            sides.append(float((boxes[:, 2:] - boxes[:, :2]).max(dim=1).values.median()))
    assert sides[1] > 1.2 * sides[0]
