"""Files with suppression in the graph: proven, checked on a device, and of one mind with theirs."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from shapes import Shapes

from spotlet import Detector
from spotlet.check import check_model, verification
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, Tolerances, choose_tolerances
from spotlet.cli import main
from spotlet.errors import GateError, UsageError
from spotlet.session import ModelSession
from spotlet_export.gate import end_to_end, gate
from spotlet_export.gate.gate import Gate
from spotlet_export.graph.suppression import SUPPRESSION, with_suppression

Plant = Callable[[onnx.ModelProto], None]
FILES = ["model.onnx", "model.int8.onnx", "model.end2end.onnx", "model.int8.end2end.onnx"]


@pytest.fixture
def package(exported: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(exported, tmp_path / "shapes"))


def test_every_file_is_there_a_second_time_and_proven(exported: Path) -> None:
    folder = exported
    record = json.loads((folder / "parity.json").read_text("utf-8"))
    assert list(record["files"]) == FILES
    for variant, name in (("end-to-end", FILES[2]), ("int8-end-to-end", FILES[3])):
        entry = record["files"][name]
        assert entry["variant"] == variant
        rows = {row["name"]: row for row in entry["rows"]}
        assert rows["detections without a partner, share"]["limit"] == 0
        assert "32 frames, batch 1 and 8" in rows["detections, least IoU"]["over"]
        assert rows["outputs that break the contract"]["passed"]
        assert "probe" not in entry
        assert check_model(folder, variant=variant).passed
        manifest = Detector(folder, variant=variant).manifest
        assert (manifest.output.form, manifest.parity["variant"]) == ("detections", variant)
    assert Detector(folder).manifest.output.form == "cells"
    measured = {"fp32_ms", "int8_ms", "ratio", "threads", "cpu", "instructions"}
    assert set(record["quantisation"]["latency"]) == measured


@pytest.mark.parametrize("pair", [("fp32", "end-to-end"), ("int8", "int8-end-to-end")])
def test_its_detector_finds_what_the_other_finds(exported: Path, pair: tuple[str, str]) -> None:
    cells, suppressed = (Detector(exported, variant=variant) for variant in pair)
    frames = [Shapes(6, seed=3).load(n).image_bgr for n in range(6)]
    found = 0
    for want, got in zip(cells.detect(frames), suppressed.detect(frames), strict=True):
        assert np.allclose(want.boxes_xyxy, got.boxes_xyxy, atol=1e-3)
        assert np.allclose(want.scores, got.scores, atol=1e-5)
        assert np.array_equal(want.class_ids, got.class_ids)
        found += len(want)
    assert found > 5


def test_rules_that_are_looser_than_the_graph_are_refused(exported: Path) -> None:
    rule = Detector(exported).rule
    with pytest.raises(UsageError, match="suppressed with"):
        Detector(exported, variant="end-to-end", score_threshold=rule.score_threshold / 2)
    detector, frame = Detector(exported, variant="end-to-end"), Shapes(4).load(0).image_bgr
    outputs, looser = detector.outputs(frame), replace(rule, every_class=True)
    with pytest.raises(UsageError, match=r"every class True: .* already suppressed with False"):
        detector.found_in(outputs, looser)
    assert len(detector.candidates(outputs, 0.0)) == len(detector(frame))
    stricter = Detector(exported, variant="end-to-end", max_detections=1)
    assert len(stricter(Shapes(4).load(0).image_bgr)) <= 1


def constant(model: onnx.ModelProto, name: str, value: object) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == SUPPRESSION + name:
            now = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(now, value), tensor.name))
            return
    raise AssertionError(name)


def suppress_nothing(model: onnx.ModelProto) -> None:
    constant(model, "iou_threshold", 1.0)


def suppress_too_much(model: onnx.ModelProto) -> None:
    constant(model, "iou_threshold", 0.01)


def keep_low_scores(model: onnx.ModelProto) -> None:
    constant(model, "least_score", 0.02)


def keep_few(model: onnx.ModelProto) -> None:
    constant(model, "most_candidates", 1)


def after(model: onnx.ModelProto, name: str, kind: str, *others: str) -> None:
    """Puts an operator over a tensor that all who read it then read changed."""
    nodes = model.graph.node
    at = next(n for n, node in enumerate(nodes) if name in node.output)
    made = list(nodes[at].output)
    nodes[at].output[made.index(name)] = f"{name}_before"
    nodes.insert(at + 1, onnx.helper.make_node(kind, [f"{name}_before", *others], [name]))


def leave_something_beyond_the_count(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e-9, np.float32), "bit"))
    after(model, "scores", "Max", "bit")


def mix_up_frames(model: onnx.ModelProto) -> None:
    """Gives every frame of a batch the first one's boxes."""
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), "first"))
    after(model, "boxes", "Gather", "first")
    nodes = model.graph.node
    next(node for node in nodes if "boxes" in node.output).output[0] = "boxes_first"
    nodes.append(onnx.helper.make_node("Shape", ["boxes_before"], ["boxes_shape"]))
    nodes.append(onnx.helper.make_node("Expand", ["boxes_first", "boxes_shape"], ["boxes"]))


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (suppress_nothing, "detections without a partner"),
        (suppress_too_much, "detections without a partner"),
        (keep_low_scores, "outputs that break the contract"),
        (keep_few, "detections without a partner"),
        (leave_something_beyond_the_count, "outputs that break the contract"),
        (mix_up_frames, "detections without a partner"),
    ],
    ids=lambda case: case.__name__ if callable(case) else "",
)
def test_a_fault_of_the_suppression_fails_its_row(
    judging: Gate,
    built: onnx.ModelProto,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant,
    message: str,
) -> None:
    def faulty(model: onnx.ModelProto) -> onnx.ModelProto:
        joined = with_suppression(model)
        plant(joined)
        return joined

    monkeypatch.setattr(gate, "with_suppression", faulty)
    monkeypatch.setattr(end_to_end, "with_suppression", faulty)
    judging.prove_end_to_end("fp32", built)
    assert message in [row.name.split(",")[0] for row in judging.rows if not row.passed]
    with pytest.raises(GateError, match="nothing written: end-to-end"):
        judging.require_passed()


def damage(path: Path, plant: Plant) -> None:
    """Changes a file and lets `parity.json` know its checksum, as a faulty device would look."""
    model = onnx.load(path)
    plant(model)
    path.write_bytes(model.SerializeToString())
    parity = path.parent / "parity.json"
    record = json.loads(parity.read_text("utf-8"))
    record["files"][path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    parity.write_text(json.dumps(record), "utf-8")


def move_the_boxes(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.05, np.float32), "shift"))
    after(model, "network/boxes", "Add", "shift")


@pytest.mark.parametrize("name", FILES[2:])
@pytest.mark.parametrize("plant", [move_the_boxes, suppress_nothing, keep_few])
def test_damage_that_only_the_frames_can_tell_fails_the_check(
    package: Path, name: str, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_model(package / name).passed
    damage(package / name, plant)
    report = check_model(package / name)
    assert not report.passed
    assert {row.rule for row in report.failures} <= {
        "the graph suppresses as the runtime does",
        "golden frames match the export",
        "a batch matches single canvases",
    }
    assert main(["check", str(package)]) == 3
    assert name in capsys.readouterr().err


def test_a_file_of_eight_bits_is_allowed_what_eight_bits_are(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Tolerances] = []

    def watched(session: ModelSession, parity: dict[str, Any] | None) -> Tolerances:
        chosen.append(choose_tolerances(session, parity))
        return chosen[-1]

    monkeypatch.setattr(verification, "choose_tolerances", watched)
    for variant in ("end-to-end", "int8-end-to-end"):
        check_model(exported, variant=variant)
    assert [each.same_machine for each in chosen] == [FP32_TOLERANCE, INT8_TOLERANCE]


def test_a_changed_byte_fails_the_check(package: Path) -> None:
    path = package / FILES[2]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not check_model(path).passed


def test_the_commands_take_the_variant(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(exported)
    assert main(["check", folder]) == 0
    assert capsys.readouterr().out.count("PASS") == len(FILES)
    assert main(["info", folder, "--variant", "end-to-end"]) == 0
    message = capsys.readouterr().out
    assert "suppressed in the graph" in message
    assert "int8-end-to-end model.int8.end2end.onnx" in message
    golden = str(exported / "golden")
    out = tmp_path / "found.ndjson"
    arguments = ["run", folder, golden, "--variant", "int8-end-to-end", "--ndjson", str(out)]
    assert main(arguments) == 0
    assert len(out.read_text("utf-8").splitlines()) == 6
    bench = ["bench", folder, golden, "--variant", "end-to-end", "--seconds", "0.2"]
    assert main(bench) == 0
