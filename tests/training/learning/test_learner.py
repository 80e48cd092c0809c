from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from shapes import Shapes

from spotlet.errors import CheckpointError, TrainingError
from spotlet_training.learning.batches import Batch, training_batches
from spotlet_training.learning.learner import Learner
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.run_folder.state import LAST_STATE
from spotlet_training.training import BEST_CHECKPOINT, train

SETTINGS = TrainingSettings(epochs=2, size_hw=(64, 64), batch_size=4, device="cpu")


@pytest.fixture(scope="module")
def batches(shapes: Shapes) -> list[Batch]:
    with ThreadPoolExecutor(1) as pool:
        return list(training_batches(shapes, SETTINGS, 0, pool))


def poison(learner: Learner) -> None:
    """Makes one weight no number."""
    with torch.no_grad():
        next(learner.network.parameters()).fill_(torch.nan)


def test_a_batch_tells_which_images_it_is_made_of(batches: list[Batch], shapes: Shapes) -> None:
    names = {name for batch in batches for name in batch.names}
    assert names == {shapes.load(index).name for index in range(len(shapes))}
    assert all(4 <= len(batch.names) <= 16 for batch in batches)


def test_a_step_that_is_not_finite_names_its_images_and_is_not_taken(
    batches: list[Batch],
) -> None:
    learner = Learner(2, SETTINGS, 10)
    learner.step(batches[0])
    poison(learner)
    before = [parameter.clone() for parameter in learner.network.parameters()]
    with pytest.raises(TrainingError, match="step 2 of 10: not finite") as error:
        learner.step(batches[1])
    assert ", ".join(batches[1].names) in str(error.value)
    assert "--learning-rate" in str(error.value)
    for mine, theirs in zip(learner.network.parameters(), before, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


def test_a_gradient_that_is_not_finite_stops_a_training_as_well(batches: list[Batch]) -> None:
    learner = Learner(2, SETTINGS, 10)
    weights = next(learner.network.parameters())
    weights.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    with pytest.raises(TrainingError, match=r"gradient norm (nan|inf)"):
        learner.step(batches[0])


def test_a_step_checked_later_is_found_with_the_next_reading(batches: list[Batch]) -> None:
    learner = Learner(2, SETTINGS, 10)
    learner.checks_each_step = False
    learner.step(batches[0])
    assert len(learner.read()) == 1
    learner.step(batches[1])
    poison(learner)
    learner.step(batches[2])
    learner.step(batches[3])
    with pytest.raises(TrainingError, match="step 3 of 10") as error:
        learner.read()
    assert f"labels, {', '.join(batches[2].names)};" in str(error.value)


def test_weights_that_are_not_finite_are_not_kept(batches: list[Batch]) -> None:
    learner = Learner(2, SETTINGS, 10)
    learner.step(batches[0])
    learner.settle()
    poison(learner)
    with pytest.raises(TrainingError, match="not finite"):
        learner.settle()


def test_a_training_that_explodes_writes_no_weights(shapes: Shapes, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=2, size_hw=(64, 64), device="cpu", learning_rate=1e30)
    with pytest.raises(TrainingError, match="shapes-"):
        train(shapes, shapes, settings, tmp_path)
    assert not (tmp_path / BEST_CHECKPOINT).exists()
    assert not (tmp_path / LAST_STATE).exists()


def test_a_restored_learner_takes_the_same_steps(batches: list[Batch]) -> None:
    first, second = Learner(2, SETTINGS, 10), Learner(2, SETTINGS, 10)
    for batch in batches[:2]:
        first.step(batch)
    first.read()
    tensors, numbers = first.state()
    second.restore({name: tensor.clone() for name, tensor in tensors.items()}, numbers)
    for batch in batches[2:]:
        first.step(batch)
        second.step(batch)
    assert first.read() == second.read()
    assert first.learning_rate == second.learning_rate
    theirs = second.state()[0]
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in first.state()[0].items())


def test_the_state_of_another_network_is_refused() -> None:
    tensors, numbers = Learner(3, SETTINGS, 10).state()
    with pytest.raises(CheckpointError, match="another version"):
        Learner(2, SETTINGS, 10).restore(tensors, numbers)


def test_what_a_network_leaves_to_chance_hangs_on_seed_and_epoch() -> None:
    learner = Learner(2, SETTINGS, 10)
    drawn = []
    for epoch in (1, 2, 1):
        learner.seed(epoch)
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[2] != drawn[1]
