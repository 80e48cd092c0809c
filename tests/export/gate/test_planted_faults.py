"""Every fault of the catalogue is in a row of the gate's, and what is no fault is in none."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from benchmarks.export_faults.catalogue import catalogue

from spotlet.session import ModelSession
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.report import Report
from spotlet_export.gate.rules import compare_rules
from spotlet_export.gate.tensor_parity import compare_tensors
from spotlet_export.gate.variants import FP32_LIMITS, INT8, Limits, int8_limits

FAULTS = catalogue()
HIDDEN = ["half_pixel", "silent_class", "head_zeroed"]
"""Faults that the limits on means leave room for."""

Judge = Callable[..., Report]


@pytest.fixture
def judge(judging: Gate, built: onnx.ModelProto, tmp_path: Path) -> Judge:
    """Plants a fault and returns the rows that need no labels and no image files."""

    def judge(name: str | None, limits: Limits = FP32_LIMITS, variant: str = "fp32") -> Report:
        file = tmp_path / "planted.onnx"
        planted = built if name is None else FAULTS[name].plant(built)
        file.write_bytes(planted.SerializeToString())
        session = ModelSession(file)
        rules = compare_rules(judging.checkpoint, session.manifest, variant)
        return Report((rules, *compare_tensors(judging.reference, session, limits, variant)))

    return judge


@pytest.mark.parametrize("name", FAULTS)
def test_the_gate_objects_to_each_fault_and_to_no_control(judge: Judge, name: str) -> None:
    assert judge(name).passed == (FAULTS[name].kind == "control")


@pytest.mark.parametrize("name", HIDDEN)
def test_what_rounding_does_not_do_is_noticed_without_labels(judge: Judge, name: str) -> None:
    failed = [row.name for row in judge(name, int8_limits(0.01), INT8).failures]
    assert any(word in row for row in failed for word in ("median move", "worst"))


def test_a_sound_file_is_within_the_limits_of_eight_bits(judge: Judge) -> None:
    report = judge(None, int8_limits(0.01), INT8)
    assert report.passed
    assert sum("worst" in row.name or "median" in row.name for row in report.rows) == 3


def test_rows_of_another_shape_are_left_to_the_tensors(judge: Judge) -> None:
    report = judge("level_dropped", int8_limits(0.01), INT8)
    assert {row.measured for row in report.failures} == {float("inf")}
