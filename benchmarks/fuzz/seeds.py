"""The files to damage: the bundled models, and a small one with operators that they lack."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spotlet.manifest import METADATA_KEY, InputRule, Manifest
from spotlet.model.package import bundled_models, variants_of

SMALL_HW = (48, 64)


@dataclass(frozen=True, slots=True)
class Seed:
    """An undamaged model.

    Attributes:
        name: its label.
        content: the bytes of its file.
        model: the parsed content.
        folder: its package; None if it has none.
    """

    name: str
    content: bytes
    model: onnx.ModelProto
    folder: Path | None


def small_model() -> onnx.ModelProto:
    """Returns a network of 24 nodes with a shape computed on the way, an `If`, and constants."""
    random = np.random.default_rng(0)
    height, width = SMALL_HW
    stored = {
        "kernel": random.standard_normal((6, 3, 3, 3)).astype(np.float32) * 0.1,
        "up": np.array([1, 1, 2, 2], np.float32),
        "to_rows": np.array([0, 6, -1], np.int64),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "four": np.array([4], np.int64),
        "start": np.array([0], np.int64),
        "axis": np.array([2], np.int64),
        "grid_hw": np.array([1, 1, 4], np.int64),
        "yes": np.array(True),
        "scale": np.array(0.02, np.float32),
        "zero": np.array(128, np.uint8),
        "splits": np.array([4, 2], np.int64),
        "repeat": np.array([1, 1, 1], np.int64),
    }
    branch = [
        helper.make_graph(
            [helper.make_node(operator, ["rows"], [name])], name, [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for operator, name in (("Identity", "same"), ("Neg", "negative"))
    ]  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        make("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        make("Pad", ["planes", "pads"], ["padded"]),
        make("Conv", ["padded", "kernel"], ["features"], strides=[2, 2], kernel_shape=[3, 3]),
        make("Relu", ["features"], ["positive"]),
        make("MaxPool", ["positive"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        make("Resize", ["pooled", "", "up"], ["larger"], mode="nearest"),
        make("AveragePool", ["larger"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]),
        make("QuantizeLinear", ["mean", "scale", "zero"], ["bytes"]),
        make("DequantizeLinear", ["bytes", "scale", "zero"], ["coarse"]),
        make("Reshape", ["coarse", "to_rows"], ["flat"]),
        make("Transpose", ["flat"], ["cells"], perm=[0, 2, 1]),
        make("Split", ["cells", "splits"], ["raw", "logits"], axis=2),
        make("ConstantOfShape", ["grid_hw"], ["zeros"]),
        make("Add", ["raw", "zeros"], ["rows"]),
        make("If", ["yes"], ["chosen"], then_branch=branch[0], else_branch=branch[1]),
        make("Tile", ["chosen", "repeat"], ["tiled"]),
        make("Sigmoid", ["tiled"], ["unit"]),
        make("Slice", ["unit", "start", "four", "axis"], ["cut"]),
        make("Softmax", ["cut"], ["shares"], axis=-1),
        make("Shape", ["shares"], ["shape"]),
        make("Expand", ["shares", "shape"], ["boxes"]),
        make("Sigmoid", ["logits"], ["likely"]),
        make("Clip", ["likely"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", height, width, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", "K", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", "K", 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    manifest = Manifest(name="small", classes=("a", "b"), input=InputRule(size_hw=SMALL_HW))
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    return model


def read_seeds(more: tuple[Path, ...] = ()) -> list[Seed]:
    """Returns the small model, every file of the bundled ones, and `more` model files."""
    small = small_model()
    seeds = [Seed("small", small.SerializeToString(), small, None)]
    for name, folder in bundled_models().items():
        for variant, path in variants_of(folder).items():
            content = path.read_bytes()
            seeds.append(Seed(f"{name} {variant}", content, onnx.load_from_string(content), folder))
    for path in more:
        content = path.read_bytes()
        seeds.append(Seed(path.stem, content, onnx.load_from_string(content), None))
    return seeds


def copy_package(seed: Seed, folder: Path) -> None:
    """Copies the files of a package that the runtime reads."""
    assert seed.folder is not None
    for path in seed.folder.iterdir():
        if path.suffix in (".onnx", ".json"):
            shutil.copy(path, folder)
    if (seed.folder / "golden").is_dir():
        shutil.copytree(seed.folder / "golden", folder / "golden")
