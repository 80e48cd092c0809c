"""A package is exported again from its float32 file; any other file is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spotlet.check.probe import synthetic_canvases
from spotlet.errors import CheckpointError, ModelFileError
from spotlet.manifest import METADATA_KEY
from spotlet.model.package import bundled_models
from spotlet.session import ModelSession
from spotlet_export.graph.editing import spread_weights
from spotlet_export.graph.graph import build_graph
from spotlet_export.graph.suppression import manifest_of, with_suppression
from spotlet_export.package.describing import make_manifest
from spotlet_export.package.recovery import recover_checkpoint
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.network.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def original() -> Checkpoint:
    """Of a shape that is none of the sizes, its BatchNorms with statistics of their own."""
    torch.manual_seed(0)
    settings = DetectorSettings(
        class_count=3,
        size_hw=(64, 96),
        channels=(8, 16, 16, 24, 32),
        blocks=(1, 2, 1, 1),
        pyramid_channels=16,
        head_convolutions=3,
    )
    network = TwoHeadDetector(settings)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return Checkpoint(
        network=network.eval(), class_names=("a", "b", "c"), training={"data": "made up"}
    )


@pytest.fixture(scope="module")
def exported(original: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "model.onnx"
    onnx.save(build_graph(original.network, make_manifest(original, "made-up")), path)
    return path


def test_what_is_recovered_is_the_network_that_was_exported(
    original: Checkpoint, exported: Path
) -> None:
    found = recover_checkpoint(exported)
    assert isinstance(original.network.settings, DetectorSettings)
    assert found.network.settings == replace(original.network.settings, scale=1.0)
    assert found.class_names == original.class_names
    assert found.training == original.training
    canvases = torch.from_numpy(synthetic_canvases((64, 96)))
    with torch.no_grad():
        for mine, theirs in zip(found.network(canvases), original.network(canvases), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_it_can_be_exported_again_and_gives_the_same_weights(
    exported: Path, tmp_path: Path
) -> None:
    found = recover_checkpoint(exported)
    again = build_graph(found.network, make_manifest(found, "again"))
    mine, theirs = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (again, spread_weights(onnx.load(exported)))
    )
    assert mine.keys() == theirs.keys()
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name])


def test_the_bundled_packages_are_recovered() -> None:
    for name, folder in bundled_models().items():
        assert (
            recover_checkpoint(folder).class_names
            == ModelSession(folder / "model.onnx").manifest.classes
        ), name


def test_heads_of_the_first_spotlets_are_renamed(exported: Path, tmp_path: Path) -> None:
    model = spread_weights(onnx.load(exported))  # as those were
    names = {
        "class_head.tower.1.convolutions.2.weight": "heads.2.class_tower.1.0.weight",
        "box_head.predictions.0.bias": "heads.0.box_prediction.bias",
    }
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
    onnx.save(model, tmp_path / "old.onnx")
    assert recover_checkpoint(tmp_path / "old.onnx").class_names == ("a", "b", "c")


def test_an_int8_file_and_somebody_elses_are_refused(squares_model: Path) -> None:
    for path in (bundled_models()["cells"] / "model.int8.onnx", squares_model):
        with pytest.raises(CheckpointError, match="not the float32 file of a two-head detector"):
            recover_checkpoint(path)
    with pytest.raises(ModelFileError, match="no such file"):
        recover_checkpoint(Path("nowhere"))


def test_suppression_in_the_graph_and_changed_rules_are_refused(
    exported: Path, tmp_path: Path
) -> None:
    model = onnx.load(exported)
    onnx.save(with_suppression(model), tmp_path / "end2end.onnx")
    with pytest.raises(CheckpointError, match="has suppression in its graph"):
        recover_checkpoint(tmp_path / "end2end.onnx")
    manifest = manifest_of(model)
    stricter = replace(manifest, detection=replace(manifest.detection, score_threshold=0.9))
    onnx.helper.set_model_props(model, {METADATA_KEY: stricter.to_json()})
    onnx.save(model, tmp_path / "stricter.onnx")
    with pytest.raises(CheckpointError, match="would not keep the rules in its manifest"):
        recover_checkpoint(tmp_path / "stricter.onnx")


def test_a_file_that_does_not_compute_what_its_weights_do_is_refused(
    exported: Path, tmp_path: Path
) -> None:
    model = onnx.load(exported)
    last = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    last.op_type = "HardSigmoid"
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(CheckpointError, match="outputs of its weights differ"):
        recover_checkpoint(tmp_path / "changed.onnx")
