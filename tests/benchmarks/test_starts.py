"""The table of the benchmark that compares initial weights, and what it starts from."""

import json
from pathlib import Path

import pytest
import torch
from benchmarks.starts import Run, as_json, as_markdown, asked_start

from spotlet.errors import CheckpointError, UsageError
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network import DetectorSettings
from spotlet_training.network.backbone import Backbone
from spotlet_training.network.pretrained import save_backbone


def run(data: str, start: str, seed: int, ap50: float, ap: float) -> Run:
    return Run(data=data, start=start, seed=seed, epoch=1, ap50=ap50, ap=ap, seconds=1.0)


RUNS = [
    run("cards", "none", 0, 0.5, 0.3),
    run("cards", "new", 0, 0.9, 0.7),
    run("cells", "none", 0, 0.8, 0.5),
    run("cards", "none", 1, 0.7, 0.5),
]


def test_the_table_has_mean_and_deviation_of_each_set_and_start() -> None:
    assert as_markdown(RUNS).splitlines() == [
        "| AP50 / AP | `none` | `new` |",
        "| --- | --- | --- |",
        "| cards | 0.600 ± 0.141 / 0.400 ± 0.141 | 0.900 / 0.700 |",
        "| cells | 0.800 / 0.500 |  |",
    ]


def test_the_record_has_the_same_with_every_training_and_the_machine() -> None:
    starts = [asked_start("none", "pico"), asked_start("pretrained", "pico")]
    record = json.loads(as_json(RUNS, starts, TrainingSettings()))
    assert {"date", "machine", "versions"} < set(record)
    assert record["recipe"] == "nano-30-epochs-320x320"
    assert len(record["runs"]) == len(RUNS)
    first = record["summaries"][0]
    assert (first["data"], first["start"]) == ("cards", "none")
    assert first["ap50"] == {"mean": pytest.approx(0.6), "spread": pytest.approx(0.02**0.5)}


def test_weights_of_other_content_have_other_folders(tmp_path: Path) -> None:
    folders = set()
    for seed in range(2):
        torch.manual_seed(seed)
        backbone = Backbone(DetectorSettings.of_size("pico", 1, (64, 64)))
        save_backbone(backbone, tmp_path / "pico.safetensors", {})
        start = asked_start(f"new={tmp_path / 'pico.safetensors'}", "pico")
        assert start.name == "new"
        folders.add(start.folder)
    assert len(folders) == 2
    assert asked_start("none", "pico").folder == "none"
    with pytest.raises(UsageError, match="another size"):
        asked_start(f"new={tmp_path / 'pico.safetensors'}", "nano")


def test_a_start_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one of none, everyday, pretrained, or NAME=PATH"):
        asked_start("imagenet", "pico")
    with pytest.raises(CheckpointError, match="no such file"):
        asked_start(f"new={tmp_path / 'lacking.safetensors'}", "pico")
