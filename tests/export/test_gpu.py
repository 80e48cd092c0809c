"""What a CUDA device trained passes the gate. Skips where there is none."""

from pathlib import Path

import pytest
import torch
from shapes import Shapes

from spotlet_export.exporting import export_package
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.training import BEST_CHECKPOINT, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def test_what_was_trained_on_cuda_passes_the_gate(shapes: Shapes, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=2, size_hw=(96, 96), batch_size=4, device="cuda")
    train(shapes, shapes, settings, tmp_path / "training")
    checkpoint = load_checkpoint(tmp_path / "training" / BEST_CHECKPOINT)
    done = export_package(checkpoint, tmp_path / "package", Shapes(8, seed=1))
    assert done.report.passed
