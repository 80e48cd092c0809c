from pathlib import Path

import pytest
import torch

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.learning.start import NONE, PRETRAINED, find_start
from spotlet_training.network import (
    DetectorSettings,
    LocalizerSettings,
    TwoHeadDetector,
    build_localizer,
)
from spotlet_training.network.checkpoint import Checkpoint, save_checkpoint
from spotlet_training.network.settings import SIZES


def pico(class_count: int, side: int = 64, seed: int = 0) -> TwoHeadDetector:
    torch.manual_seed(seed)
    return TwoHeadDetector(DetectorSettings.of_size("pico", class_count, (side, side))).eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    save_checkpoint(Checkpoint(network=pico(2, seed=5), class_names=("a", "b")), path)
    return path


def test_none_draws_every_weight() -> None:
    assert find_start(NONE, "pico", ("a",)) is None


@pytest.mark.parametrize("size", SIZES)
def test_a_pretrained_backbone_comes_with_every_size(size: str) -> None:
    start = find_start(PRETRAINED, size, ("a", "b", "c"))
    assert start is not None
    assert start.parts.startswith("the backbone")
    network = TwoHeadDetector(DetectorSettings.of_size(size, 3, (64, 64)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    start.load_into(network)
    for name, value in network.state_dict().items():
        changed = not torch.equal(value, before[name])
        if name.startswith("backbone."):
            assert changed, name
        else:
            assert not changed, name


def test_a_checkpoint_of_the_same_classes_is_taken_whole(checkpoint: Path) -> None:
    start = find_start(str(checkpoint), "pico", ("a", "b"))
    assert start is not None
    assert start.parts == "the whole network"
    network = pico(2, side=96)
    start.load_into(network)
    for name, value in pico(2, seed=5).state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("classes", [("b", "a"), ("a", "b", "c"), ("x",)])
def test_of_a_checkpoint_of_other_classes_the_class_head_is_made_anew(
    checkpoint: Path, classes: tuple[str, ...]
) -> None:
    start = find_start(str(checkpoint), "pico", classes)
    assert start is not None
    assert "a new class head" in start.parts
    network = pico(len(classes))
    drawn = network.state_dict()["class_head.predictions.0.weight"].clone()
    start.load_into(network)
    started, trained = network.state_dict(), pico(2, seed=5).state_dict()
    assert torch.equal(started["class_head.predictions.0.weight"], drawn)
    for name in ("box_head.predictions.0.weight", "backbone.stem.0.weight"):
        assert torch.equal(started[name], trained[name])


def test_a_checkpoint_of_another_size_is_refused(checkpoint: Path) -> None:
    start = find_start(str(checkpoint), "nano", ("a", "b"))
    assert start is not None
    network = TwoHeadDetector(DetectorSettings.of_size("nano", 2, (64, 64)))
    with pytest.raises(UsageError, match="another size"):
        start.load_into(network)


def test_a_localizer_is_no_start(tmp_path: Path) -> None:
    settings = LocalizerSettings(trunk="flat", class_count=2, size_hw=(64, 64))
    path = tmp_path / "best.safetensors"
    save_checkpoint(
        Checkpoint(network=build_localizer(settings).eval(), class_names=("a", "b")), path
    )
    with pytest.raises(UsageError, match="localizer"):
        find_start(str(path), "pico", ("a", "b"))


def test_a_name_that_means_nothing_is_refused() -> None:
    with pytest.raises(CheckpointError, match="imagenet"):
        find_start("imagenet", "pico", ("a",))
