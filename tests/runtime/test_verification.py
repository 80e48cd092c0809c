import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlet.errors import ModelFileError
from spotlet.session import ModelSession, synthetic_canvases
from spotlet.verification import PROBE_CELLS, check_model, probe

Damage = Callable[[dict[str, Any]], None]


@pytest.fixture
def package(tmp_path: Path, save_squares_model: Callable[..., Path]) -> Path:
    """A model package as the export writes it."""
    model = save_squares_model(tmp_path / "model.onnx")
    parity = {
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "probe": probe(ModelSession(model)),
    }
    (tmp_path / "parity.json").write_text(json.dumps(parity))
    return tmp_path


def _rewrite(package: Path, damage: Damage) -> None:
    path = package / "parity.json"
    parity = json.loads(path.read_text())
    damage(parity)
    path.write_text(json.dumps(parity))


def test_an_unchanged_package_passes_every_rule(package: Path) -> None:
    report = check_model(package)
    assert report.passed
    assert [row.rule for row in report.rows if not row.passed] == []
    assert len(report.rows) == 6
    assert report.path == package / "model.onnx"
    assert report.provider == "CPUExecutionProvider"


def test_a_file_without_a_package_is_checked_by_itself(squares_model: Path) -> None:
    report = check_model(squares_model)
    assert report.passed
    assert len(report.rows) == 4


def test_a_model_of_batch_one_is_checked_too(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    assert check_model(save_squares_model(tmp_path / "one.onnx", batch=1)).passed


def test_the_probe_records_what_the_network_gives(squares_model: Path) -> None:
    session = ModelSession(squares_model)
    boxes, scores = session.run(synthetic_canvases(session.manifest.input.size_hw))
    recorded = probe(session)
    assert json.loads(json.dumps(recorded)) == recorded
    assert len(recorded) == len(boxes)
    for row, canvas_boxes, canvas_scores in zip(recorded, boxes, scores, strict=True):
        assert row["boxes_mean"] == pytest.approx(canvas_boxes.mean(), abs=1e-6)
        assert row["boxes_std"] == pytest.approx(canvas_boxes.std(), abs=1e-6)
        assert row["scores_mean"] == pytest.approx(canvas_scores.mean(), abs=1e-6)
        assert row["scores_max"] == canvas_scores.max()
        assert len(row["cells"]) == min(PROBE_CELLS, canvas_scores.size)
        cell, class_id, score, *box = row["cells"][0]
        assert score == canvas_scores.max() == canvas_scores[cell, class_id]
        assert box == canvas_boxes[cell].tolist()


def _score(parity: dict[str, Any]) -> None:
    parity["probe"][2]["cells"][0][2] += 0.002


def _box(parity: dict[str, Any]) -> None:
    parity["probe"][2]["cells"][0][3] += 0.002


def _mean(parity: dict[str, Any]) -> None:
    parity["probe"][4]["scores_mean"] += 0.002


def _not_a_number(parity: dict[str, Any]) -> None:
    parity["probe"][2]["cells"][1][4] = float("nan")


@pytest.mark.parametrize("damage", [_score, _box, _mean, _not_a_number])
def test_another_result_than_at_the_export_fails_its_row(package: Path, damage: Damage) -> None:
    _rewrite(package, damage)
    report = check_model(package)
    (failed,) = (row for row in report.rows if not row.passed)
    assert failed.rule == "synthetic canvases give what they gave at the export"
    assert "allowed 0.001" in failed.measured


def test_cells_recorded_in_another_order_pass(package: Path) -> None:
    _rewrite(package, lambda parity: parity["probe"][2]["cells"].reverse())
    assert check_model(package).passed


def test_a_changed_file_fails_its_row(package: Path) -> None:
    with (package / "model.onnx").open("ab") as file:
        file.write(b"\x72\x00")  # an empty metadata entry, which changes nothing it computes
    report = check_model(package)
    (failed,) = (row for row in report.rows if not row.passed)
    assert failed.rule == "the file is the one in parity.json"


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"probe": [{}]}', '{"probe": 3}'])
def test_a_damaged_parity_file_is_an_input_error(package: Path, text: str) -> None:
    (package / "parity.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"parity\.json"):
        check_model(package)
