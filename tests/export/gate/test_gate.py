"""The gate lets the right network through, and nothing else."""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from graph_faults import (
    drop_an_activation,
    perturb_one_weight,
    round_weights_to_float16,
    swap_colour_order,
    swap_the_classes,
    transpose_boxes,
)
from shapes import Shapes

from spotlet import Detector
from spotlet.boxes import FloatArray
from spotlet.check import check_model
from spotlet.check.golden import record_golden
from spotlet.cli import main
from spotlet.detections import Detections
from spotlet.errors import DatasetError, GateError, OutputError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.tiles import TileSettings
from spotlet_export import exporting
from spotlet_export.commands.export import gate_sets
from spotlet_export.exporting import ExportSettings
from spotlet_export.gate.frames import check_frames
from spotlet_export.gate.report import Report, Row
from spotlet_export.package import packaging
from spotlet_export.package.describing import make_manifest
from spotlet_training.datasets import open_dataset, open_splits
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.checkpoint import Checkpoint, load_checkpoint
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

    def export(
        plant: Plant = lambda _: None,
        *,
        int8: bool = False,
        budget: float = 0.05,
        labels: bool = True,
    ) -> Report:
        def faulty(_network: object, _manifest: Manifest) -> onnx.ModelProto:
            model = copy.deepcopy(built)
            plant(model)
            return model

        monkeypatch.setattr(exporting, "build_graph", faulty)
        reports: list[Report] = []
        exporting.export_package(
            checkpoint,
            tmp_path / "package",
            shapes if labels else replace(shapes, class_names=("box", "ball")),
            ExportSettings(int8_budget=budget, golden="generated"),
            calibrate_on=shapes if int8 else None,
            on_report=reports.append,
        )
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
        "golden",
        "letterbox.png",
        "model.onnx",
        "parity.json",
    ]
    assert len(list((package / "golden").glob("*.png"))) == 6
    parity = json.loads((package / "parity.json").read_text("utf-8"))
    assert parity["passed"] is True
    entry = parity["files"]["model.onnx"]
    assert len(entry["rows"]) == len(report.rows) == 14
    assert entry["accuracy"]["before"]["ap"] == pytest.approx(
        entry["accuracy"]["after"]["ap"], abs=5e-4
    )
    assert check_model(package).passed
    assert [path.name for path in tmp_path.iterdir()] == ["package"]
    assert Detector(package).manifest.parity["passed"] is True


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
    with pytest.raises(GateError, match="nothing written: fp32 tensor") as caught:
        export_with(plant)
    assert "train longer" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: replace(m, classes=m.classes[::-1]), "classes"),
        (lambda m: replace(m, input=replace(m.input, pad_value=0)), "pad value"),
        (lambda m: replace(m, input=replace(m.input, interpolation="nearest")), "interpolation"),
        (lambda m: replace(m, detection=replace(m.detection, iou_threshold=0.9)), "NMS overlap"),
        (
            lambda m: replace(m, detection=replace(m.detection, score_threshold=0.95)),
            "score threshold",
        ),
        (lambda m: replace(m, tiles=TileSettings(layout="2x1")), "tiles"),
    ],
    ids=["classes", "pad value", "interpolation", "iou", "score", "tiles"],
)
def test_a_manifest_that_contradicts_the_training_is_caught(
    checkpoint: Checkpoint,
    built: onnx.ModelProto,
    shapes: Shapes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Callable[[Manifest], Manifest],
    message: str,
) -> None:
    """The witness follows the manifest, so without labels nothing else would see it."""

    def described(trained: Checkpoint, name: str) -> Manifest:
        return change(make_manifest(trained, name))

    def carrying(_network: object, manifest: Manifest) -> onnx.ModelProto:
        model = copy.deepcopy(built)
        onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
        return model

    monkeypatch.setattr(exporting, "make_manifest", described)
    monkeypatch.setattr(exporting, "build_graph", carrying)
    unlabelled = replace(shapes, class_names=("box", "ball"))
    with pytest.raises(GateError, match=f"that differ from the training .13 rules; {message}"):
        exporting.export_package(checkpoint, tmp_path / "package", unlabelled)
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_checked_as_on_a_device(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file that is proven and the one that is written differ in their metadata."""
    right = record_golden

    def of_another(*arguments: object) -> dict[str, object]:
        record = right(*arguments)  # type: ignore[arg-type]
        first = next(iter(record["frames"].values()))
        first["scores"]["means"][0] += 0.1
        return record

    monkeypatch.setattr(packaging, "record_golden", of_another)
    with pytest.raises(GateError, match="as written, does not pass"):
        export_with()
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
    with pytest.raises(GateError, match=r"nothing written: fp32 detections.*: train longer"):
        export_with()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_swaps_colours_is_caught(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = Detector.__call__

    def swapped(self: Detector, frame_bgr: ImageArray) -> Detections:
        return right(self, np.ascontiguousarray(frame_bgr[..., ::-1]))

    monkeypatch.setattr(Detector, "__call__", swapped)
    with pytest.raises(GateError, match="nothing written: fp32 detections"):
        export_with()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_resizes_differently_is_caught(
    export_with: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Letterbox.apply

    def nearest(self: Letterbox, frame: ImageArray, out: ImageArray | None = None) -> ImageArray:
        other = Letterbox(self.frame_hw, self.canvas_hw, "nearest", self.pad_value)
        return right(other, frame, out)

    monkeypatch.setattr(Letterbox, "apply", nearest)
    with pytest.raises(GateError, match="nothing written: fp32 detections"):
        export_with()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_failing_gate_leaves_an_older_package_alone(
    export_with: Callable[..., Report], tmp_path: Path
) -> None:
    export_with()
    older = contents(tmp_path / "package")
    with pytest.raises(GateError):
        export_with(transpose_boxes)
    assert contents(tmp_path / "package") == older


def test_a_figure_that_is_no_number_does_not_pass() -> None:
    rows = [
        Row(variant="fp32", name="a", over="b", measured=float("nan"), limit=1.0, at_least=at_least)
        for at_least in (True, False)
    ]
    assert not any(row.passed for row in rows)
    assert not Report(()).passed


def test_frames_have_at_least_three_sizes_and_twenty_are_real() -> None:
    frames = check_frames(lambda index: Shapes(40).load(index).image_bgr, 40)
    real = [frame for frame in frames if frame.real]
    assert len(real) >= 20
    assert len({frame.image_bgr.shape for frame in real}) >= 3
    assert len({frame.name for frame in frames}) == len(frames)


def test_the_command_exits_with_3_and_says_which_row_failed(
    exported: Path,
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
    licence = tmp_path / "LICENSE"
    licence.write_text("mine")
    shutil.copytree(exported, package)  # an earlier package, with what was attached to it
    words = ["--out", str(package), "--notes", str(notes), "--attach", str(licence)]
    assert main([*arguments, *words]) == 0
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


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_network_that_hardly_knows_anything_passes_too(
    shapes: Shapes, tmp_path: Path, seed: int
) -> None:
    """Its scores lie close together, where float noise decides which of two cells is best."""
    settings = TrainingSettings(
        epochs=2, size_hw=(96, 96), batch_size=4, seed=seed, device="cpu", precision="float32"
    )
    train(shapes, shapes, settings, tmp_path)
    weak = load_checkpoint(tmp_path / BEST_CHECKPOINT)
    unlabelled = replace(shapes, class_names=("box", "ball"))
    assert exporting.export_package(weak, tmp_path / "package", unlabelled).report.passed


def test_the_set_of_an_export_is_read_in_the_order_of_the_model(
    shapes_folder: Path, tmp_path: Path
) -> None:
    turned = tmp_path / "turned"
    shutil.copytree(shapes_folder, turned)
    (turned / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [disc, square]\n"
    )
    for file in turned.rglob("*.txt"):
        lines = [f"{1 - int(line[0])}{line[1:]}" for line in file.read_text().splitlines()]
        file.write_text("\n".join(lines))
    own, order = open_dataset(shapes_folder, "val"), ("square", "disc")
    assert open_dataset(turned, "val").class_names != own.class_names
    read, calibrated = gate_sets(open_splits(turned), order, int8=True)
    assert calibrated is not None
    assert read.class_names == order
    for index in range(len(own)):
        assert read.load(index).class_ids.tolist() == own.load(index).class_ids.tolist()
    with pytest.raises(DatasetError, match="may lack some of them, but have no others"):
        gate_sets(open_splits(turned), ("square", "cube"), int8=False)
