import pytest
import torch
from torch import nn

from spotlet_training.learning.optimisation import (
    MovingAverage,
    make_optimiser,
    make_schedule,
    peak_learning_rate,
)
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network import Network

SETTINGS = TrainingSettings(learning_rate=0.01, warm_up=0.2)


def rates(steps: int) -> list[float]:
    network = nn.Linear(2, 2)
    optimiser = make_optimiser(network, SETTINGS)
    schedule = make_schedule(optimiser, SETTINGS, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return seen


def test_the_rate_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    seen = rates(100)
    peak = seen.index(max(seen))
    assert 15 <= peak <= 25
    assert max(seen) == pytest.approx(0.01, rel=1e-3)
    assert seen[: peak + 1] == sorted(seen[: peak + 1])
    assert seen[peak:] == sorted(seen[peak:], reverse=True)
    assert seen[-1] < 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_training_of_few_steps_has_a_schedule_too(steps: int) -> None:
    assert all(0 < rate <= 0.01 for rate in rates(steps))


def test_four_times_the_batch_is_twice_the_rate() -> None:
    by_size = [
        peak_learning_rate(TrainingSettings(batch_size=size, learning_rate=0.01))
        for size in (8, 32)
    ]
    assert by_size == pytest.approx([0.01, 0.02])


def test_only_weights_of_convolutions_decay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    decayed, plain = make_optimiser(network, SETTINGS).param_groups
    assert [p.ndim for p in decayed["params"]] == [4]
    assert {p.ndim for p in plain["params"]} == {1}
    assert decayed["weight_decay"] == SETTINGS.weight_decay
    assert plain["weight_decay"] == 0
    assert all(isinstance(p, torch.Tensor) for p in plain["params"])


class _One(Network):
    """A network of one weight and one count."""

    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image, image


def test_the_first_steps_of_the_moving_average_are_larger_than_those_of_its_horizon() -> None:
    network = _One()
    average = MovingAverage(network, horizon_steps=4)
    with torch.no_grad():
        network.weight.fill_(1.0)
    network.count.fill_(7)
    left = []
    for _ in range(8):
        average.update(network)
        left.append(1 - average.network.state_dict()["weight"].item())
    # Of the start, steps of 2/3, 1/2, 2/5, 1/3 and 2/7 leave one over 3, 6, 10, 15, 21; from then
    # on each step is 1/4.
    expected = [1 / 3, 1 / 6, 1 / 10, 1 / 15, 1 / 21]
    for _ in range(3):
        expected.append(expected[-1] * 3 / 4)
    assert left == pytest.approx(expected, abs=1e-6)
    assert average.network.state_dict()["count"].item() == 7
    assert average.steps == 8


def test_a_moving_average_of_no_length_is_the_network_itself() -> None:
    network = _One()
    average = MovingAverage(network, horizon_steps=0.0)
    with torch.no_grad():
        network.weight.fill_(1.0)
    average.update(network)
    assert average.network.state_dict()["weight"].item() == 1.0
