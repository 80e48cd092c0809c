"""One export for all tests of the gate: building the graph takes seconds."""

from pathlib import Path

import onnx
import pytest
import torch

from spotlet_export.describing import make_manifest
from spotlet_export.graph import build_graph
from spotlet_training.checkpoint import Checkpoint, load_checkpoint


@pytest.fixture(scope="session")
def checkpoint(shapes_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(shapes_checkpoint)


@pytest.fixture(scope="session")
def built(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The graph of the shapes' checkpoint; copy it before changing it."""
    return build_graph(checkpoint.network, make_manifest(checkpoint, "shapes"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keeps torch on one thread: networks this small only wait for the others."""
    torch.set_num_threads(1)
