"""Which frames of synthesised scenes are inferred."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from spotlet.errors import SettingError
from spotlet.letterbox import ImageArray
from spotlet.stillness import Scene, StillSettings
from spotlet.stillness.change import Picture, reduced, strength_of_change
from spotlet.streams import open_stream

FPS = 20
HEIGHT, WIDTH = 360, 640


def wall(seed: int = 0) -> np.ndarray:
    """(360, 640, 3) float32: a wall with coarse and fine structure, and a bright window."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(60, 150, (6, 10)).astype(np.float32), (WIDTH, HEIGHT))
    fine = cv2.GaussianBlur(rng.normal(0, 40, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.5)
    grey = coarse + fine
    grey[40:120, 480:560] = 225
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


WALL = wall()
SPECKLES = np.random.default_rng(0).normal(0, 1, 2 * WIDTH * HEIGHT).astype(np.float32)


def shown(grey: np.ndarray, rng: np.random.Generator, noise: float = 2.0) -> ImageArray:
    """The scene as a camera with noise gives it."""
    start = rng.integers(WIDTH * HEIGHT)
    speckles = noise * SPECKLES[start : start + WIDTH * HEIGHT].reshape(HEIGHT, WIDTH, 1)
    return np.asarray(np.clip(grey + speckles, 0, 255), np.uint8)


def with_person(left: float, high: int = 40, contrast: int = -50) -> np.ndarray:
    """The wall with somebody before it, whose feet are at row 260."""
    grey, at = WALL.copy(), round(left)
    grey[260 - high : 260, at : at + high // 3] += contrast
    return grey


def inferred(
    images: Iterable[ImageArray], settings: StillSettings | None = None, fps: float = FPS
) -> list[bool]:
    """Whether each is inferred."""
    scene = Scene(settings or StillSettings())
    return [not scene.is_still(image, number / fps) for number, image in enumerate(images)]


@pytest.mark.parametrize("noise", [0, 1, 4, 12])
def test_noise_of_any_level_is_not_motion(noise: float) -> None:
    rng = np.random.default_rng(1)
    asked = inferred(shown(WALL, rng, noise) for _ in range(12 * FPS))
    assert all(asked[:FPS])
    assert np.flatnonzero(asked[FPS:]).tolist() == [10 * FPS - 1]


def test_noise_that_rises_at_once_is_not_motion() -> None:
    rng = np.random.default_rng(1)
    asked = inferred(shown(WALL, rng, 2 if n < 50 else 8) for n in range(4 * FPS))
    assert not any(asked[FPS:])


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0), (0.8, 40), (1.3, -20)])
def test_a_slow_change_of_light_is_not_motion(gain: float, offset: float) -> None:
    rng = np.random.default_rng(2)
    shares = np.linspace(0, 1, 8 * FPS)
    asked = inferred(shown(WALL * (1 + (gain - 1) * s) + offset * s, rng) for s in shares)
    assert not any(asked[FPS:])


def test_lamps_that_flicker_are_not_motion() -> None:
    rng = np.random.default_rng(3)
    rows = np.arange(HEIGHT)[:, np.newaxis, np.newaxis] / HEIGHT * 4 * np.pi
    asked = inferred(
        shown(WALL * (1 + 0.02 * np.sin(2.3 * n) + 0.01 * np.sin(2.3 * n + rows)), rng)
        for n in range(6 * FPS)
    )
    assert not any(asked[FPS:])


def test_key_frames_of_an_encoder_are_not_motion(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(4)
    clip = write_clip(tmp_path / "x.mp4", [shown(WALL, rng, 1) for _ in range(5 * FPS)])
    with open_stream(clip) as stream:
        images = [frame.image for frame in stream]
    steps = [float(cv2.absdiff(*pair).mean()) for pair in pairwise(images)]
    assert max(steps) > 2 * float(np.median(steps))  # there are such pulses
    assert not any(inferred(images)[FPS:])


@pytest.mark.parametrize(("high", "step"), [(24, 1.0), (40, 0.3), (40, 2.0), (160, 4.0)])
def test_a_person_who_walks_is_inferred_in_every_frame_from_the_third(
    high: int, step: float
) -> None:
    rng = np.random.default_rng(5)
    begins, frames = 3 * FPS, 4 * FPS
    places = [40 + step * n for n in range(frames)]
    scenes = [WALL] * begins + [with_person(left, high) for left in places] + [WALL] * (3 * FPS)
    asked = inferred(shown(scene, rng) for scene in scenes)
    assert not any(asked[FPS:begins])
    assert all(asked[begins + 2 : begins + frames])
    assert all(asked[begins + frames :][:FPS])  # until it is sure that nobody is there
    assert not any(asked[begins + frames + 2 * FPS :])


def test_slow_motion_adds_up_until_it_is_noticed() -> None:
    rng = np.random.default_rng(6)
    scenes = [with_person(100 + 0.05 * n) for n in range(8 * FPS)]  # under a cell in 4 s
    asked = inferred(shown(scene, rng) for scene in scenes)
    assert any(asked[2 * FPS :])


def test_something_that_stops_and_stays_is_still_soon_and_inferred_now_and_then() -> None:
    rng = np.random.default_rng(7)
    lefts = [*np.linspace(40, 200, 2 * FPS), *[200] * (9 * FPS)]
    settings = StillSettings(still_seconds=3)
    asked = inferred((shown(with_person(left), rng) for left in lefts), settings)
    stays = asked[4 * FPS :]
    assert np.diff(np.flatnonzero(stays)).tolist() in ([3 * FPS], [3 * FPS + 1])  # of a float


def test_a_cut_to_another_scene_is_motion() -> None:
    rng, other = np.random.default_rng(8), wall(1)
    asked = inferred(shown(WALL if n < 40 else other, rng) for n in range(4 * FPS))
    assert not any(asked[FPS:40])
    assert all(asked[40 : 40 + FPS])


def test_what_covers_the_whole_picture_is_motion() -> None:
    rng, covered = np.random.default_rng(9), np.full_like(WALL, 40)
    asked = inferred(shown(WALL if n < 40 else covered, rng) for n in range(42))
    assert asked[FPS:] == [*[False] * 20, True, True]


def test_a_few_frames_a_second_are_inferred_several_times_after_motion() -> None:
    rng = np.random.default_rng(10)
    asked = inferred((shown(WALL, rng) for _ in range(12)), StillSettings(still_seconds=99), fps=1)
    assert asked == [True] * 5 + [False] * 7


def test_a_higher_sensitivity_notices_what_is_fainter() -> None:
    faint = with_person(300, contrast=-5)

    def notices(sensitivity: float) -> bool:
        rng = np.random.default_rng(11)
        scenes = (shown(WALL if n < 40 else faint, rng, 1) for n in range(60))
        return any(inferred(scenes, StillSettings(sensitivity=sensitivity))[FPS:])

    assert [notices(sensitivity) for sensitivity in (0.5, 3)] == [False, True]


def test_without_noise_a_small_object_gives_two_thirds_of_its_contrast() -> None:
    before, after = np.full((2, 360, 640, 3), 100, np.uint8)
    after[100:120, 200:220] = 120
    strength = strength_of_change(reduced(before, 160), reduced(after, 160))
    assert strength == pytest.approx(40 / 3, rel=0.1)
    assert strength_of_change(reduced(before, 160), reduced(before, 160)) < 0.1


@pytest.mark.parametrize(
    ("size_hw", "cells_hw"),
    [((720, 1280), (88, 160)), ((1280, 720), (160, 88)), ((2160, 3840), (88, 160)),
     ((240, 320), (120, 160)), ((48, 64), (24, 32)), ((1, 1), (8, 8)), ((2, 4000), (8, 160))],
)  # fmt: skip
def test_pictures_of_any_size_are_reduced(
    size_hw: tuple[int, int], cells_hw: tuple[int, int]
) -> None:
    image = np.full((*size_hw, 3), 100, np.uint8)
    picture: Picture = reduced(image, 160)
    assert picture.cells.shape == cells_hw
    assert np.all(picture.cells == 100)
    assert strength_of_change(picture, picture) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"sensitivity": 0}, "`sensitivity` 0: must be from 0.1 to 10"),
     ({"sensitivity": float("nan")}, "`sensitivity` nan: must be from 0.1 to 10"),
     ({"sensitivity": True}, "`sensitivity` True: must be from 0.1 to 10"),
     ({"still_seconds": 0}, "`still_seconds` 0: must be over 0, and finite"),
     ({"still_seconds": "3"}, "`still_seconds` '3': must be over 0, and finite")],
)  # fmt: skip
def test_settings_that_break_a_rule_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError) as raised:
        StillSettings(**given)
    assert str(raised.value) == message
