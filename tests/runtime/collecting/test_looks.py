"""Which frames show the same."""

import cv2
import numpy as np
import pytest

from spotlet.collecting.looks import MOST_TILES, Look, Looks, tile_around
from spotlet.letterbox import ImageArray

HERE, THERE = (200.0, 200.0, 230.0, 240.0), (500.0, 100.0, 530.0, 140.0)


def scene(seed: int = 0) -> ImageArray:
    """A random picture of 480 x 640, smooth over ten pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8)


def noisy(image: ImageArray, seed: int) -> ImageArray:
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def with_object(image: ImageArray, box: tuple[float, ...], level: int = 0) -> ImageArray:
    left, top, right, bottom = (int(each) for each in box)
    changed = image.copy()
    changed[top:bottom, left:right] = level
    changed[top : (top + bottom) // 2, left:right] = 255 - level
    return changed


def test_the_same_scene_with_other_noise_is_alike_and_another_scene_is_not() -> None:
    looks = Looks()
    for number in range(5):
        looks.add(Look.of(noisy(scene(number), 1), None))
    assert all(looks.has_alike(Look.of(noisy(scene(number), 2), None)) for number in range(5))
    assert not any(looks.has_alike(Look.of(scene(number), None)) for number in range(5, 10))


def test_a_small_object_in_an_unmoving_scene_is_different_until_it_has_been_kept() -> None:
    looks = Looks()
    looks.add(Look.of(noisy(scene(), 0), None))
    at = Look.of(noisy(with_object(scene(), HERE), 1), HERE, [HERE])
    assert not looks.has_alike(at)
    looks.add(at)
    again = noisy(with_object(scene(), HERE), 2)
    assert looks.has_alike(Look.of(again, HERE, [HERE]))
    trembling = (203.0, 198.0, 232.0, 239.0)
    assert looks.has_alike(Look.of(again, trembling, [trembling]))
    assert not looks.has_alike(Look.of(noisy(with_object(scene(), THERE), 3), THERE, [THERE]))


def test_a_second_object_that_was_already_in_a_kept_frame_is_no_reason_for_the_same_again() -> None:
    both = with_object(with_object(scene(), HERE), THERE, 200)
    looks = Looks()
    looks.add(Look.of(noisy(both, 1), HERE, [HERE, THERE]))
    assert looks.has_alike(Look.of(noisy(both, 2), THERE, [HERE, THERE]))


def test_large_objects_are_compared_by_the_whole_picture() -> None:
    large = (100.0, 50.0, 400.0, 450.0)
    assert tile_around(large, (480, 640)) is None
    looks = Looks()
    looks.add(Look.of(scene(), None))
    assert looks.has_alike(Look.of(noisy(scene(), 1), large))
    assert not looks.has_alike(Look.of(with_object(scene(), large), large))


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (630, 470, 640, 480), (0, 470, 100, 480)])
def test_a_tile_holds_the_middle_of_its_box_and_is_inside_the_frame(box: tuple[int, ...]) -> None:
    found = tile_around((box[0], box[1], box[2], box[3]), (480, 640))
    assert found is not None
    top, left, side = found
    assert 0 <= top <= (box[1] + box[3]) / 2 <= top + side <= 480
    assert 0 <= left <= (box[0] + box[2]) / 2 <= left + side <= 640


def test_a_frame_of_one_colour_is_never_kept() -> None:
    flat = np.full((480, 640, 3), 90, np.uint8)
    assert Looks().has_alike(Look.of(flat, None))


def test_a_look_survives_its_json_and_damaged_json_is_none() -> None:
    many = [(20.0 * n, 30.0, 20.0 * n + 9, 50.0) for n in range(32)]
    look = Look.of(noisy(scene(), 0), HERE, [HERE, *many])
    back = Look.from_json(look.to_json())
    assert back is not None
    assert len(back.tiles) <= MOST_TILES
    assert back.tiles.keys() == look.tiles.keys()
    assert look.picture is not None
    np.testing.assert_array_equal(back.picture, look.picture)
    for damaged in ({}, {"hash": "zz", "tiles": {}}, {"hash": "00", "tiles": {}}, {"hash": None}):
        assert Look.from_json(damaged) is None
