"""One graph, one gate and one package for all tests of the export: each takes seconds."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from shapes import Shapes

from spotlet.cli import main
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.variants import FP32_LIMITS
from spotlet_export.graph.graph import build_graph
from spotlet_export.package.describing import make_manifest
from spotlet_training.network.checkpoint import Checkpoint, load_checkpoint


@pytest.fixture(scope="session")
def checkpoint(shapes_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(shapes_checkpoint)


@pytest.fixture(scope="session")
def built(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The graph of the shapes' checkpoint; copy it before changing it."""
    return build_graph(checkpoint.network, make_manifest(checkpoint, "shapes"))


@pytest.fixture(scope="session")
def exported(shapes_checkpoint: Path, shapes_folder: Path, make_once: Callable[..., Path]) -> Path:
    """The package with all four files and a licence; copy it before changing it.

    What the command printed is in `printed.txt` beside it.
    """

    def fill(folder: Path) -> None:
        licence = folder / "LICENSE"
        licence.write_text("mine")
        words = ["export", str(shapes_checkpoint), "--data", str(shapes_folder), "--end-to-end"]
        words += ["--int8", "--int8-budget", "1", "--attach", str(licence)]
        with (
            (folder / "printed.txt").open("w", encoding="utf-8") as printed,
            contextlib.redirect_stdout(printed),
        ):
            assert main([*words, "--out", str(folder / "shapes")]) == 0

    return make_once("exported", fill) / "shapes"


@pytest.fixture(scope="session")
def judged(
    checkpoint: Checkpoint, built: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory
) -> Gate:
    """A gate that the float file has passed."""
    unlabelled = Shapes(8, seed=1, class_names=("box", "ball"))
    scratch = tmp_path_factory.mktemp("gate")
    manifest = make_manifest(checkpoint, "shapes")
    made = Gate.of(checkpoint, manifest, unlabelled, scratch, lambda _: None)
    assert made.prove("fp32", built, FP32_LIMITS).passed
    return made


@pytest.fixture
def judging(judged: Gate) -> Gate:
    """The same, for another file to go through."""
    return replace(judged, files=dict(judged.files), rows=list(judged.rows))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keeps torch on one thread: networks this small only wait for the others."""
    torch.set_num_threads(1)
