"""The int8 variant: what it is made of, what it may cost, and which faults it cannot hide."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from graph_faults import drop_the_scores, mix_up_the_batch, swap_the_classes, transpose_boxes
from onnx import numpy_helper
from shapes import Shapes

from spotlet import Detector
from spotlet.check import check_model
from spotlet.cli import main
from spotlet.errors import GateError
from spotlet.model.package import VARIANTS
from spotlet.session import ModelSession
from spotlet_export.exporting import ExportSettings, export_package
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.variants import int8_limits
from spotlet_export.graph import budget as budget_module
from spotlet_export.graph import quantisation
from spotlet_export.graph.budget import quantise_within
from spotlet_export.graph.folding import fold_weight
from spotlet_export.graph.quantisation import Calibration, damage_by_layer, hidden_layers, quantise
from spotlet_export.package.describing import make_manifest
from spotlet_training.network.checkpoint import Checkpoint

Plant = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def calibration(checkpoint: Checkpoint) -> Calibration:
    return Calibration.of(Shapes(12), make_manifest(checkpoint, "shapes"))


@pytest.fixture(scope="module")
def quantised(
    built: onnx.ModelProto, calibration: Calibration, tmp_path_factory: pytest.TempPathFactory
) -> onnx.ModelProto:
    layers = hidden_layers(built)
    scratch = tmp_path_factory.mktemp("quantised")
    return quantise(built, layers, layers, calibration.canvases(), scratch)


def outputs(model: onnx.ModelProto, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    canvases = np.stack([Shapes(4).load(n).image_bgr[:96, :96] for n in range(4)])
    return ModelSession(file).run(canvases)


def test_the_package_holds_both_variants_and_both_are_proven(exported: Path) -> None:
    sizes = [(exported / name).stat().st_size for name in ("model.int8.onnx", "model.onnx")]
    assert sizes[0] < sizes[1] / 2
    record = json.loads((exported / "parity.json").read_text("utf-8"))
    assert {entry["variant"]: name for name, entry in record["files"].items()} == VARIANTS
    accuracy = record["files"]["model.int8.onnx"]["accuracy"]
    drop = record["quantisation"]["ap_drop"]
    assert drop == accuracy["before"]["ap"] - accuracy["after"]["ap"]
    assert drop <= record["quantisation"]["budget"] == 1
    assert record["quantisation"]["latency"]["ratio"] > 0
    for variant, name in (("fp32", "model.onnx"), ("int8", "model.int8.onnx")):
        entry = record["files"][name]
        assert {row["passed"] for row in entry["rows"]} == {True}
        assert check_model(exported / name).passed
        assert entry["accuracy"]["after"]["ap"] > 0
        parity = Detector(exported, variant=variant).manifest.parity
        assert (parity["variant"], parity["passed"]) == (variant, True)


def test_activations_are_unsigned_weights_signed_and_scaled_by_channel(
    quantised: onnx.ModelProto,
) -> None:
    values = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    zeros = [values[n.input[2]] for n in quantised.graph.node if n.op_type == "QuantizeLinear"]
    assert zeros
    assert all(zero.dtype == np.uint8 for zero in zeros)
    weights = [values[name] for name in values if values[name].ndim == 4]
    eight = [weight for weight in weights if weight.dtype == np.int8]
    assert len(eight) == 30
    assert all(np.abs(weight.astype(int)).max() <= 64 for weight in eight)
    scales = [
        values[node.input[1]]
        for node in quantised.graph.node
        if node.op_type == "DequantizeLinear" and values.get(node.input[0], np.zeros(1)).ndim == 4
    ]
    assert all(scale.ndim == 1 and len(scale) >= 16 for scale in scales)


def test_predictions_and_decoding_stay_in_float(
    built: onnx.ModelProto, quantised: onnx.ModelProto
) -> None:
    assert not [name for name in hidden_layers(built) if "predictions" in name]
    values = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    predictions = [name for name in values if "predictions" in name and name.endswith("weight")]
    assert len(predictions) == 6
    assert all(values[name].dtype == np.float32 for name in predictions)
    makers = {output: node for node in quantised.graph.node for output in node.output}
    for kind in ("Sigmoid", "Exp", "Clip"):
        for node in (n for n in quantised.graph.node if n.op_type == kind):
            assert makers[node.input[0]].op_type not in ("QuantizeLinear", "DequantizeLinear")


def test_folded_weights_do_what_the_plain_convolution_does() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-64, 65, (5, 3, 3, 3)).astype(np.int8)
    image = rng.integers(0, 256, (1, 8, 16, 3)).astype(np.float64)
    plain = torch.nn.functional.conv2d(
        torch.from_numpy(image).permute(0, 3, 1, 2),
        torch.from_numpy(weight.astype(np.float64)),
        stride=2,
        padding=1,
    )
    folded = torch.from_numpy(image.reshape(1, 8, 4, 12)).permute(0, 3, 1, 2)
    padded = torch.nn.functional.pad(folded, (1, 0, 1, 0))
    pairs = torch.nn.functional.conv2d(
        padded, torch.from_numpy(fold_weight(weight).astype(np.float64)), stride=(2, 1)
    )
    unfolded = pairs.permute(0, 2, 3, 1).reshape(1, 4, 8, 5).permute(0, 3, 1, 2)
    assert torch.equal(unfolded, plain)


def test_folding_is_the_same_network(
    built: onnx.ModelProto,
    quantised: onnx.ModelProto,
    calibration: Calibration,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert "folded" in {name for node in quantised.graph.node for name in node.output}
    monkeypatch.setattr(quantisation, "fold_columns", lambda _model: False)
    layers = hidden_layers(built)
    plain = quantise(built, layers, layers, calibration.canvases(), tmp_path)
    wanted, got = outputs(plain, tmp_path), outputs(quantised, tmp_path)
    for a, b in zip(wanted, got, strict=True):
        assert np.abs(a - b).mean() < 0.005  # half a grey level's rounding, at most
        assert np.abs(a - b).max() < 0.2


def test_a_first_layer_in_float_is_not_folded(
    built: onnx.ModelProto, calibration: Calibration, tmp_path: Path
) -> None:
    layers = hidden_layers(built)
    model = quantise(built, layers, list(layers)[1:], calibration.canvases(), tmp_path)
    assert "folded" not in {name for node in model.graph.node for name in node.output}
    for a, b in zip(outputs(built, tmp_path), outputs(model, tmp_path), strict=True):
        assert np.abs(a - b).mean() < 0.02


@pytest.mark.slow
def test_layers_go_back_to_float_worst_first_until_the_budget_holds(
    built: onnx.ModelProto, calibration: Calibration, tmp_path: Path
) -> None:
    drops = iter([0.05, 0.03, 0.004])
    done = quantise_within(0.01, built, calibration, lambda _: next(drops), tmp_path)
    assert done.drops == (0.05, 0.03, 0.004)
    assert list(done.float_layers) == list(done.damage)[:2]
    assert list(done.damage.values()) == sorted(done.damage.values(), reverse=True)
    values = {t.name: numpy_helper.to_array(t) for t in done.model.graph.initializer}
    eight = {name for name, value in values.items() if value.dtype == np.int8 and value.ndim == 4}
    for layer in hidden_layers(built):
        in_float = not any(name.startswith(layer) or name == "folded_weight" for name in eight)
        assert in_float <= (layer in done.float_layers)
    assert list(tmp_path.iterdir()) == []


def test_the_layer_that_does_most_damage_is_ranked_first(
    built: onnx.ModelProto,
    calibration: Calibration,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    victim = "backbone.stages.2.0"
    right = quantise

    def harmful(model: onnx.ModelProto, layers: dict[str, list[str]], chosen: list[str], *rest):  # type: ignore[no-untyped-def]
        done = right(model, layers, chosen, *rest)
        if chosen == [victim]:
            transpose_boxes(done)
        return done

    monkeypatch.setattr(quantisation, "quantise", harmful)
    layers = {name: nodes for name, nodes in hidden_layers(built).items() if "stages" in name}
    damage = damage_by_layer(built, layers, calibration, tmp_path)
    assert next(iter(damage)) == victim
    assert set(damage) == set(layers)


def test_a_budget_that_cannot_hold_is_refused(
    built: onnx.ModelProto,
    calibration: Calibration,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    layers = hidden_layers(built)
    monkeypatch.setattr(budget_module, "damage_by_layer", lambda *_: dict.fromkeys(layers, 0.1))
    monkeypatch.setattr(budget_module, "quantise", lambda model, *_: model)
    with pytest.raises(GateError, match=r"int8 loses at least 0.0300 AP.*15 of 30 layers in float"):
        quantise_within(0.01, built, calibration, lambda _: 0.03, tmp_path)


@pytest.mark.parametrize(
    ("plant", "row"),
    [
        (swap_the_classes, "tensor scores"),
        (transpose_boxes, "tensor boxes"),
        (drop_the_scores, "tensor scores"),
        (mix_up_the_batch, "tensor scores, batch 8 against 1"),
    ],
    ids=["swap_the_classes", "transpose_boxes", "drop_the_scores", "mix_up_the_batch"],
)
def test_a_fault_of_the_int8_file_alone_is_caught(
    judging: Gate, quantised: onnx.ModelProto, plant: Plant, row: str
) -> None:
    """Without labels, so that the other rows must see it."""
    model = copy.deepcopy(quantised)
    plant(model)
    judging.prove("int8", model, int8_limits(1.0))
    with pytest.raises(GateError, match="nothing written: int8") as caught:
        judging.require_passed()
    assert f"int8 {row}" in str(caught.value)
    assert "fp32" not in str(caught.value)


def test_a_sound_int8_file_passes_where_those_fail(
    judging: Gate, quantised: onnx.ModelProto
) -> None:
    assert judging.prove("int8", quantised, int8_limits(1.0)).passed


@pytest.mark.slow
def test_a_fault_of_the_int8_file_alone_lets_nothing_be_written(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = quantise

    def faulty(*arguments: object) -> onnx.ModelProto:
        model = right(*arguments)  # type: ignore[arg-type]
        swap_the_classes(model)
        return model

    monkeypatch.setattr(budget_module, "quantise", faulty)
    with pytest.raises(GateError, match="nothing written: int8"):
        export_package(
            checkpoint,
            tmp_path / "package",
            Shapes(8, seed=1),
            ExportSettings(int8_budget=1.0),
            calibrate_on=Shapes(16),
        )
    assert list(tmp_path.iterdir()) == []


def test_only_training_images_are_calibrated_on(checkpoint: Checkpoint) -> None:
    seen: list[int] = []

    class Watched(Shapes):
        def load(self, index: int):  # type: ignore[no-untyped-def]
            seen.append(index)
            return super().load(index)

    calibration = Calibration.of(Watched(300), make_manifest(checkpoint, "shapes"))
    assert len(list(calibration.canvases())) == quantisation.CALIBRATION_IMAGES == len(set(seen))
    assert max(seen) > 290
    with pytest.raises(GateError, match="training split is empty"):
        Calibration.of(Shapes(0), make_manifest(checkpoint, "shapes"))


def test_the_command_makes_int8_and_says_what_it_cost(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = (exported.parent / "printed.txt").read_text("utf-8")
    assert "int8: 30 of 30 hidden layers; AP " in printed
    assert " times as fast as float32 on " in printed
    assert (exported / "LICENSE").read_text() == "mine"
    assert main(["check", str(exported), "--variant", "int8"]) == 0
    assert "PASS" in capsys.readouterr().out


def test_the_command_refuses_before_it_works(
    shapes_checkpoint: Path,
    shapes_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["export", str(shapes_checkpoint), "--out", str(tmp_path / "package"), "--int8"]
    assert main(arguments) == 2
    assert "--int8: needs --data" in capsys.readouterr().err
    arguments += ["--data", str(shapes_folder), "--int8-budget", "0.2"]
    assert main([*arguments, "--attach", str(tmp_path / "none.txt")]) == 4
    assert "no such file to attach" in capsys.readouterr().err
    files = [tmp_path / "a" / "TERMS", tmp_path / "b" / "terms"]
    for file in files:
        file.parent.mkdir()
        file.write_text("mine")
    attached = [word for file in files for word in ("--attach", str(file))]
    assert main([*arguments, *attached]) == 4
    assert "already has a file of this name" in capsys.readouterr().err


def test_int8_without_labels_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Shapes(8, class_names=("box", "ball"))
    with pytest.raises(GateError, match="int8 needs labelled validation images"):
        export_package(checkpoint, tmp_path / "package", other, calibrate_on=Shapes(16))
    assert list(tmp_path.iterdir()) == []
