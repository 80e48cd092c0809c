from pathlib import Path

import numpy as np
import onnx

from spotlet.check.probe import synthetic_canvases
from spotlet.session import ModelSession
from spotlet_export.graph.editing import spread_weights
from spotlet_export.graph.sharing import share_weights
from spotlet_training.network import DetectorSettings, TwoHeadDetector


def written(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_the_levels_weights_are_stored_once_and_compute_the_same(
    built: onnx.ModelProto, tmp_path: Path
) -> None:
    """Two heads of two shared units and three levels: of 12 weights in the graph 4 in the file."""
    products = {node.output[0] for node in built.graph.node if node.op_type == "Mul"}
    weights = {
        node.input[1]
        for node in built.graph.node
        if node.op_type == "Conv" and ".tower." in node.input[1]
    }
    assert len(weights) == 12
    assert weights <= products
    shared, spread = written(built, tmp_path / "a.onnx"), tmp_path / "b.onnx"
    written(spread_weights(built), spread)
    stored = [each.name for each in built.graph.initializer if ".tower." in each.name]
    assert sum(name.endswith(".weight") for name in stored) == 4
    assert shared.stat().st_size < spread.stat().st_size
    canvases = synthetic_canvases((96, 96))
    pairs = zip(ModelSession(shared).run(canvases), ModelSession(spread).run(canvases), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_array_equal(mine, theirs)


def test_spread_weights_are_constants_of_the_convolutions(built: onnx.ModelProto) -> None:
    before = built.SerializeToString()
    spread = spread_weights(built)
    constants = {each.name for each in spread.graph.initializer}
    for node in spread.graph.node:
        if node.op_type == "Conv":
            assert constants.issuperset(node.input[1:])
    assert not any(name.endswith(".scale") for name in constants)
    assert built.SerializeToString() == before


def test_weights_that_a_product_would_not_reproduce_stay_as_they_are(
    built: onnx.ModelProto,
) -> None:
    """A network folded by another formula, here one that was trained further since."""
    network = TwoHeadDetector(DetectorSettings.of_size("pico", 1, (96, 96))).eval()
    spread = spread_weights(built)
    before = spread.SerializeToString()
    share_weights(spread, network)
    assert spread.SerializeToString() == before
