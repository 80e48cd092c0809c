import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.learning.settings import EVERYDAY, NONE, PRETRAINED
from spotlet_training.learning.start import find_start
from spotlet_training.network import (
    DetectorSettings,
    LocalizerSettings,
    TwoHeadDetector,
    build_localizer,
    pretrained,
)
from spotlet_training.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
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


@pytest.mark.parametrize(
    ("classes", "parts"),
    [
        (("b", "a"), "the whole network"),
        (("c", "b"), "the network; class head: b kept, c new"),
        (("b", "c", "a"), "the network; class head: b, a kept, c new"),
        (("x",), "the network; class head: x new"),
    ],
)
def test_of_a_checkpoint_the_class_head_keeps_the_rows_of_classes_that_both_have(
    checkpoint: Path, classes: tuple[str, ...], parts: str
) -> None:
    start = find_start(str(checkpoint), "pico", classes)
    assert start is not None
    assert start.parts == parts
    network = pico(len(classes))
    drawn = {name: value.clone() for name, value in network.state_dict().items()}
    start.load_into(network)
    trained = pico(2, seed=5).state_dict()
    for name, value in network.state_dict().items():
        if not name.startswith("class_head.predictions."):
            assert torch.equal(value, trained[name]), name
            continue
        for row, class_name in enumerate(classes):
            known = class_name in ("a", "b")
            expected = trained[name][("a", "b").index(class_name)] if known else drawn[name][row]
            assert torch.equal(value[row], expected), (name, class_name)


def test_the_bundled_detector_is_read_from_a_file_of_half_the_bytes(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    bundled = tmp_path / "everyday-pico.safetensors"
    save_checkpoint(load_checkpoint(checkpoint), bundled, half=True)
    assert bundled.stat().st_size < 0.6 * checkpoint.stat().st_size
    start = find_start(EVERYDAY, "pico", ("b", "helmet"))
    assert str(start) == "bundled everyday-pico: the network; class head: b kept, helmet new"
    assert start is not None
    network = pico(2)
    start.load_into(network)
    for name, value in pico(2, seed=5).state_dict().items():
        if not name.startswith("class_head.predictions."):
            assert network.state_dict()[name].dtype == value.dtype
            torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-3, atol=1e-6)


def test_a_size_without_a_bundled_detector_starts_from_its_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(pretrained.bundled_backbone("pico"), tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    start = str(find_start(EVERYDAY, "pico", ("a",)))
    assert start == "bundled pico: the backbone, with a new pyramid and new heads"


def test_weights_for_bytes_of_another_centre_are_refused(checkpoint: Path) -> None:
    start = find_start(str(checkpoint), "pico", ("a", "b"))
    assert start is not None
    settings = replace(DetectorSettings.of_size("pico", 2, (64, 64)), centre=127.5)
    with pytest.raises(UsageError, match=r"centre and scale \(0.0, 64.0\)"):
        start.load_into(TwoHeadDetector(settings))


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
