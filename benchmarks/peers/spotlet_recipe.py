"""Spotlet as a contender: `spotlet train` with its defaults."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contender import ContenderError, Measures, Plan, run_program
from benchmarks.peers.graphs import count_parameters

from spotlet_export.graph.graph import build_graph
from spotlet_export.package.describing import make_manifest
from spotlet_training.evaluation.evaluation import evaluate_network
from spotlet_training.learning.settings import NONE, PRETRAINED, TrainingSettings
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.training import BEST_CHECKPOINT


def training_command(dataset: Path, settings: TrainingSettings, folder: Path) -> list[str | Path]:
    """Returns the `spotlet train` of a training from its beginning; paths are absolute.

    Args:
        dataset: the set.
        settings: of which size, weights, epochs, canvas, seed and device are given; the rest must
            be the command's defaults.
        folder: to write to.
    """
    height, width = settings.size_hw
    return [
        sys.executable, "-m", "spotlet", "train", dataset.resolve(), "--size", settings.size,
        "--weights", settings.weights, "--epochs", str(settings.epochs),
        "--image-size", f"{height}x{width}", "--seed", str(settings.seed),
        "--device", settings.device, "--accept-problems", "--overwrite", "--out", folder.resolve(),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpotletRecipe:
    """Spotlet's recipe.

    Attributes:
        size: of the network, as for `spotlet train --size`.
        pretrained: whether it starts from the bundled backbone, its default.
    """

    size: str
    pretrained: bool

    @property
    def name(self) -> str:
        """Its name in the table."""
        return f"Spotlet {self.size}, {'own backbone' if self.pretrained else 'from scratch'}"

    def train(self, plan: Plan, seed: int, folder: Path) -> None:
        """Leaves the best checkpoint in an empty folder."""
        settings = TrainingSettings(
            size=self.size,
            weights=PRETRAINED if self.pretrained else NONE,
            epochs=plan.epochs,
            size_hw=(plan.image_size, plan.image_size),
            seed=seed,
            device="cpu",
        )
        command = training_command(plan.dataset, settings, folder)
        run_program(command, folder / "train.log", folder=folder, threads=plan.threads)

    def measure(self, plan: Plan, folder: Path) -> Measures:
        """Returns the best checkpoint's accuracy, and exports it."""
        checkpoint = load_checkpoint(folder / BEST_CHECKPOINT)
        with ThreadPoolExecutor(plan.threads) as pool:
            accuracy = evaluate_network(checkpoint.network, plan.splits.val, pool).accuracy
        if accuracy.ap is None or accuracy.ap50 is None:
            raise ContenderError(f"{plan.name}: no object in the validation images to measure by")
        onnx = folder / "best.onnx"
        graph = build_graph(checkpoint.network, make_manifest(checkpoint, plan.name))
        onnx.write_bytes(graph.SerializeToString())
        return Measures(
            ap=accuracy.ap,
            ap50=accuracy.ap50,
            own_ap=accuracy.ap,
            own_ap50=accuracy.ap50,
            parameters=count_parameters(onnx),
            onnx=onnx.name,
        )
