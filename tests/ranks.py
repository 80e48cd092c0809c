"""One of several processes that `torchrun` starts for the tests: `ranks.py learn|fail FOLDER`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors.torch import save_file
from shapes import Shapes
from torch import Tensor, nn

from spotlet.errors import DatasetError
from spotlet_training.learning.batches import training_batches
from spotlet_training.learning.distributed import ALONE, Ranks, joined
from spotlet_training.learning.epochs import Step
from spotlet_training.learning.learner import Learner
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.training import train

SETTINGS = TrainingSettings(
    epochs=2, size_hw=(64, 64), batch_size=4, device="cpu", precision="float32", loaders=1
)
STEPS = 12
"""Of the schedule, of which an epoch's are taken."""


def first_weights() -> dict[str, Tensor]:
    """Returns the weights before any step."""
    return Learner(2, SETTINGS, STEPS).state()[0]


def learn_steps(ranks: Ranks = ALONE, *, frozen_statistics: bool) -> dict[str, Tensor]:
    """Returns the losses of some steps, and the weights after them.

    With frozen statistics, BatchNorm takes none from what a process happens to see.
    """
    learner = Learner(2, SETTINGS, STEPS, ranks=ranks)
    for module in learner.network.modules():
        if isinstance(module, nn.BatchNorm2d) and frozen_statistics:
            module.eval()
    with ThreadPoolExecutor(1) as pool:
        for batch in training_batches(Shapes(16), SETTINGS, 0, pool, ranks):
            learner.step(batch)
    losses = torch.tensor(learner.read())
    learner.settle()
    weights = {name: each.contiguous() for name, each in learner.state()[0].items()}
    return {**weights, "losses": losses}


def train_until_one_fails(ranks: Ranks, folder: Path) -> None:
    """Trains until the last process fails in its third step."""

    def stop(step: Step) -> None:
        if step.step == 3 and ranks.rank == ranks.count - 1:
            raise DatasetError("planted")

    train(Shapes(16), Shapes(16), SETTINGS, folder, ranks=ranks, on_step=stop)


def run(what: str, folder: Path) -> None:
    """Does what the first word says, as one of several processes."""
    torch.set_num_threads(1)
    with joined("cpu") as ranks:
        if what == "fail":
            train_until_one_fails(ranks, folder)
            return
        for name, frozen in (("frozen", True), ("moving", False)):
            tensors = learn_steps(ranks, frozen_statistics=frozen)
            save_file(tensors, folder / f"{name}-{ranks.rank}.safetensors")
        train(Shapes(16), Shapes(16), SETTINGS, folder, ranks=ranks)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
