import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ranks as ranks_program
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from shapes import Shapes
from torch import Tensor

from spotlet.errors import UsageError
from spotlet_training.learning.batches import training_batches
from spotlet_training.learning.distributed import ALONE, Ranks, joined
from spotlet_training.learning.epochs import HISTORY
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.run_folder.state import LAST_STATE, load_state
from spotlet_training.training import BEST_CHECKPOINT

needs_gloo = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(),
    reason="torch here has no gloo to connect processes with",
)


def run_two(*words: str) -> subprocess.CompletedProcess[str]:
    """Starts two processes, and waits until both are gone."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *words],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes learned."""
    folder = tmp_path_factory.mktemp("two")
    done = run_two(ranks_program.__file__, "learn", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def outcome(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    first, second = (load_file(folder / f"{name}-{rank}.safetensors") for rank in range(2))
    return first, second


@needs_gloo
@pytest.mark.parametrize("name", ["frozen", "moving"])
def test_two_processes_hold_the_same_weights(two: Path, name: str) -> None:
    first, second = outcome(two, name)
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())


def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """How far the weights and statistics of two networks are from each other."""
    names = [name for name in others if name.startswith("network.")]
    squares = [float((some[name] - others[name]).double().square().sum()) for name in names]
    return math.sqrt(sum(squares))


@needs_gloo
def test_two_processes_take_the_same_steps_as_one(two: Path) -> None:
    """To rounding, where statistics are frozen: those that move are of what a process sees."""
    start = ranks_program.first_weights()
    alone = ranks_program.learn_steps(frozen_statistics=True)
    together, _ = outcome(two, "frozen")
    torch.testing.assert_close(together["losses"], alone["losses"], rtol=1e-3, atol=1e-5)
    assert distance(together, alone) < 1e-3 * distance(start, alone)


@needs_gloo
def test_two_processes_train_and_the_first_writes(two: Path) -> None:
    epochs = load_state(two / LAST_STATE).epochs
    assert len(epochs) == ranks_program.SETTINGS.epochs
    assert load_checkpoint(two / BEST_CHECKPOINT).class_names == ("square", "disc")


@pytest.mark.slow
@needs_gloo
def test_a_process_that_fails_ends_the_others(tmp_path: Path) -> None:
    done = run_two(ranks_program.__file__, "fail", str(tmp_path))
    assert done.returncode == 1
    assert "planted" in done.stderr
    assert not (tmp_path / LAST_STATE).exists()


@pytest.mark.slow
@needs_gloo
def test_torchrun_starts_the_command_which_prints_once(shapes_folder: Path, tmp_path: Path) -> None:
    words = ["-m", "spotlet", "train", str(shapes_folder), "--out", str(tmp_path), "--epochs", "1"]
    words += ["--image-size", "64", "--batch-size", "4", "--device", "cpu", "--weights", "none"]
    done = run_two(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 processes, writing to") == 1
    assert done.stderr.count("epoch   1/1") == 1
    assert len((tmp_path / HISTORY).read_text().splitlines()) == 2


def test_shares_of_a_batch_are_the_batch(shapes: Shapes) -> None:
    settings = ranks_program.SETTINGS
    with ThreadPoolExecutor(2) as pool:
        whole = list(training_batches(shapes, settings, 0, pool))
        shares = [
            list(training_batches(shapes, settings, 0, pool, Ranks(rank=rank, count=3)))
            for rank in range(3)
        ]
    for step, batch in enumerate(whole):
        assert [len(share[step].images) for share in shares] == [2, 1, 1]
        for place, image in enumerate(batch.images):
            assert torch.equal(shares[place % 3][step].images[place // 3], image)
        assert {name for share in shares for name in share[step].names} == set(batch.names)


def test_a_batch_smaller_than_the_processes_are_many_is_refused(shapes: Shapes) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="raise --batch-size"):
        next(training_batches(shapes, ranks_program.SETTINGS, 0, pool, Ranks(count=5)))


def test_a_process_that_torchrun_did_not_start_is_alone() -> None:
    with joined("cpu") as ranks:
        assert ranks == ALONE
        assert ranks.first
        assert ranks.gather("own") == ["own"]
        assert ranks.from_first("own") == "own"
