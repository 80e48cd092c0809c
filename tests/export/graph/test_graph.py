import json
from pathlib import Path

import numpy as np
import onnx
import torch

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.session import ModelSession
from spotlet_export.graph.graph import IR_VERSION, OPSET, fold_batch_norms
from spotlet_training.network.checkpoint import Checkpoint


def test_the_file_is_one_and_for_old_runtimes(built: onnx.ModelProto) -> None:
    assert built.ir_version == IR_VERSION
    assert [(item.domain, item.version) for item in built.opset_import] == [("", OPSET)]
    assert all(
        tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in built.graph.initializer
    )


def test_every_batch_norm_is_folded(built: onnx.ModelProto) -> None:
    kinds = {node.op_type for node in built.graph.node}
    assert "BatchNormalization" not in kinds
    assert {"Conv", "Relu", "Sigmoid"} <= kinds


def test_inputs_and_outputs_are_the_designs(built: onnx.ModelProto) -> None:
    def sides(value: onnx.ValueInfoProto) -> list[int | str]:
        dims = value.type.tensor_type.shape.dim
        return [dim.dim_param or dim.dim_value for dim in dims]

    cells = 12 * 12 + 6 * 6 + 3 * 3
    (image,) = built.graph.input
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert sides(image) == ["batch", 96, 96, 3]
    assert {value.name: sides(value) for value in built.graph.output} == {
        "boxes": ["batch", cells, 4],
        "scores": ["batch", cells, 2],
    }


def test_the_manifest_rides_in_the_file(built: onnx.ModelProto, tmp_path: Path) -> None:
    properties = {item.key: item.value for item in built.metadata_props}
    assert set(properties) == {METADATA_KEY}
    assert Manifest.from_json(properties[METADATA_KEY]).classes == ("square", "disc")
    path = tmp_path / "model.onnx"
    path.write_bytes(built.SerializeToString())
    assert ModelSession(path).manifest.input.size_hw == (96, 96)


def test_nothing_of_the_exporting_machine_is_in_the_file(built: onnx.ModelProto) -> None:
    content = built.SerializeToString()
    for trace in (b"site-packages", b".py", str(Path.home()).encode(), b"stack_trace"):
        assert trace not in content
    assert json.loads(built.metadata_props[0].value)["schema"] == 3


def test_folding_changes_no_output(checkpoint: Checkpoint) -> None:
    image = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        plain, folded = checkpoint.network(image), fold_batch_norms(checkpoint.network)(image)
    for mine, theirs in zip(plain, folded, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-5)
