"""Files with suppression in the graph: proven, checked on a device, and of one mind with theirs."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from shapes import Shapes

from spotlet import Detector
from spotlet.cli import main
from spotlet.errors import GateError, UsageError
from spotlet.session import ModelSession
from spotlet.verification import check_model
from spotlet_export import end_to_end, gate
from spotlet_export.exporting import Export, ExportSettings, export_package
from spotlet_export.suppression import SUPPRESSION, with_suppression
from spotlet_training.checkpoint import Checkpoint

Plant = Callable[[onnx.ModelProto], None]
FILES = ["model.onnx", "model.int8.onnx", "model.end2end.onnx", "model.int8.end2end.onnx"]


@pytest.fixture(scope="module")
def exported(
    checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Export]:
    package = tmp_path_factory.mktemp("end2end") / "shapes"
    settings = ExportSettings(int8_budget=0.05, end_to_end=True)
    done = export_package(checkpoint, package, Shapes(8, seed=1), settings, calibrate_on=Shapes(16))
    return package, done


@pytest.fixture
def package(exported: tuple[Path, Export], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(exported[0], tmp_path / "shapes"))


def test_every_file_is_there_a_second_time_and_proven(exported: tuple[Path, Export]) -> None:
    folder, done = exported
    assert done.report.passed
    record = json.loads((folder / "parity.json").read_text("utf-8"))
    assert list(record["files"]) == FILES
    for variant, name in (("end-to-end", FILES[2]), ("int8-end-to-end", FILES[3])):
        entry = record["files"][name]
        assert entry["variant"] == variant
        rows = {row["name"]: row for row in entry["rows"]}
        assert rows["detections without a partner, share"]["limit"] == 0
        assert "37 frames, batch 1 and 8" in rows["detections, least IoU"]["over"]
        assert rows["outputs unlike the contract"]["passed"]
        assert "probe" not in entry
        assert check_model(folder, variant=variant).passed
        manifest = Detector(folder, variant=variant).manifest
        assert (manifest.output.form, manifest.parity["variant"]) == ("detections", variant)
    assert Detector(folder).manifest.output.form == "cells"
    assert set(record["quantisation"]["latency"]) == {"fp32_ms", "int8_ms", "ratio", "threads"}


@pytest.mark.parametrize("pair", [("fp32", "end-to-end"), ("int8", "int8-end-to-end")])
def test_its_detector_finds_what_the_other_finds(
    exported: tuple[Path, Export], pair: tuple[str, str]
) -> None:
    cells, suppressed = (Detector(exported[0], variant=variant) for variant in pair)
    frames = [Shapes(6, seed=3).load(n).image_bgr for n in range(6)]
    found = 0
    for want, got in zip(cells.detect(frames), suppressed.detect(frames), strict=True):
        assert np.allclose(want.boxes_xyxy, got.boxes_xyxy, atol=1e-3)
        assert np.allclose(want.scores, got.scores, atol=1e-5)
        assert np.array_equal(want.class_ids, got.class_ids)
        found += len(want)
    assert found > 5


def test_rules_that_are_looser_than_the_graph_are_refused(exported: tuple[Path, Export]) -> None:
    rule = Detector(exported[0]).rule
    with pytest.raises(UsageError, match="suppressed with"):
        Detector(exported[0], variant="end-to-end", score_threshold=rule.score_threshold / 2)
    stricter = Detector(exported[0], variant="end-to-end", max_detections=1)
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


def forget_the_rest(model: onnx.ModelProto) -> None:
    """Leaves in the rows beyond the count what the candidates were."""
    constant(model, "no_class", 1)


def mix_up_frames(model: onnx.ModelProto) -> None:
    """Gives every frame of a batch the first one's boxes."""
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first")
    model.graph.initializer.append(first)
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "boxes":
                node.output[index] = "boxes_mixed"
    model.graph.node.extend(
        [
            onnx.helper.make_node("Gather", ["boxes_mixed", "first"], ["boxes_first"], axis=0),
            onnx.helper.make_node("Shape", ["boxes_mixed"], ["boxes_shape"]),
            onnx.helper.make_node("Expand", ["boxes_first", "boxes_shape"], ["boxes"]),
        ]
    )


@pytest.mark.parametrize(
    "plant",
    [
        suppress_nothing,
        suppress_too_much,
        keep_low_scores,
        keep_few,
        forget_the_rest,
        mix_up_frames,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_fault_of_the_suppression_is_caught_and_nothing_written(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plant: Plant
) -> None:
    def faulty(model: onnx.ModelProto) -> onnx.ModelProto:
        joined = with_suppression(model)
        plant(joined)
        return joined

    monkeypatch.setattr(gate, "with_suppression", faulty)
    monkeypatch.setattr(end_to_end, "with_suppression", faulty)
    with pytest.raises(GateError, match="nothing written: end-to-end") as caught:
        export_package(
            checkpoint,
            tmp_path / "package",
            Shapes(8, seed=1, class_names=("box", "ball")),
            ExportSettings(end_to_end=True, golden="generated"),
        )
    assert "fp32" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def damage(path: Path, plant: Plant) -> None:
    """Changes a file and lets `parity.json` know its checksum, as a faulty device would look."""
    import hashlib

    model = onnx.load(path)
    plant(model)
    path.write_bytes(model.SerializeToString())
    parity = path.parent / "parity.json"
    record = json.loads(parity.read_text("utf-8"))
    record["files"][path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    parity.write_text(json.dumps(record), "utf-8")


def move_the_boxes(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "network/boxes":
                node.output[index] = "network/boxes_before"
    shift = numpy_helper.from_array(np.float32(0.05), "shift")
    model.graph.initializer.append(shift)
    at = next(n for n, node in enumerate(model.graph.node) if "network/boxes_before" in node.output)
    add = onnx.helper.make_node("Add", ["network/boxes_before", "shift"], ["network/boxes"])
    model.graph.node.insert(at + 1, add)


def halve_the_scores(model: onnx.ModelProto) -> None:
    constant(model, "low", 0.5)


@pytest.mark.parametrize("name", FILES[2:])
@pytest.mark.parametrize("plant", [move_the_boxes, suppress_nothing, keep_few, mix_up_frames])
def test_damage_that_only_the_frames_can_tell_fails_the_check(
    package: Path, name: str, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_model(package / name).passed
    damage(package / name, plant)
    report = check_model(package / name)
    assert not report.passed
    assert report.failures[0].rule in (
        "golden frames give what they gave at the export",
        "a batch gives what single canvases give",
    )
    assert main(["check", str(package)]) == 3
    assert name in capsys.readouterr().err


def test_a_changed_byte_fails_the_check(package: Path) -> None:
    path = package / FILES[2]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not check_model(path).passed


def test_the_commands_take_the_variant(
    exported: tuple[Path, Export], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(exported[0])
    assert main(["check", folder]) == 0
    assert capsys.readouterr().out.count("PASS") == len(FILES)
    assert main(["info", folder, "--variant", "end-to-end"]) == 0
    told = capsys.readouterr().out
    assert "suppressed in the graph" in told
    assert "int8-end-to-end model.int8.end2end.onnx" in told
    golden = str(exported[0] / "golden")
    out = tmp_path / "found.ndjson"
    arguments = ["run", folder, golden, "--variant", "int8-end-to-end", "--ndjson", str(out)]
    assert main(arguments) == 0
    assert len(out.read_text("utf-8").splitlines()) == 6
    bench = ["bench", folder, golden, "--variant", "end-to-end", "--seconds", "0.2"]
    assert main(bench) == 0


def test_the_command_makes_them(
    shapes_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "package"
    arguments = ["export", str(shapes_checkpoint), "--out", str(package), "--end-to-end"]
    assert main(arguments) == 0
    assert "model.end2end.onnx" in capsys.readouterr().out
    assert not (package / "model.int8.end2end.onnx").exists()
