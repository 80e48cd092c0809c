"""The experiment's scenes: exact boxes, and others are told from the frozen ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.shipped_data.frozen_scenes import recorded_objects
from rectangles import rectangles

from spotlet.errors import GateError, UsageError
from spotlet_training.localization import frozen
from spotlet_training.localization.frozen import SETTINGS, compose_scenes, frozen_set
from spotlet_training.localization.record import difference, landmarks_of, recorded_landmarks
from spotlet_training.localization.scenes import (
    SPLITS,
    VARIANTS,
    FrozenScenes,
    FrozenSet,
    Variant,
    pick,
)
from spotlet_training.scenes.bundled import load_photographs, load_sample
from spotlet_training.scenes.fashion import DEBIAN_FOLDER, Split, load_fashion
from spotlet_training.scenes.single import SingleSettings, compose_single

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def quick_plain() -> FrozenSet:
    return frozen_set("plain", quick=True)


def test_the_quick_scenes_are_the_frozen_ones(quick_plain: FrozenSet) -> None:
    assert (len(quick_plain.train), len(quick_plain.val)) == (600, 200)
    assert torch.bincount(quick_plain.train.class_ids).tolist() == [60] * 10
    frozen_set("photo", quick=True)


@pytest.mark.parametrize("split", SPLITS)
def test_the_experiments_scenes_are_drawn_without_a_connection_and_are_the_frozen_ones(
    split: Split,
) -> None:
    scenes = compose_scenes(split, "plain", frozen.frozen_objects(split, quick=False))
    assert torch.bincount(scenes.class_ids).tolist() == [frozen.COUNTS[split] // 10] * 10
    assert difference(landmarks_of(scenes), recorded_landmarks("plain", split)) == ""


@pytest.mark.parametrize("split", SPLITS)
def test_the_experiments_garments_are_those_recorded_of_fashion_mnist(split: Split) -> None:
    if not (DEBIAN_FOLDER / f"{split}-images-idx3-ubyte.gz").is_file():
        pytest.skip("Fashion-MNIST is not installed (Debian package dataset-fashion-mnist)")
    recorded = load_fashion(split).select(recorded_objects(split))
    garments = frozen.frozen_objects(split, quick=False)
    np.testing.assert_array_equal(garments.photos, recorded.photos)
    np.testing.assert_array_equal(garments.class_ids, recorded.class_ids)


def noisy(images: torch.Tensor) -> torch.Tensor:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.integers(-10, 11, images.shape))
    return (images.int() + noise).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: replace(s, class_ids=s.class_ids.flip(0)), "another class"),
        (lambda s: replace(s, boxes=s.boxes.flip(0)), "another box"),
        (lambda s: replace(s, boxes=s.boxes.mean(dim=0).expand(len(s), 4)), "another box"),
        (lambda s: replace(s, images=s.images.flip(0)), "another grey"),
        (lambda s: replace(s, images=noisy(s.images)), "another grey"),
        (lambda s: replace(s, images=s.images[..., :1].repeat(1, 1, 1, 3) // 2), "another grey"),
        (
            lambda s: FrozenScenes(s.images[1:], s.boxes[1:], s.class_ids[1:]),
            "199 scenes, not 200",
        ),
    ],
)
def test_scenes_that_are_others_are_told(
    change: Callable[[FrozenScenes], FrozenScenes], told: str, quick_plain: FrozenSet
) -> None:
    recorded = landmarks_of(quick_plain.val)
    assert difference(recorded, recorded) == ""
    assert told in difference(landmarks_of(change(quick_plain.val)), recorded)


@pytest.fixture
def redrawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], FrozenSet]:
    """Draws the quick scenes with a pixel changed in each, by so many levels."""
    compose = compose_single

    def redraw(levels: int) -> FrozenSet:
        def other(rng: np.random.Generator, *rest: Any) -> tuple[np.ndarray, np.ndarray]:
            image, box = compose(rng, *rest)
            image[:128] = np.clip(image[:128].astype(int) + levels, 0, 255)
            image[0, 0] ^= 1
            return image, box

        monkeypatch.setattr(frozen, "compose_single", other)
        return frozen_set("plain", quick=True)

    return redraw


def test_scenes_whose_pixels_are_rounded_otherwise_pass_and_are_told(
    redrawn: Callable[[int], FrozenSet], quick_plain: FrozenSet
) -> None:
    data = redrawn(0)
    assert data.digest != quick_plain.digest
    assert not data.exact


def test_other_scenes_are_refused(redrawn: Callable[[int], FrozenSet]) -> None:
    with pytest.raises(GateError, match=r"constraints\.txt"):
        redrawn(3)


def test_no_garment_is_in_both_splits() -> None:
    photos = {split: frozen.frozen_objects(split, quick=True).photos for split in SPLITS}
    train = {photo.tobytes() for photo in photos["train"]}
    assert not any(photo.tobytes() in train for photo in photos["t10k"])


def test_a_scenes_box_is_tight_about_its_garment() -> None:
    objects = load_sample("t10k")
    for index in range(0, 400, 40):
        photo, class_id = objects.photos[index], int(objects.class_ids[index])
        image, box = compose_single(
            np.random.default_rng(index), photo, class_id, [], SETTINGS["plain"]
        )
        rows, columns = np.nonzero(image.max(axis=2) > 40)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, seen, atol=2)


def test_a_background_moves_no_box() -> None:
    """The same chance with photographs behind: only the background may differ."""
    objects, photographs = load_sample("t10k"), load_photographs("held-out")
    settings = replace(SETTINGS["photo"], dyed=False)
    for index in range(0, 400, 80):
        photo, class_id = objects.photos[index], int(objects.class_ids[index])
        plain, photographed = (
            compose_single(np.random.default_rng(index), photo, class_id, behind, settings)
            for behind in ([], photographs)
        )
        np.testing.assert_array_equal(plain[1], photographed[1])
        left, top, right, bottom = plain[1].astype(int)
        assert not np.array_equal(plain[0], photographed[0])
        assert (plain[0][top:bottom, left:right].max(axis=2) > 40).mean() > 0.2


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_garment_is_seen_whole(variant: Variant) -> None:
    scenes = compose_scenes("t10k", variant, frozen.frozen_objects("t10k", quick=True))
    assert float(scenes.boxes.min()) > 0
    assert float(scenes.boxes.max()) < 1


@pytest.mark.parametrize("sides", [(0, 10), (20, 10), (10, 300)])
def test_scene_settings_out_of_range_are_refused(sides: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="object sides"):
        SingleSettings(object_sides=sides, shift=1)


def test_a_mirrored_scenes_box_is_mirrored_with_it() -> None:
    torch.manual_seed(0)
    scenes = rectangles(32, 3)
    picked = pick(scenes, torch.arange(32), CPU, mirrored=True)
    changed = 0
    for index in range(32):
        x1, y1, x2, y2 = (picked.boxes[index] * 64).round().int().tolist()
        assert bool((picked.images[index, y1:y2, x1:x2] == 200).all())
        assert int((picked.images[index] == 200).sum()) == (x2 - x1) * (y2 - y1) * 3
        changed += not torch.equal(picked.images[index], scenes.images[index])
    assert 8 < changed < 24
    assert torch.equal(scenes.boxes, rectangles(32, 3).boxes), "the set itself is untouched"
