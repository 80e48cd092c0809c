import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from compatibility.check_packages import CORRUPTED_BYTES, computing, corrupted, damages, resizing

from spotlet.boxes import FloatArray
from spotlet.check import CheckReport, CheckRow, check_model
from spotlet.check.golden import record_golden, write_golden
from spotlet.check.probe import PROBE_CELLS, record_probe, synthetic_canvases
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.cli import main
from spotlet.detector import Detector
from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.model.package import bundled_models, variants_of

Damage = Callable[[dict[str, Any]], None]

FILE_RULE = "the file is the one in parity.json"
BATCH_RULE = "a batch matches single canvases"
PROBE_RULE = "synthetic canvases match the export"
CANVAS_RULE = "golden frames are resized as at export"
GOLDEN_RULE = "golden frames match the export"


@pytest.fixture
def package(tmp_path: Path, save_squares_model: Callable[..., Path]) -> Path:
    """A model package as the export writes it."""
    model = save_squares_model(tmp_path / "model.onnx")
    parity = {
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "probe": record_probe(Detector(model)),
    }
    (tmp_path / "parity.json").write_text(json.dumps(parity))
    return tmp_path


@pytest.fixture
def whole_package(
    tmp_path: Path,
    save_squares_model: Callable[..., Path],
    draw_squares: Callable[..., ImageArray],
) -> Path:
    """A package of two variants and golden frames, as the newest export writes it."""
    frames = {
        "red": draw_squares((240, 320), red=(20, 30, 80, 90)),
        "none": draw_squares((90, 70)),
    }
    files, golden = {}, {}
    save_squares_model(tmp_path / "model.onnx")
    save_squares_model(tmp_path / "model.int8.onnx")
    for variant, tolerance in (("fp32", FP32_TOLERANCE), ("int8", INT8_TOLERANCE)):
        path = variants_of(tmp_path)[variant]
        golden[path.name] = record_golden(path, frames, tolerance)
        files[path.name] = {
            "variant": variant,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "probe": record_probe(Detector(path)),
            "probe_tolerance": tolerance.tensors,
        }
    (tmp_path / "parity.json").write_text(json.dumps({"schema": 2, "files": files}))
    write_golden(tmp_path / "golden", frames, golden)
    return tmp_path


def _failed(report: CheckReport) -> list[str]:
    assert report.passed == (not report.failures)
    return [row.rule for row in report.failures]


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
    detector = Detector(squares_model)
    boxes, scores = detector.session.run(synthetic_canvases(detector.manifest.input.size_hw))
    recorded = record_probe(detector)
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


@pytest.mark.parametrize("damage", [_score, _box, _mean])
def test_another_result_than_at_the_export_fails_its_row(package: Path, damage: Damage) -> None:
    _rewrite(package, damage)
    report = check_model(package)
    (failed,) = (row for row in report.rows if not row.passed)
    assert failed.rule == "synthetic canvases match the export"
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


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", "{}", '{"sha256": "", "probe": [{}]}', '{"sha256": "", "probe": 3}']
)
def test_a_damaged_parity_file_is_an_input_error(package: Path, text: str) -> None:
    (package / "parity.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"parity\.json"):
        check_model(package)


def test_a_whole_package_passes_every_rule_for_each_variant(whole_package: Path) -> None:
    for variant, path in variants_of(whole_package).items():
        report = check_model(whole_package, variant=variant)
        assert report.path == path
        assert _failed(report) == []
        assert [row.rule for row in report.rows][-3:] == [PROBE_RULE, CANVAS_RULE, GOLDEN_RULE]
        assert report.rows[-1].measured.startswith("2 of 2, largest difference ")
        assert report.recorded
        assert report.largest_difference is not None
        assert report.largest_difference < 1e-6
        assert check_model(path).rows == report.rows


def test_without_parity_golden_frames_are_replayed_and_the_lack_is_reported(
    whole_package: Path,
) -> None:
    (whole_package / "parity.json").unlink()
    report = check_model(whole_package)
    assert not report.recorded
    assert report.largest_difference is not None
    assert len(report.rows) == 6
    (whole_package / "model.onnx").write_bytes((whole_package / "model.int8.onnx").read_bytes())
    shutil.rmtree(whole_package / "golden")
    report = check_model(whole_package)
    assert not report.recorded
    assert report.largest_difference is None


def test_a_variant_that_is_not_there_is_an_error(package: Path) -> None:
    with pytest.raises(ModelFileError, match="has no int8 variant"):
        check_model(package, variant="int8")
    with pytest.raises(UsageError, match="must be one of"):
        check_model(package, variant="int4")


def test_a_file_that_the_package_knows_nothing_of_is_an_input_error(whole_package: Path) -> None:
    other = whole_package / "other.onnx"
    shutil.copy(whole_package / "model.onnx", other)
    with pytest.raises(ModelFileError, match=r"parity\.json: has no entry for other\.onnx"):
        check_model(other)
    (whole_package / "parity.json").unlink()
    (row,) = check_model(other).failures
    assert "golden.json: has no record of other.onnx" in row.measured


def test_what_is_missing_in_a_package_fails(
    whole_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = whole_package / "golden"
    golden.rename(whole_package / "elsewhere")
    (row,) = check_model(whole_package).failures
    assert "golden.json: cannot be read" in row.measured
    (whole_package / "elsewhere").rename(golden)
    assert main(["check", str(whole_package)]) == 0
    (whole_package / "model.int8.onnx").unlink()
    assert main(["check", str(whole_package)]) == 3
    assert "model.int8.onnx: parity.json lists it, but it is missing" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 900])
def test_a_cut_file_fails_and_the_other_is_still_judged(
    whole_package: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    model = whole_package / "model.onnx"
    model.write_bytes(model.read_bytes()[:size])
    assert main(["check", str(whole_package)]) == 3
    printed = capsys.readouterr()
    assert "FAIL  the file is the one in parity.json" in printed.out
    assert "FAIL  the model can be loaded" in printed.out
    assert "PASS: largest difference" in printed.out


def test_a_provider_that_is_not_there_is_no_pass(
    whole_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(whole_package), "--provider", "TensorRT"]) == 2
    assert "not in this onnxruntime" in capsys.readouterr().err


def _edit_file(package: Path, name: str, **changes: object) -> None:
    path = package / "parity.json"
    content = json.loads(path.read_text())
    content["files"][name] |= changes
    path.write_text(json.dumps({**content}))


@pytest.mark.parametrize("tolerance", [None, "0.1", -1, 2, True])
def test_a_tolerance_that_is_none_is_an_input_error(whole_package: Path, tolerance: object) -> None:
    _edit_file(whole_package, "model.onnx", probe_tolerance=tolerance)
    with pytest.raises(ModelFileError, match=r"probe_tolerance .* for model\.onnx; export"):
        check_model(whole_package)
    assert check_model(whole_package, variant="int8").passed


def _scores_lower_by(difference: float) -> Callable[..., tuple[FloatArray, FloatArray]]:
    def change(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        return boxes, np.clip(scores - np.float32(difference), 0, 1)

    return change


@pytest.mark.parametrize(
    ("variant", "difference", "failed"),
    [
        ("fp32", 0.00005, []),
        ("fp32", 0.0002, [PROBE_RULE, GOLDEN_RULE]),
        ("int8", 0.01, []),
        ("int8", 0.04, [PROBE_RULE, GOLDEN_RULE]),
    ],
)
def test_each_variant_has_the_tolerance_of_its_record(
    whole_package: Path, variant: str, difference: float, failed: list[str]
) -> None:
    with computing(_scores_lower_by(difference)):
        report = check_model(whole_package, variant=variant)
    assert _failed(report) == failed
    assert report.largest_difference == pytest.approx(difference, rel=0.01)


@pytest.mark.parametrize(
    ("variant", "difference", "failed"),
    [
        ("fp32", 0.00005, []),
        ("fp32", 0.0002, [BATCH_RULE]),
        ("int8", 0.01, []),
        ("int8", 0.04, [BATCH_RULE]),
    ],
)
def test_a_batch_may_differ_by_what_the_variant_may(
    whole_package: Path, variant: str, difference: float, failed: list[str]
) -> None:
    def change(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        lower = _scores_lower_by(difference) if len(scores) > 1 else _scores_lower_by(0)
        return lower(boxes, scores)

    _edit_file(whole_package, "model.onnx", probe_tolerance=1e-3)
    with computing(change):
        assert _failed(check_model(whole_package, variant=variant)) == failed


@pytest.mark.parametrize(("difference", "failed"), [(0.005, []), (0.02, [BATCH_RULE])])
def test_a_batch_of_a_network_in_float16_may_differ_by_what_was_recorded(
    whole_package: Path, difference: float, failed: list[str]
) -> None:
    def change(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        lower = _scores_lower_by(difference) if len(scores) > 1 else _scores_lower_by(0)
        return lower(boxes, scores)

    _edit_file(whole_package, "model.onnx", probe_tolerance=0.01)
    with computing(change):
        assert _failed(check_model(whole_package)) == failed


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_outputs_that_are_no_numbers_pass_no_rule_about_numbers(
    whole_package: Path, variant: str, value: float
) -> None:
    def change(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        return boxes, scores + np.float32(value)

    with computing(change):
        report = check_model(whole_package, variant=variant)
    assert {BATCH_RULE, PROBE_RULE, GOLDEN_RULE} <= set(_failed(report))
    assert "outputs are finite and in [0, 1]" in _failed(report)


@pytest.mark.parametrize("name", sorted(set(bundled_models()) - {"garments"}))
def test_the_model_of_another_package_fails_and_is_no_error(tmp_path: Path, name: str) -> None:
    package = shutil.copytree(bundled_models()["garments"], tmp_path / "garments")
    shutil.copy(bundled_models()[name] / "model.onnx", package)
    assert {FILE_RULE, PROBE_RULE} <= set(_failed(check_model(package)))


def test_recorded_cells_that_are_not_there_fail_their_row(package: Path) -> None:
    def beyond(parity: dict[str, Any]) -> None:
        parity["probe"][0]["cells"][0][0] = 10_000

    _rewrite(package, beyond)
    (row,) = check_model(package).failures
    assert row.rule == PROBE_RULE
    assert "not the same model" in row.measured


def test_a_canvas_that_differs_by_a_grey_level_is_a_warning_with_its_effect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with resizing(cv2.INTER_LINEAR):  # rounds differently unless the scale is a whole number
        assert main(["check", "garments", "--variant", "fp32"]) == 0
    *_, canvas, network, verdict = capsys.readouterr().out.splitlines()
    assert canvas.startswith(f"  warn  {CANVAS_RULE}: ")
    assert "of 6 canvases are the same; drawn-" in canvas
    assert "up to 1 grey level apart, this OpenCV resizes differently; boxes move by" in canvas
    assert network.startswith(f"  ok    {GOLDEN_RULE}: 6 of 6, largest difference ")
    assert verdict.startswith("PASS, 1 warning")


def test_the_kinds_of_damage_that_make_test_compat_plants_all_fail(
    tmp_path: Path,
) -> None:
    package = shutil.copytree(bundled_models()["garments"], tmp_path / "garments")
    shutil.rmtree(package / "golden")
    rng = np.random.default_rng(0)
    blots = np.kron(rng.integers(0, 256, (9, 13, 3)), np.ones((37, 41, 1))).astype(np.uint8)
    record = record_golden(package / "model.onnx", {"blots": blots}, FP32_TOLERANCE)
    write_golden(package / "golden", {"blots": blots}, {"model.onnx": record})
    for parity in (True, False):
        if not parity:
            (package / "parity.json").unlink()
        for name, damage in damages(bundled_models()["cells"] / "model.onnx").items():
            with damage(package / "model.onnx"):
                failed = _failed(check_model(package))
            assert failed[-1] == (CANVAS_RULE if "resizes" in name else GOLDEN_RULE)
            assert (FILE_RULE in failed) == (parity and name.endswith("model")), name
        assert check_model(package).passed


def test_a_file_with_other_weights_still_loads() -> None:
    content = (bundled_models()["garments"] / "model.onnx").read_bytes()
    changed = corrupted(content)
    assert len(changed) == len(content)
    assert sum(a != b for a, b in zip(changed, content, strict=True)) == CORRUPTED_BYTES


def test_the_largest_difference_of_a_report_passes_over_no_nan() -> None:
    rows = [CheckRow("", False, "", value) for value in (0.1, float("nan"), 0.2, None)]
    report = CheckReport(Path("model.onnx"), "CPUExecutionProvider", tuple(rows), True)
    assert np.isnan(report.largest_difference or 0.0)
    rows = [CheckRow("", True, "", value) for value in (0.1, 0.2, None)]
    assert CheckReport(Path("x"), "", tuple(rows), True).largest_difference == 0.2
