"""Measures every node of a network beside the processor's peak, and sums up by kind of operator.

    python -m benchmarks.nodes MODEL[:VARIANT] ... [--threads 1] [--kinds]

A model as for `spotlet run`; onnxruntime on the CPU, batch 1, medians of 100 calls with its
profiler on. MFLOP counts a product and its sum as two; kB are inputs, weights and outputs, each
once. The peak is that of onnxruntime's own product of two large matrices, in float32 or in 8-bit
integers, measured first, because clock rates are rarely known.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from benchmarks.peers.graphs import image_of_noise
from benchmarks.peers.machine import machine_record
from onnx import TensorProto, helper

from spotlet.model import locate_model
from spotlet.text.terminal import table

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort

CALLS = 100
WARM_UP = 10

SIDE = 384
"""Of the square matrices whose product shows the peak: a call ends before its turn on the core."""

PRODUCTS = 300

WEIGHT_INPUT = {"Conv": 1, "FusedConv": 1, "MatMul": 1, "Gemm": 1, "QLinearConv": 3}
"""By operator with products, which input has the weights; the others count no FLOP."""

BYTES = {"float": 4, "uint8": 1, "int8": 1, "int32": 4, "int64": 8, "bool": 1, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the optimised graph.

    Attributes:
        kind: operator, with the size of its kernel.
        shape: of the output.
        flops: products and sums in a call.
        bytes: of inputs, weights and outputs.
        microseconds: of a call.
        integer: whether its products are of integers.
    """

    kind: str
    shape: tuple[int, ...]
    flops: int
    bytes: int
    microseconds: float
    integer: bool


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="NAME, FOLDER or FILE, with :VARIANT")
    parser.add_argument("--threads", type=int, default=1, help="of one inference [%(default)s]")
    parser.add_argument("--kinds", action="store_true", help="only the tables by kind of operator")
    args = parser.parse_args()
    peaks = {integer: peak_flops(args.threads, integer=integer) for integer in (False, True)}
    for model in args.models:
        name, _, variant = model.partition(":")
        nodes = profiled(Path(locate_model(name, variant or None)), args.threads)
        if not args.kinds:
            print(f"\n{model}\n{node_table(nodes, peaks)}")
        print(f"\n{model}, by kind\n{kind_table(nodes, peaks)}")
    print(
        f"\npeak {peaks[False] / 1e9:.0f} GFLOP/s in float32, {peaks[True] / 1e9:.0f} in 8 bits; "
        f"{args.threads} thread(s), "
        f"onnxruntime {ort.__version__}, {machine_record()}"
    )


def peak_flops(threads: int, *, integer: bool) -> float:
    """Returns the FLOP a second of onnxruntime's product of large matrices: its best call."""
    random = np.random.default_rng(0)
    weight = random.integers(-60, 60, (SIDE, SIDE), np.int8)
    constant = weight if integer else weight.astype(np.float32)
    kind, element = ("MatMulInteger", TensorProto.UINT8) if integer else ("MatMul", 1)
    result = TensorProto.INT32 if integer else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(kind, ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", element, [SIDE, SIDE])],
        [helper.make_tensor_value_info("y", result, [SIDE, SIDE])],
        [onnx.numpy_helper.from_array(constant, "b")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = ort.InferenceSession(
        model.SerializeToString(), _options(threads), providers=["CPUExecutionProvider"]
    )
    given = {"a": random.integers(0, 255, (SIDE, SIDE)).astype(np.uint8 if integer else np.float32)}
    seconds = [_timed(lambda: session.run(None, given)) for _ in range(PRODUCTS)]
    return 2 * SIDE**3 / min(seconds)


def profiled(path: Path, threads: int) -> list[Node]:
    """Returns the nodes of a model's optimised graph, in the order of execution."""
    options = _options(threads)
    with tempfile.TemporaryDirectory() as scratch:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(scratch, "nodes"))
        # Packed weights are missing in the profile, but not in the optimised graph.
        options.optimized_model_filepath = str(Path(scratch, "optimised.onnx"))
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        weights = _weights(onnx.load(options.optimized_model_filepath).graph)
        image = image_of_noise(session)
        for _ in range(WARM_UP + CALLS):
            session.run(None, image)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    suffix = "_kernel_time"
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(suffix):
            found.setdefault(event["name"], []).append(event)
    return [
        _node(calls[WARM_UP:], weights.get(name.removesuffix(suffix), ()))
        for name, calls in found.items()
    ]


def _weights(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each node's weights, by the node's name."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return {
        node.name: shapes.get(node.input[WEIGHT_INPUT[node.op_type]], ())
        for node in graph.node
        if node.op_type in WEIGHT_INPUT
    }


def node_table(nodes: Sequence[Node], peaks: Mapping[bool, float]) -> str:
    """Returns a row for each node."""
    rows = [("x".join(map(str, node.shape)), *_figures(nodes, [node], peaks)) for node in nodes]
    named = [(node.kind, *row) for node, row in zip(nodes, rows, strict=True)]
    return table(named, header=("operator", "output", *HEADER))


def kind_table(nodes: Sequence[Node], peaks: Mapping[bool, float]) -> str:
    """Returns a row for each kind of operator, the longest first, and one for all."""
    kinds: dict[str, list[Node]] = {}
    for node in nodes:
        kinds.setdefault(node.kind, []).append(node)
    longest = sorted(kinds.items(), key=lambda item: -sum(n.microseconds for n in item[1]))
    rows = [(kind, len(same), *_figures(nodes, same, peaks)) for kind, same in longest]
    rows.append(("all", len(nodes), *_figures(nodes, nodes, peaks)))
    return table(rows, header=("operator", "nodes", *HEADER))


HEADER = ("MFLOP", "kB", "µs", "of all", "GFLOP/s", "of peak")


def _figures(
    all_nodes: Iterable[Node], nodes: Sequence[Node], peaks: Mapping[bool, float]
) -> tuple[str, ...]:
    whole = sum(node.microseconds for node in all_nodes)
    took, flops = (sum(getattr(n, key) for n in nodes) for key in ("microseconds", "flops"))
    least = sum(node.flops / peaks[node.integer] for node in nodes) * 1e6
    return (
        f"{flops / 1e6:.2f}" if flops else "",
        f"{sum(node.bytes for node in nodes) / 1000:.0f}",
        f"{took:.0f}",
        f"{took / whole:.1%}",
        f"{flops / took / 1000:.1f}" if flops and took else "",
        f"{least / took:.0%}" if flops and took else "",
    )


def _node(calls: Sequence[Mapping[str, Any]], weight: tuple[int, ...]) -> Node:
    """Returns the node of some calls in onnxruntime's profile."""
    about = calls[0]["args"]
    inputs, outputs = (
        [next(iter(each.items())) for each in about[key] if each]
        for key in ("input_type_shape", "output_type_shape")
    )
    kind, shape = about["op_name"], tuple(outputs[0][1])
    integer = kind.startswith("QLinear")
    flops = 0
    if weight:
        # Of a matrix the first side is summed over, of a convolution all sides but the first.
        flops = 2 * math.prod(shape) * math.prod(weight[:1] if len(weight) == 2 else weight[1:])
        index = WEIGHT_INPUT[kind]
        inputs[index] = (inputs[index][0], weight)
    if len(weight) == 4:
        kind += f" {weight[2]}x{weight[3]}{' depthwise' if weight[1] == 1 else ''}"
    return Node(
        kind=kind,
        shape=shape,
        flops=flops,
        bytes=sum(BYTES.get(name, 4) * math.prod(sides) for name, sides in (*inputs, *outputs)),
        microseconds=statistics.median(call["dur"] for call in calls),
        integer=integer,
    )


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
