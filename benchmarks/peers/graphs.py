"""Exported graphs: how many weights they hold, and how long one inference takes."""

import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

WARM_UP = 10
ROUNDS = 9
CALLS = 20
"""Inferences of one graph in a round, before the next graph's turn."""

FLOAT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def count_parameters(path: Path) -> int:
    """Returns the number of floating-point weights in an ONNX file."""
    tensors = onnx.load(path).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type in FLOAT_TYPES)


def median_milliseconds(graphs: Mapping[str, Path], threads: int) -> dict[str, float]:
    """Returns the time of one inference for each graph, batch 1, on the CPU.

    The graphs take turns, so that what else the machine does falls on all of them.
    """
    sessions = {name: _open(path, threads) for name, path in graphs.items()}
    feeds = {name: _noise(session) for name, session in sessions.items()}
    milliseconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            for call in range(-WARM_UP, CALLS):
                started = time.perf_counter()
                session.run(None, feeds[name])
                if call >= 0:
                    milliseconds[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in milliseconds.items()}


def _open(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _noise(session: ort.InferenceSession) -> dict[str, npt.NDArray[np.generic]]:
    """Returns an image of the type and shape that the graph takes."""
    (image,) = session.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in image.shape]
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if image.type == "tensor(uint8)":
        return {image.name: pixels}
    return {image.name: pixels.astype(np.float32) / 255}
