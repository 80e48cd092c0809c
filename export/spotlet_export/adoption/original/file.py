"""The original ONNX file: read whole, with its inputs, outputs and metadata."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx.external_data_helper import load_external_data_for_model

from spotlet.errors import ModelFileError, UsageError
from spotlet.manifest import METADATA_KEY
from spotlet_export.adoption.original.session import opened
from spotlet_export.adoption.original.suppression_rule import SuppressionRule
from spotlet_export.graph.editing import subgraphs

MOST_BYTES = 2**31 - 1
"""Of one ONNX file: Protocol Buffers' limit."""

OTHER_FORMATS = {
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow",
    ".engine": "TensorRT",
    ".safetensors": "safetensors",
    ".xml": "OpenVINO",
}
"""Formats that are often mistaken for ONNX, by suffix."""

DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64")
"""Types that an image input may have."""

ANY_SIDE = 320
"""Of a picture of any size, to look at what a graph does."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output.

    Attributes:
        name: in the graph.
        dtype: numpy's name of its type.
        shape: its sides; None for a free or unknown one.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} ({sides})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OriginalFile:
    """The file that is adopted.

    Attributes:
        path: of the file.
        sha256: of the file, hexadecimal; with external data, of both, one after the other.
        model: with all weights inside, opset 11 to 21, its nodes sorted, without loops.
        session: of onnxruntime, for the unchanged file; or cut off before its suppression.
        inputs: without those that are weights.
        outputs: those that can be adopted.
        metadata: what the exporter wrote, by key.
        suppression: of the file, if it was cut off before that.
    """

    path: Path
    sha256: str
    model: onnx.ModelProto
    session: ort.InferenceSession
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    suppression: SuppressionRule | None = None


def load_original(path: Path, on_remark: Callable[[str], None] = lambda _: None) -> OriginalFile:
    """Returns the file, read whole.

    Args:
        path: of the file.
        on_remark: called with what had to be changed for the runtime to load it.

    Raises:
        ModelFileError: it cannot be read, is not ONNX, lacks its weights, is too old, too new or
            too large, or has nothing that the runtime loads.
        UsageError: it is a Spotlet model already.
    """
    model, digest = _read(path)
    metadata = {each.key: each.value for each in model.metadata_props}
    if METADATA_KEY in metadata:
        raise UsageError(f"{path}: this is a Spotlet model already; run it as it is")
    if model.ByteSize() > MOST_BYTES:
        raise ModelFileError(f"{path}: over 2 GB with its weights, the limit of one ONNX file")
    weights = {each.name for each in model.graph.initializer}
    inputs = tuple(_port(each) for each in model.graph.input if each.name not in weights)
    feeds = {port.name: _anything(port) for port in inputs if port.dtype in DTYPES}
    image = next((port.name for port in inputs if len(port.shape) == 4), "")
    batch = len(feeds[image]) if image in feeds else 1
    try:
        session, graph, suppression = opened(model, image, feeds, on_remark)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return OriginalFile(
        path=path,
        sha256=digest,
        model=graph,
        session=session,
        inputs=inputs,
        outputs=tuple(each for each in map(_port, graph.graph.output) if _has_rows(each, batch)),
        metadata=metadata,
        suppression=suppression,
    )


def _has_rows(port: Port, batch: int) -> bool:
    """Returns whether an output can have a row for each picture of a fixed batch."""
    return batch == 1 or not port.shape or port.shape[0] in (None, batch)


def _anything(port: Port) -> npt.NDArray[Any]:
    """Returns a value that an input could have: of the image, grey noise."""
    if len(port.shape) != 4:
        shape = [1 if side is None else side for side in port.shape]
        return np.ones(shape, port.dtype)
    colours = 1 if port.shape[3] != 3 else 3
    usual = (1, *(3 if axis == colours else ANY_SIDE for axis in (1, 2, 3)))
    shape = [any_ if side is None else side for side, any_ in zip(port.shape, usual, strict=True)]
    noise = np.random.default_rng(0).integers(0, 256, shape)
    return (noise / 255 if port.dtype.startswith("float") else noise).astype(port.dtype)


def _read(path: Path) -> tuple[onnx.ModelProto, str]:
    """Returns the model with its weights, and the checksum."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    other = OTHER_FORMATS.get(path.suffix.lower())
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # Protocol Buffers' exceptions differ between its versions
        raise _not_onnx(path, other) from error
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise _not_onnx(path, other)
    digest = hashlib.sha256(content)
    for name in sorted(_external_files(model.graph)):
        data = path.parent / name
        if not data.is_file():
            raise ModelFileError(
                f"{path}: its weights are in {name}, which is missing; put it in the same folder"
            )
        with data.open("rb") as file:
            while part := file.read(1 << 24):
                digest.update(part)
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx's, the system's, NumPy's
        raise ModelFileError(f"{path}: its external weights cannot be read ({error})") from error
    return model, digest.hexdigest()


def _not_onnx(path: Path, other: str | None) -> ModelFileError:
    what = f"it looks like {other}" if other else "damaged, or another format"
    return ModelFileError(f"{path}: not an ONNX model ({what}); export or convert it to ONNX first")


def _external_files(graph: onnx.GraphProto) -> set[str]:
    names = {
        entry.value
        for tensor in graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for node in graph.node:
        for inner in subgraphs(node):
            names |= _external_files(inner)
    return names


def _port(info: onnx.ValueInfoProto) -> Port:
    tensor = info.type.tensor_type
    dtype: Any = (
        np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
        if tensor.elem_type
        else "not a tensor"
    )
    sides = tuple(
        int(side.dim_value) if side.HasField("dim_value") and side.dim_value > 0 else None
        for side in tensor.shape.dim
    )
    return Port(info.name, dtype, sides)
