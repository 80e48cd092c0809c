"""What a model may take, each in a process of its own: the bound is one for all of a process."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import squares_graph
from onnx import helper, numpy_helper

from spotlet.errors import ModelFileError, UsageError
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.model import limit_memory
from spotlet.model.limits import guard_session, usable_memory
from spotlet.session import ModelSession

LIMITED = """
import sys, numpy
from spotlet import Detector, SpotletError
from spotlet.model import limit_memory
limit_memory(128 * 2**20)
try:
    Detector(sys.argv[1])(numpy.zeros((120, 160, 3), numpy.uint8))
    print("ran")
except SpotletError as error:
    print(error)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""


def _swollen(path: Path, manifest: Manifest, side: int) -> Path:
    """Writes the network that finds squares, with a tensor of side x side x 4 bytes on the way."""
    model = squares_graph()
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([side, 1], np.int64), "tall"))
    graph.initializer.append(numpy_helper.from_array(np.array([1, side], np.int64), "wide"))
    nodes = [
        helper.make_node("ReduceMax", ["pixels"], ["peak"], keepdims=0),
        helper.make_node("Expand", ["peak", "tall"], ["column"]),
        helper.make_node("Expand", ["peak", "wide"], ["row"]),
        helper.make_node("Mul", ["column", "row"], ["square"]),
        helper.make_node("ReduceMin", ["square"], ["least"], keepdims=0),
        helper.make_node("Add", ["pixels", "least"], ["more_pixels"]),
    ]
    for node in graph.node[1:]:
        node.input[:] = ["more_pixels" if name == "pixels" else name for name in node.input]
    for node in reversed(nodes):
        graph.node.insert(1, node)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, path)
    return path


@pytest.mark.live
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_model_that_asks_for_more_than_there_is_fails_and_the_process_goes_on(
    tmp_path: Path, squares_manifest: Manifest
) -> None:
    said = []
    for side in (1000, 30_000):  # 4 MB, 3.6 GB
        path = _swollen(tmp_path / f"{side}.onnx", squares_manifest, side)
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
        )
        said.append(done.stdout.splitlines())
    (first, small), (second, large) = said
    assert first == "ran"
    assert "30000.onnx: onnxruntime cannot run it" in second
    assert int(large) < int(small) + 128 * 1024


def test_folding_of_constants_is_shared_among_those_that_there_are(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    options = ort.SessionOptions()
    guard_session(save_squares_model(tmp_path / "m.onnx"), options)
    key = "optimization.constant_folding_max_output_size_in_bytes"
    assert int(options.get_session_config_entry(key)) == 256 * 2**20 // 2
    assert options.get_session_config_entry("session.use_env_allocators") == "1"


def test_a_file_of_onnxruntimes_own_format_is_refused_by_its_name(
    tmp_path: Path, save_squares_model: Callable[..., Path]
) -> None:
    path = save_squares_model(tmp_path / "m.ort")
    with pytest.raises(ModelFileError, match=r"m\.ort: is in onnxruntime's own format"):
        ModelSession(path)


def test_the_limit_is_set_once(tmp_path: Path, save_squares_model: Callable[..., Path]) -> None:
    ModelSession(save_squares_model(tmp_path / "m.onnx"))
    bound = limit_memory()
    assert limit_memory(bound) == bound
    with pytest.raises(UsageError, match="set it before the first model"):
        limit_memory(bound + 1)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="must be a whole number"):
            limit_memory(wrong)  # type: ignore[arg-type]


def test_the_memory_of_the_machine_is_known() -> None:
    assert 2**28 <= usable_memory() <= 2**50
