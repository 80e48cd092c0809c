import contextlib
import json
from pathlib import Path
from random import Random

import pytest
import torch
from benchmarks.fuzz.damage import DAMAGES
from benchmarks.fuzz.texts import damage_json
from safetensors.torch import load_file, save_file

from spotlet.errors import CheckpointError
from spotlet_training.network import (
    DetectorSettings,
    LocalizerSettings,
    TwoHeadDetector,
    build_localizer,
)
from spotlet_training.network.checkpoint import (
    METADATA_KEY,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    network = TwoHeadDetector(DetectorSettings(class_count=2, size_hw=(64, 64))).eval()
    return Checkpoint(network=network, class_names=("a", "b"), training={"epochs": 3})


def test_a_checkpoint_comes_back_as_it_was(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "new" / "best.safetensors"
    save_checkpoint(checkpoint, path)
    back = load_checkpoint(path)
    assert back.class_names == ("a", "b")
    assert back.training == {"epochs": 3}
    assert back.network.settings == checkpoint.network.settings
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        for mine, theirs in zip(checkpoint.network(image), back.network(image), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("trunk", ["flat", "integral"])
def test_a_localizers_checkpoint_comes_back_as_it_was(trunk: str, tmp_path: Path) -> None:
    settings = LocalizerSettings(class_count=2, size_hw=(64, 96), trunk=trunk, dropout=0.3)
    network = build_localizer(settings).eval()
    path = tmp_path / "best.safetensors"
    save_checkpoint(Checkpoint(network=network, class_names=("a", "b")), path)
    back = load_checkpoint(path)
    assert back.network.settings == settings
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        for mine, theirs in zip(network(image), back.network(image), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("old", [{"schema": 1}, {"schema": 2, "family": "detector"}])
def test_a_detector_of_an_older_schema_is_told_as_such(
    checkpoint: Checkpoint, old: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, path)
    header = old | {"network": {"class_count": 2, "size_hw": [64, 64]}}
    header |= {"classes": ["a", "b"], "training": {}}
    save_file(load_file(path), path, metadata={METADATA_KEY: json.dumps(header)})
    with pytest.raises(CheckpointError, match="older spotlet"):
        load_checkpoint(path)


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "best.safetensors")


def test_a_damaged_file_is_one_clear_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, path)
    content = path.read_bytes()
    for damaged in (b"", b"no weights at all", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            load_checkpoint(path)


def test_somebody_elses_safetensors_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "newer spotlet"),
        ({"network": {"class_count": 2, "depth": 9}}, "unknown network setting"),
        ({"network": {"class_count": 7, "size_hw": [64, 64]}}, "do not fit"),
        ({"family": "oracle"}, "unknown family"),
        ({"family": "localizer", "network": {"class_count": 2, "channels": 9}}, "unknown network"),
        ({"family": "localizer", "network": {"class_count": 2, "trunk": "deep"}}, "trunk"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, path)
    header = {"schema": 3, "network": {"class_count": 2, "size_hw": [64, 64]}}
    header |= {"classes": ["a", "b"], "training": {}} | change
    save_file(load_file(path), path, metadata={METADATA_KEY: json.dumps(header)})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_a_damaged_checkpoint_is_a_checkpoint_or_an_error_of_ours(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    random = Random(0)
    path = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, path)
    content, weights = path.read_bytes(), load_file(path)
    header = json.dumps(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])[
        "__metadata__"
    ])  # fmt: skip
    text = json.loads(header)[METADATA_KEY]
    loaded = 0
    for index in range(200):
        if index % 2:
            path.write_bytes(random.choice(list(DAMAGES.values()))(content, random))
        else:
            damaged = damage_json(text, random).encode("utf-8", "replace").decode()
            save_file(weights, path, metadata={METADATA_KEY: damaged})
        with contextlib.suppress(CheckpointError):
            load_checkpoint(path)
            loaded += 1
    assert 0 < loaded < 100
