"""The gate proves a model that runs with tiles in its tiles."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from shapes import Shapes

from spotlet import Detector
from spotlet.cli import main
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_export.gate import tiled_parity
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import FP32_LIMITS
from spotlet_export.graph.graph import build_graph
from spotlet_export.package.describing import make_manifest
from spotlet_training.network.checkpoint import Checkpoint, save_checkpoint

pytestmark = pytest.mark.slow

TILES = {"layout": "2x1", "overlap": 0.25}


@pytest.fixture(scope="module")
def tiled(checkpoint: Checkpoint) -> Checkpoint:
    settings = {**checkpoint.training["settings"], "tiles": TILES}
    return replace(checkpoint, training={**checkpoint.training, "settings": settings})


def proven(tiled: Checkpoint, folder: Path) -> tuple[Gate, Report]:
    manifest = make_manifest(tiled, "shapes")
    gate = Gate.of(tiled, manifest, Shapes(8, seed=1), folder, lambda _: None)
    return gate, gate.prove("fp32", build_graph(tiled.network, manifest), FP32_LIMITS)


def test_the_tiles_of_the_training_are_the_models_and_are_proven(
    tiled: Checkpoint, tmp_path: Path
) -> None:
    gate, report = proven(tiled, tmp_path)
    assert report.passed
    rows = [row for row in report.rows if "tiles 2x1" in row.over]
    assert len(rows) == 3
    assert "12 files" in rows[0].over
    file = gate.files["fp32"]
    text = onnx.load(file).metadata_props
    manifest = Manifest.from_json({each.key: each.value for each in text}[METADATA_KEY])
    assert manifest.tiles.layout == "2x1"
    assert Detector(file)(Shapes(1).load(0).image_bgr).inferences == 3


def test_a_runtime_that_cuts_otherwise_is_caught(
    tiled: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Detector._part_outputs

    def shifted(self: Detector, frame: Any) -> Any:
        for each in own(self, frame):
            if each.part_xyxy is not None and each.part_xyxy[0] > 0:
                left, top, right, bottom = each.part_xyxy
                yield replace(each, part_xyxy=(left - 6, top, right - 6, bottom))
            else:
                yield each

    monkeypatch.setattr(Detector, "_part_outputs", shifted)
    _, report = proven(tiled, tmp_path)
    failed = [row for row in report.rows if not row.passed]
    assert any("tiles 2x1" in row.over for row in failed)


def test_without_tiles_nothing_is_compared_in_tiles(judged: Gate) -> None:
    assert judged.tiled == []
    assert tiled_parity.tiled_frames(judged.reference) == []
    assert not any("tiles" in row.over for row in judged.rows)


def test_a_package_with_tiles_is_written_checked_and_run_with_them(
    tiled: Checkpoint, shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, package = tmp_path / "tiled.safetensors", tmp_path / "package"
    save_checkpoint(tiled, checkpoint)
    words = ["export", str(checkpoint), "--data", str(shapes_folder), "--end-to-end"]
    assert main([*words, "--out", str(package)]) == 0
    assert "tiles 2x1" in capsys.readouterr().out
    assert main(["check", str(package)]) == 0
    picture = next((shapes_folder / "images").rglob("*.png"), None) or next(
        shapes_folder.rglob("*.jpg")
    )
    out = tmp_path / "out.ndjson"
    for variant in ("fp32", "end-to-end"):
        words = ["run", str(package), str(picture), "--variant", variant, "--ndjson", str(out)]
        assert main(words) == 0
        assert json.loads(out.read_text())["inferences"] == 3
