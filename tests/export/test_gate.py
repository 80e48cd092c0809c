"""The gate lets the right network through, and nothing else."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from shapes import Shapes

from spotlet import Detector
from spotlet.boxes import FloatArray
from spotlet.cli import main
from spotlet.detections import Detections
from spotlet.errors import GateError, OutputError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.verification import check_model
from spotlet_export import exporting
from spotlet_export.frames import check_frames
from spotlet_export.parity import agree
from spotlet_export.report import Report, Row
from spotlet_training.checkpoint import Checkpoint, load_checkpoint
from spotlet_training.settings import TrainingSettings
from spotlet_training.training import BEST_CHECKPOINT, train

Plant = Callable[[onnx.ModelProto], None]


@pytest.fixture
def export_with(
    monkeypatch: pytest.MonkeyPatch,
    built: onnx.ModelProto,
    checkpoint: Checkpoint,
    shapes: Shapes,
    tmp_path: Path,
) -> Callable[..., Report]:
    """Exports through the gate, with a fault planted in the graph; returns the report."""

    def export(plant: Plant = lambda _: None) -> Report:
        def faulty(_network: object, _manifest: Manifest) -> onnx.ModelProto:
            model = copy.deepcopy(built)
            plant(model)
            return model

        monkeypatch.setattr(exporting, "build_graph", faulty)
        reports: list[Report] = []
        package = tmp_path / "package"
        exporting.export_package(checkpoint, package, shapes, on_report=reports.append)
        return reports[0]

    return export


def test_the_same_network_passes_and_its_package_is_whole(
    export_with: Callable[..., Report], tmp_path: Path
) -> None:
    report = export_with()
    assert report.passed
    package = tmp_path / "package"
    assert sorted(path.name for path in package.iterdir()) == [
        "CARD.md",
        "model.onnx",
        "parity.json",
    ]
    parity = json.loads((package / "parity.json").read_text("utf-8"))
    assert parity["passed"] is True
    assert len(parity["rows"]) == len(report.rows) == 12
    assert check_model(package).passed
    assert [path.name for path in tmp_path.iterdir()] == ["package"]
    assert Detector(package).manifest.parity["passed"] is True


def _weight(model: onnx.ModelProto) -> onnx.TensorProto:
    found: onnx.TensorProto = next(t for t in model.graph.initializer if len(t.dims) == 4)
    return found


def perturb_one_weight(model: onnx.ModelProto) -> None:
    tensor = _weight(model)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[5] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def round_weights_to_float16(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def swap_colour_order(model: onnx.ModelProto) -> None:
    """Feeds the network RGB, as an exporter that also converts colours would."""
    indices = numpy_helper.from_array(np.array([2, 1, 0], np.int64), "rgb_order")
    model.graph.initializer.append(indices)
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            if name == "image":
                node.input[position] = "image_rgb"
    model.graph.node.insert(
        0, helper.make_node("Gather", ["image", "rgb_order"], ["image_rgb"], axis=3)
    )


def drop_an_activation(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"


def _replace_output(model: onnx.ModelProto, output: str, order: list[int]) -> None:
    for node in model.graph.node:
        for position, name in enumerate(node.output):
            if name == output:
                node.output[position] = f"{output}_before"
    indices = numpy_helper.from_array(np.array(order, np.int64), f"{output}_order")
    model.graph.initializer.append(indices)
    model.graph.node.append(
        helper.make_node("Gather", [f"{output}_before", f"{output}_order"], [output], axis=2)
    )


def transpose_boxes(model: onnx.ModelProto) -> None:
    _replace_output(model, "boxes", [1, 0, 3, 2])


def swap_the_classes(model: onnx.ModelProto) -> None:
    _replace_output(model, "scores", [1, 0])


@pytest.mark.parametrize(
    "plant",
    [
        perturb_one_weight,
        round_weights_to_float16,
        swap_colour_order,
        drop_an_activation,
        transpose_boxes,
        swap_the_classes,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_fault_in_the_graph_is_caught_and_nothing_written(
    export_with: Callable[..., Report], tmp_path: Path, plant: Plant
) -> None:
    with pytest.raises(GateError, match="nothing written: tensor"):
        export_with(plant)
    assert list(tmp_path.iterdir()) == []


def forget_the_padding(self: Letterbox, boxes_xyxy: FloatArray) -> FloatArray:
    scale_y = self.resized_hw[0] / self.frame_hw[0]
    scale_x = self.resized_hw[1] / self.frame_hw[1]
    scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
    moved: FloatArray = boxes_xyxy / scale
    return moved


def test_a_runtime_that_forgets_the_padding_is_caught(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Letterbox, "to_frame", forget_the_padding)
    with pytest.raises(GateError, match="nothing written: detections"):
        export_with()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_swaps_colours_is_caught(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = Detector.__call__

    def swapped(self: Detector, frame_bgr: ImageArray) -> Detections:
        return right(self, np.ascontiguousarray(frame_bgr[..., ::-1]))

    monkeypatch.setattr(Detector, "__call__", swapped)
    with pytest.raises(GateError, match="nothing written: detections"):
        export_with()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_resizes_otherwise_is_caught(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Letterbox.apply

    def nearest(self: Letterbox, frame: ImageArray, out: ImageArray | None = None) -> ImageArray:
        other = Letterbox(self.frame_hw, self.canvas_hw, "nearest", self.pad_value)
        return right(other, frame, out)

    monkeypatch.setattr(Letterbox, "apply", nearest)
    with pytest.raises(GateError, match="nothing written: detections"):
        export_with()


def test_a_failing_gate_leaves_an_older_package_alone(
    export_with: Callable[..., Report], tmp_path: Path
) -> None:
    export_with()
    older = {path: path.read_bytes() for path in (tmp_path / "package").iterdir()}
    with pytest.raises(GateError):
        export_with(transpose_boxes)
    assert {path: path.read_bytes() for path in (tmp_path / "package").iterdir()} == older


def test_a_figure_that_is_no_number_does_not_pass() -> None:
    rows = [
        Row(name="a", over="b", measured=float("nan"), limit=1.0, at_least=at_least)
        for at_least in (True, False)
    ]
    assert not any(row.passed for row in rows)
    assert not Report(()).passed


def test_frames_have_at_least_three_sizes_and_twenty_are_real() -> None:
    frames = check_frames(Shapes(40))
    real = [frame for frame in frames if frame.real]
    assert len(real) >= 20
    assert len({frame.image_bgr.shape for frame in real}) >= 3
    assert len({frame.name for frame in frames}) == len(frames)


def test_the_command_exits_with_3_and_says_which_row_failed(
    shapes_checkpoint: Path,
    shapes_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["export", str(shapes_checkpoint), "--data", str(shapes_folder)]
    package = tmp_path / "package"
    with monkeypatch.context() as planted:
        planted.setattr(Letterbox, "to_frame", forget_the_padding)
        assert main([*arguments, "--out", str(package)]) == 3
    printed = capsys.readouterr()
    assert "FAIL" in printed.out
    assert "nothing written" in printed.err
    assert list(tmp_path.iterdir()) == []
    notes = tmp_path / "notes.md"
    assert main([*arguments, "--out", str(package), "--notes", str(notes)]) == 4
    assert "cannot be read" in capsys.readouterr().err
    notes.write_text("Pictures: my own, CC0.")
    assert main([*arguments, "--out", str(package), "--notes", str(notes)]) == 0
    assert "PASS" in capsys.readouterr().out
    assert "Pictures: my own, CC0." in (package / "CARD.md").read_text("utf-8")
    properties = onnx.load(package / "model.onnx").metadata_props
    assert [item.key for item in properties] == [METADATA_KEY]


def test_a_folder_with_other_things_in_it_is_left_alone(
    export_with: Callable[..., Report], tmp_path: Path
) -> None:
    package = tmp_path / "package"
    export_with()
    (package / "notes.txt").write_text("licence of my photographs")
    with pytest.raises(OutputError, match=r"holds notes.txt"):
        export_with()
    assert (package / "notes.txt").read_text() == "licence of my photographs"
    (package / "notes.txt").unlink()
    assert export_with().passed


def detections_of(*rows: tuple[float, ...]) -> Detections:
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[4] for row in rows], np.float32)
    return Detections(boxes, scores, np.zeros(len(rows), np.int64), ("thing",))


def test_agreement_is_what_one_counts_by_hand() -> None:
    wanted = detections_of((0, 0, 10, 10, 0.9), (20, 20, 30, 30, 0.5))
    found = detections_of((0, 0, 10, 9, 0.8), (50, 50, 60, 60, 0.4))
    agreement = agree(wanted, found)
    assert agreement.unmatched == 2
    assert agreement.least_iou == pytest.approx(0.9)
    assert agreement.score_difference == pytest.approx(0.1)
    assert agree(wanted, wanted).passed
    assert agree(detections_of(), detections_of()).passed
    assert not agree(wanted, detections_of()).passed


def test_noise_on_a_sliver_is_no_disagreement() -> None:
    """0.0006 pixels of width at the border: IoU 0.98, and nobody's pixel."""

    def sliver(width: float) -> Detections:
        box = np.array([[0, 188.9, width, 357.1]], np.float32)
        return Detections(box, np.array([0.5], np.float32), np.array([0]), ("a",))

    assert agree(sliver(0.00063), sliver(0.00064)).passed
    assert not agree(sliver(1.0), sliver(1.02)).passed


@pytest.mark.parametrize("seed", [0, 1])
def test_a_network_that_hardly_knows_anything_passes_too(
    shapes: Shapes, tmp_path: Path, seed: int
) -> None:
    """Its scores lie close together, where float noise decides which of two cells is best."""
    settings = TrainingSettings(
        epochs=2, size_hw=(96, 96), batch_size=4, seed=seed, device="cpu", precision="float32"
    )
    train(shapes, shapes, settings, tmp_path)
    weak = load_checkpoint(tmp_path / BEST_CHECKPOINT)
    assert exporting.export_package(weak, tmp_path / "package", shapes).report.passed
